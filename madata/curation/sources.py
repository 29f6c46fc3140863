"""The sources of a run: each distinct content once, under an id made of its name and its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from madata.cache import remembered_sha256
from madata.curation.find import crawl_files, printable
from madata.curation.provenance import read_notes
from madata.engine import SILENT, Watch, threads
from madata.errors import MadanceError, MediaError
from madata.formats import stem_of
from madata.shard import WHOLE, Shard
from madata.types import Source, VideoInfo

__all__ = ["Collection", "collect", "probe_all"]

_MOST_AT_A_TIME = 16

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Collection:
    """The files given: each distinct content once, its copies, and what was passed over.

    Attributes:
        sources: one for each distinct content, in path order.
        names: the file name shown for each source id.
        duplicates: (name, source id of the file it repeats).
        ignored: (name, why) of files that are no sources.
        unusable: (name, reason, message) of files and folders that cannot be read, and of unfinished downloads.
        provenance: what downloaders' notes say about a source, by its id: columns of
            :data:`madata.manifest.PROVENANCE_COLUMNS`.
    """

    sources: tuple[Source, ...]
    names: dict[str, str]
    duplicates: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...]
    unusable: tuple[tuple[str, str, str], ...] = ()
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def collect(
    paths: Sequence[Path],
    *,
    out: Path,
    jobs: int = 1,
    shard: Shard = WHOLE,
    watch: Watch = SILENT,
) -> Collection:
    """Find the files (:mod:`madata.curation.find`), hash them, and read the notes of downloaders.

    Args:
        out: the output folder; what lies in it is never a source.
        jobs: files read at a time.
        shard: only the files of one part. Files of one size are in one part, so that copies of one content meet
            there, and no other file need be read. What cannot be used is named by the first part.

    Raises:
        MadanceError: a path does not exist, or nothing was found.
    """
    found = crawl_files(paths, outside=out)
    if not found.files and not found.unusable:
        raise MadanceError(f"no video in {', '.join(printable(path) for path in paths) or 'nothing'}")
    about, silent = read_notes(found.notes, found.files, watch)
    mine = [path for path in found.files if shard.count == 1 or shard.has(_size_of(path))]
    sources: dict[str, Source] = {}
    names: dict[str, str] = {}
    provenance: dict[str, Mapping[str, Any]] = {}
    duplicates = []
    for path, digest in _in_parallel(_digest, mine, jobs, watch, "hashing"):
        name = found.files[path]
        if isinstance(digest, OSError):
            found.unreadable(name, digest)
            continue
        if digest in sources:
            source_id = sources[digest].source_id
            duplicates.append((name, source_id))
        else:
            source_id = f"{_slug(stem_of(path))}-{digest[:10]}"
            sources[digest] = Source(source_id, path, digest)
            names[source_id] = name
        if path in about:
            provenance.setdefault(source_id, about[path])
    first = shard.index == 1
    return Collection(
        tuple(sources.values()),
        names,
        tuple(duplicates),
        tuple(sorted([*found.ignored, *silent])) if first else (),
        tuple(found.unusable) if first else (),
        provenance,
    )


def probe_all(
    sources: Iterable[Source], *, jobs: int = 1, watch: Watch = SILENT
) -> dict[str, VideoInfo | MediaError]:
    """What each source declares about itself, or why it cannot be opened, by source id."""
    return {
        source.source_id: info for source, info in _in_parallel(_describe, sources, jobs, watch, "probing")
    }


def _size_of(path: Path) -> str:
    try:
        return str(path.stat().st_size)
    except OSError:
        return ""


def _digest(path: Path) -> str | OSError:
    try:
        return remembered_sha256(path)
    except OSError as error:
        return error


def _describe(source: Source) -> VideoInfo | MediaError:
    from madata.video import probe

    try:
        return probe(source.path)
    except MediaError as error:
        return error


def _in_parallel(
    function: Callable[[Item], Value], items: Iterable[Item], jobs: int, watch: Watch, what: str
) -> Iterator[tuple[Item, Value]]:
    """Threads do: reading, hashing and decoding give way to one another."""
    every = list(items)
    # several at a time where there are many: handing over costs as much as asking for a hash that is remembered
    size = max(1, min(_MOST_AT_A_TIME, len(every) // (8 * jobs)))
    groups = [every[first : first + size] for first in range(0, len(every), size)]
    done = 0
    with threads(jobs) as pool:
        for group, values in zip(
            groups, pool.map(lambda group: [*map(function, group)], groups), strict=True
        ):
            done += len(group)
            watch.files(what, done, len(every))
            yield from zip(group, values, strict=True)


def _slug(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].lower() or "video"
