"""Find the files to curate and give each an id made of its name and its content."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes, sha256_file, write_json
from madata.types import Source

__all__ = ["Collection", "collect", "printable"]

_VIDEO = {
    ".3gp",
    ".avi",
    ".flv",
    ".gif",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ogv",
}
_VIDEO |= {".ts", ".webm", ".wmv"}
_SOUND = {".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}


@dataclass(frozen=True)
class Collection:
    """The files given: each distinct content once, its copies, and what was passed over.

    Attributes:
        sources: one for each distinct content, in path order.
        names: the file name shown for each source id.
        duplicates: (name, source id of the file it repeats).
        ignored: names of files that are no media by their suffix.
    """

    sources: tuple[Source, ...]
    names: dict[str, str]
    duplicates: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


def printable(name: str | Path) -> str:
    """A file name as text that any table can hold: undecodable bytes become ``\\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def collect(paths: Sequence[Path], *, out: Path, cache: Path) -> Collection:
    """Files given, and media files in folders given (recursively; hidden ones are passed over).

    Audio files count as media, so that they are named as having no picture and are not lost in silence.

    Args:
        out: the output folder; what lies in it is never a source.
        cache: JSON file of digests by path, size and modification time, so that a rerun reads nothing twice.

    Raises:
        MadanceError: a path does not exist, or nothing was found.
    """
    files, ignored = _files(paths, out.resolve())
    if not files:
        raise MadanceError(f"no video in {', '.join(printable(path) for path in paths) or 'nothing'}")
    digests = _digests([path for path, _ in files], cache)
    sources: dict[str, Source] = {}
    names: dict[str, str] = {}
    duplicates = []
    for path, name in files:
        digest = digests[path]
        if digest in sources:
            duplicates.append((name, sources[digest].source_id))
            continue
        source = Source(f"{_slug(path.stem)}-{digest[:10]}", path, digest)
        sources[digest] = source
        names[source.source_id] = name
    return Collection(tuple(sources.values()), names, tuple(duplicates), tuple(ignored))


def _files(paths: Iterable[Path], out: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    files: dict[Path, str] = {}
    ignored: list[str] = []
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                relative = file.relative_to(path)
                hidden = any(part.startswith(".") for part in relative.parts)
                if hidden or not file.is_file() or file.resolve().is_relative_to(out):
                    continue
                if file.suffix.lower() in _VIDEO | _SOUND:
                    files.setdefault(file.resolve(), printable(relative))
                else:
                    ignored.append(printable(relative))
        elif path.is_file():
            files.setdefault(path.resolve(), printable(path.name))
        else:
            raise MadanceError(f"{printable(path)}: no such file or folder")
    return list(files.items()), ignored


def _slug(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].lower() or "video"


def _digests(files: Sequence[Path], cache: Path) -> dict[Path, str]:
    known: dict[str, list[object]] = read_json(cache) if cache.exists() else {}
    digests: dict[Path, str] = {}
    fresh: dict[str, list[object]] = dict(known)
    for file in files:
        status = file.stat()
        key = sha256_bytes(os.fsencode(file))
        stamp = [status.st_size, status.st_mtime_ns]
        entry = known.get(key)
        digest = str(entry[2]) if entry and entry[:2] == stamp else sha256_file(file)
        digests[file] = digest
        fresh[key] = [*stamp, digest]
    if fresh != known:
        write_json(cache, fresh)
    return digests
