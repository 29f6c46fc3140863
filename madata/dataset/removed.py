"""Take a source out of a data set for good: its clips go, its row stays and says why, and it does not come back.

``removed.json`` is the list of tombstones; curating the same videos again into the folder honours it. The version of
the data set counts them, so that results made on older versions can be told, and parts of one data set that know of the
same removals do not count them twice when they are joined.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madata.dataset.folder import FILE_COLUMNS, REMOVED, Row, hold_data_set, read_folder, write_folder
from madata.dataset.performers import forget_performers
from madata.dataset.recognise import read_duplicates, read_signatures, write_duplicates, write_signatures
from madata.dataset.sums import write_sums
from madata.errors import MadanceError, did_you_mean
from madata.files import read_json, write_json

__all__ = ["RemovalSummary", "data_version", "read_removed", "remove_sources", "tombstone", "write_removed"]

_FILE = "removed.json"
_FORGOTTEN = ("title", "uploader_hash", "url", "likes", "views", "upload_date")
"""What a tombstone says nothing about: it is kept to know the video again, not to publish it."""


@dataclass(frozen=True)
class RemovalSummary:
    """What was removed, and the version of the data set from now on."""

    sources: int
    clips: int
    test_clips: int
    version: str


def read_removed(folder: Path) -> dict[str, Row]:
    """Source id -> what its row says instead; empty where nothing was removed.

    Raises:
        MadanceError: the list is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return {}
    content = read_json(path)
    sources = content.get("sources") if isinstance(content, dict) else None
    if not isinstance(sources, dict) or not all(isinstance(row, dict) for row in sources.values()):
        raise MadanceError(f"{path}: not a list of removed sources: bring the file back")
    return {
        str(source): {"reason": str(row.get("reason", "")), "removed_at": str(row.get("removed_at", ""))}
        for source, row in sources.items()
    }


def write_removed(folder: Path, parts: Sequence[Path]) -> None:
    """Write the tombstones of several data sets as those of the one that they were joined to.

    Of two of one source the one that was removed first stands, in whatever order the parts are named.
    """
    stones = [stone for part in parts for stone in read_removed(part).items()]
    stones.sort(key=lambda stone: (stone[0], stone[1]["removed_at"], stone[1]["reason"]), reverse=True)
    if stones:
        write_json(folder / _FILE, {"sources": dict(sorted(dict(stones).items()))})


def data_version(folder: Path) -> str:
    """``1.0.N`` after N sources were removed.

    Raises:
        MadanceError: the list of removed sources is damaged.
    """
    return f"1.0.{len(read_removed(folder))}"


def remove_sources(
    folder: Path, source_ids: Sequence[str], *, reason: str, day: datetime.date | None = None
) -> RemovalSummary:
    """Remove sources from the data set ``folder``: their clips and all that was derived of them.

    Args:
        reason: why, in a word or some: ``takedown``, ``wrong licence``, ...
        day: of the removal; today by default.

    Raises:
        MadanceError: there is no such source.
    """
    with hold_data_set(folder):
        tables = read_folder(folder)
        known = {row["source_id"] for row in tables.sources if row["source_id"]}
        for source in source_ids:
            if source not in known:
                raise MadanceError(f"{folder}: has no source {source!r}{did_you_mean(source, sorted(known))}")
        signatures, duplicates = read_signatures(folder), read_duplicates(folder)
        gone, today = set(source_ids), (day or datetime.date.today()).isoformat()
        before = read_removed(folder)
        new = gone - set(before)
        content: dict[str, Any] = {
            "sources": before | {source: {"reason": reason, "removed_at": today} for source in new},
        }
        # the tombstones first: from here on nothing brings the sources back, and the same command goes on
        write_json(folder / _FILE, content)
        leaving = [row for row in tables.clips if row["source_id"] in gone]
        tables.clips = [row for row in tables.clips if row["source_id"] not in gone]
        thumbnails = [row for row in tables.dropped if row["source_id"] in gone]
        tables.dropped = [row for row in tables.dropped if row["source_id"] not in gone]
        stones = content["sources"]
        tables.sources = [
            tombstone(row, stones[row["source_id"]]) if row["source_id"] in new else row
            for row in tables.sources
        ]
        write_folder(tables)
        clips = {row["clip_id"] for row in leaving}
        write_signatures(folder, [row for row in signatures if row["clip_id"] not in clips])
        write_duplicates(folder, [row for row in duplicates if not {row["source_a"], row["source_b"]} & gone])
        forget_performers(folder, clips)
        for row in [*leaving, *thumbnails]:
            for column in FILE_COLUMNS:
                if row.get(column):
                    (folder / row[column]).unlink(missing_ok=True)
        for source in gone:
            (folder / "observations" / f"{source}.npz").unlink(missing_ok=True)
        write_sums(folder, tables)
    test = sum(row["split"] == "test" for row in leaving)
    return RemovalSummary(len(new), len(leaving), test, data_version(folder))


def tombstone(row: Row, removed: Row) -> Row:
    """The row of a source as what is left of it once it was ``removed`` (see :func:`read_removed`)."""
    about = {"status": REMOVED, "message": None, "clips": 0, "clips_s": 0.0}
    return {**row, **dict.fromkeys(_FORGOTTEN), **about, **removed}
