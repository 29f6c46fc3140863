"""Which sources may not be parted by a split: those that share a source, a performance, pictures, an uploader, a song.

Sources are joined by what they share, and what is joined to one is joined to the other: a group is a connected
component of that graph, named by the smallest source id in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

__all__ = ["DEFAULT_TIES", "TIES", "Tie", "group_of_sources", "hashed_place", "ties_between"]

Tie = Literal["performance", "duplicate", "uploader", "song"]
TIES: tuple[Tie, ...] = get_args(Tie)
"""What sources may be joined by, besides being one."""
DEFAULT_TIES: tuple[Tie, ...] = ("performance", "duplicate", "uploader")
"""A song is danced by many: joined by it, a data set of popular music would be a single group."""

_COLUMN_OF: dict[Tie, str] = {"performance": "performance_id", "uploader": "uploader_hash", "song": "song"}


def ties_between(
    sources: Iterable[Mapping[str, Any]],
    duplicates: Iterable[Mapping[str, Any]],
    songs: Iterable[tuple[str, str]] = (),
    by: Sequence[Tie] = DEFAULT_TIES,
) -> list[tuple[str, str, Tie]]:
    """Pairs of sources that share something, and what; chained, so that sharing costs no more than its sources.

    Args:
        sources: rows of ``sources.parquet``.
        duplicates: rows of ``duplicates.parquet``.
        songs: (source id, music id) of clips whose music was recognised by its sound.
    """
    found: list[tuple[str, str, Tie]] = []
    last: dict[tuple[Tie, str], str] = {}
    rows = sorted((row for row in sources if row.get("source_id")), key=lambda row: str(row["source_id"]))
    shared = [
        (tie, str(row[column]), str(row["source_id"]))
        for row in rows
        for tie, column in _COLUMN_OF.items()
        if tie in by and row.get(column)
    ]
    if "song" in by:
        shared += [("song", f"sound:{music}", source) for source, music in sorted(songs)]
    for tie, value, source in shared:
        before = last.get((tie, value))
        if before is not None and before != source:
            found.append((before, source, tie))
        last[tie, value] = source
    if "duplicate" in by:
        found += [
            (str(row["source_a"]), str(row["source_b"]), "duplicate")
            for row in duplicates
            if row["source_a"] != row["source_b"]
        ]
    return found


def group_of_sources(source_ids: Iterable[str], ties: Iterable[tuple[str, str, Tie]]) -> dict[str, str]:
    """The group of every source: the smallest id that a chain of ties leads to.

    Example:
        >>> group_of_sources(["c", "b", "a"], [("b", "c", "uploader")])
        {'a': 'a', 'b': 'b', 'c': 'b'}
    """
    parent = {source: source for source in sorted(source_ids)}

    def root(source: str) -> str:
        while parent[source] != source:
            parent[source] = parent[parent[source]]
            source = parent[source]
        return source

    for one, other, _ in ties:
        if one in parent and other in parent:
            first, second = sorted((root(one), root(other)))
            parent[second] = first
    return {source: root(source) for source in parent}


def hashed_place(name: str, salt: str) -> float:
    """A number in [0, 1) that a name is given for good, evenly spread over all names."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{name}".encode()).digest()[:8], "big") / 2**64
