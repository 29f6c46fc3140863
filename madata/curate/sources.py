"""Find the files to curate and give each an id made of its name and its content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from madata.cache import remembered_sha256
from madata.errors import MadanceError
from madata.formats import files_in, is_a, stem_of
from madata.types import Source

__all__ = ["Collection", "collect", "printable"]

_UNFINISHED = (".part", ".ytdl", ".crdownload", ".download", ".aria2", ".partial", ".!qb", ".temp")
"""What downloaders append to the names of files they have not finished."""


@dataclass(frozen=True)
class Collection:
    """The files given: each distinct content once, its copies, and what was passed over.

    Attributes:
        sources: one for each distinct content, in path order.
        names: the file name shown for each source id.
        duplicates: (name, source id of the file it repeats).
        ignored: names of files that are no media by their suffix.
        unusable: (name, reason, message) of files that cannot be read, and of downloads that were not finished.
    """

    sources: tuple[Source, ...]
    names: dict[str, str]
    duplicates: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    unusable: tuple[tuple[str, str, str], ...] = ()


def printable(name: str | Path) -> str:
    r"""A file name as text that any table can hold: undecodable bytes become ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def collect(paths: Sequence[Path], *, out: Path) -> Collection:
    """Files given, and media files in folders given (recursively; hidden ones are passed over).

    Audio files count as media, so that they are named as having no picture and are not lost in silence.

    Args:
        out: the output folder; what lies in it is never a source.

    Raises:
        MadanceError: a path does not exist, or nothing was found.
    """
    files, others = _files(paths, out)
    unusable = [
        (name, "unfinished", "a download that was not finished") for name in others if _unfinished(name)
    ]
    ignored = [name for name in others if not _unfinished(name)]
    if not files and not unusable:
        raise MadanceError(f"no video in {', '.join(printable(path) for path in paths) or 'nothing'}")
    sources: dict[str, Source] = {}
    names: dict[str, str] = {}
    duplicates = []
    for path, name in files:
        try:
            digest = remembered_sha256(path)
        except OSError as error:
            unusable.append((name, "unreadable", f"{name}: {error.strerror}"))
            continue
        if digest in sources:
            duplicates.append((name, sources[digest].source_id))
            continue
        source = Source(f"{_slug(stem_of(path))}-{digest[:10]}", path, digest)
        sources[digest] = source
        names[source.source_id] = name
    return Collection(tuple(sources.values()), names, tuple(duplicates), tuple(ignored), tuple(unusable))


def _files(paths: Iterable[Path], out: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    files: dict[Path, str] = {}
    ignored: list[str] = []
    for path in paths:
        if path.is_dir():
            for file in files_in(path, outside=out):
                relative = file.relative_to(path)
                if is_a(file, "video", "sound"):
                    files.setdefault(file.resolve(), printable(relative))
                else:
                    ignored.append(printable(relative))
        elif path.is_file():
            files.setdefault(path.resolve(), printable(path.name))
        else:
            raise MadanceError(f"{printable(path)}: no such file or folder")
    return list(files.items()), ignored


def _unfinished(name: str) -> bool:
    return name.lower().endswith(_UNFINISHED)


def _slug(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].lower() or "video"
