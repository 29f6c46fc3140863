"""Tables as CSV, for eyes and spreadsheets: sources, clips and dropped.

A text that a spreadsheet would run as a formula gets an apostrophe in front: titles and names come from strangers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.dataset.export import Exported, ExportFormat
from madata.files import atomic_path
from madata.manifest import iterate_rows

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable

__all__ = ["EXPORT"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _write(clips: ClipTable, out: Path) -> Exported:
    for name in ("sources", "clips", "dropped"):
        path = clips.folder / f"{name}.parquet"
        if name == "clips":
            _write_rows(out / "clips.csv", (row for _, row in clips.rows()))
        elif path.is_file():
            _write_rows(out / f"{name}.csv", iterate_rows(path))
    return Exported(len(clips))


def _write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows, None)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        if first is None:
            return
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(first)
        writer.writerow(map(_cell, first.values()))
        writer.writerows(map(_cell, row.values()) for row in rows)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


EXPORT = ExportFormat("tables for spreadsheets: sources.csv, clips.csv, dropped.csv", _write)
