"""The folder of a data set as rows, checked before anything trusts them.

Tables come from other machines and other people, so a row may name a file outside the folder, two clips may share an
id, and half of the folder may not have been copied. Each of these is an error that names the table and the row.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from madata.errors import MadanceError
from madata.files import hold_folder
from madata.manifest import SOURCE_COLUMNS as SOURCES
from madata.manifest import Column, clip_columns, dropped_columns, read_rows, table_columns, write_table

__all__ = [
    "FILE_COLUMNS",
    "REMOVED",
    "FolderTables",
    "Row",
    "hold_data_set",
    "is_safe_id",
    "is_safe_path",
    "read_folder",
    "refuse_clip_ids",
    "refuse_repeated",
    "require_tables",
    "write_folder",
]

Row = dict[str, Any]

FILE_COLUMNS = ("path", "keypoints", "thumbnail", "music")
"""Columns of the clips that name a file of the folder."""
REMOVED = "removed"
"""Status of a source that was taken out: its row stays, and no clip of it."""


@dataclass
class FolderTables:
    """Sources, clips and dropped stretches of one folder.

    Attributes:
        measured: columns that filters added to the clips and the dropped.
    """

    folder: Path
    sources: list[Row]
    clips: list[Row]
    dropped: list[Row]
    measured: dict[str, Column]

    def by_source(self) -> dict[str, list[Row]]:
        """The clips of every source that has any."""
        found: dict[str, list[Row]] = {}
        for row in self.clips:
            found.setdefault(row["source_id"], []).append(row)
        return found


def require_tables(folder: Path, needed: Sequence[str] = ("clips", "sources", "dropped")) -> None:
    """Refuse a folder that is no data set.

    Args:
        needed: tables that are going to be read.

    Raises:
        MadanceError: it is none, or a table is missing.
    """
    missing = [name for name in needed if not (folder / f"{name}.parquet").is_file()]
    if not (folder / "clips.parquet").is_file() and not (folder / "sources.parquet").is_file():
        raise MadanceError(
            f"{folder}: no data set (it holds no clips.parquet); make one with madance curate or render"
        )
    if missing:
        absent = ", ".join(f"{name}.parquet" for name in missing)
        raise MadanceError(f"{folder}: half a data set: {absent} is missing; copy the whole folder again")


@contextlib.contextmanager
def hold_data_set(folder: Path) -> Iterator[None]:
    """Be the only process that changes a data set; :func:`madata.files.hold_folder` would make a folder that is absent.

    Raises:
        MadanceError: it is no data set, or another process works there.
    """
    require_tables(folder, ["clips"])
    with hold_folder(folder):
        yield


def read_folder(folder: Path) -> FolderTables:
    """The tables of a data set folder.

    Raises:
        MadanceError: it is no data set, a part of it is missing, or a row cannot be trusted.
    """
    require_tables(folder)
    clips = read_rows(folder / "clips.parquet", clip_columns({}))
    dropped = read_rows(folder / "dropped.parquet", dropped_columns({}))
    sources = read_rows(folder / "sources.parquet", SOURCES)
    known = {*clip_columns({}), *dropped_columns({})}
    there = table_columns(folder / "clips.parquet") | table_columns(folder / "dropped.parquet")
    measured = {name: column for name, column in there.items() if name not in known}
    tables = FolderTables(folder, sources, clips, dropped, measured)
    _refuse_untrusted(tables)
    return tables


def refuse_clip_ids(table: Path, ids: Sequence[str | None]) -> None:
    """Let every clip have a name of its own that may be one of a file.

    Raises:
        MadanceError: the first that has not.
    """
    unnamed = [name for name in ids if not is_safe_id(name)]
    if unnamed:
        raise MadanceError(f"{table}: the clip id {unnamed[0]!r} is no file name")
    refuse_repeated(table, "clip", [name for name in ids if name is not None])


def refuse_repeated(table: Path, what: str, ids: Iterable[str]) -> None:
    """Let no id have two rows.

    Args:
        table: file of the rows.
        what: an id stands for: clip, source.
        ids: of its rows.

    Raises:
        MadanceError: the first that has, by its name, and how many more have.
    """
    counts = Counter(ids)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        more = f", and {len(twice) - 1} more are repeated" if len(twice) > 1 else ""
        raise MadanceError(f"{table}: {what} {twice[0]!r} has {counts[twice[0]]} rows{more}")


def _refuse_untrusted(tables: FolderTables) -> None:
    clips, where = tables.clips, tables.folder / "clips.parquet"
    refuse_clip_ids(where, [row["clip_id"] for row in clips])
    for row in clips:
        outside = [row[name] for name in FILE_COLUMNS if row.get(name) and not is_safe_path(row[name])]
        if outside:
            raise MadanceError(
                f"{where}: clip {row['clip_id']!r} names a file outside the folder: {outside[0]!r}"
            )
    own = [row["source_id"] for row in tables.sources if row["source_id"] and row["status"] != "duplicate"]
    refuse_repeated(tables.folder / "sources.parquet", "source", own)
    strangers = sorted({str(row["source_id"]) for row in clips} - set(own))
    if strangers:
        raise MadanceError(f"{where}: source {strangers[0]!r} of a clip has no row in sources.parquet")


def is_safe_id(name: Any) -> bool:
    """Whether a name can be that of a file: no folder, nothing hidden, no sign that a terminal obeys."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 200
        and not name.startswith(".")
        and name.isprintable()
        and not set(name) & set("/\\\0")
    )


def is_safe_path(name: Any) -> bool:
    """Whether a path leads to a file inside the folder it is relative to."""
    if not isinstance(name, str) or not name.isprintable() or "\\" in name:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and not PurePosixPath(name).is_absolute() and ".." not in parts


def write_folder(tables: FolderTables, out: Path | None = None) -> None:
    """Write the three tables into their folder, or into ``out``."""
    folder = out or tables.folder
    write_table(folder / "sources.parquet", tables.sources, SOURCES)
    write_table(folder / "clips.parquet", tables.clips, clip_columns(tables.measured))
    write_table(folder / "dropped.parquet", tables.dropped, dropped_columns(tables.measured))


def clips_s(rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of clips."""
    return float(sum(row["duration_s"] or 0.0 for row in rows))
