"""CSV and JSON: numbers unrounded, in the unit in which results hold them, marks and reasons as words."""

from __future__ import annotations

import csv
import io
import json

from leaderboard.layout import BoardColumn, in_stored_unit
from leaderboard.tables import Cell, Row, Table
from madata.text import visible, visible_lines

__all__ = ["to_csv", "to_json"]


_FORMULA = tuple("=+-@＝＋－＠")
"""What begins a formula; in the full-width letters of East Asia too."""


def to_csv(table: Table) -> str:
    """One line a row; each metric has value, interval, n and mark.

    No text is a formula to a spreadsheet, nor becomes one where it splits lines at ``;``.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    parts = ("", "_low", "_high", "_n", "_mark", "_unranked")
    names = [_csv_text(column.metric) for column in table.columns]
    head = ["section", "conditions", "system", "kind", "venue", "level", "date", "results"]
    writer.writerow([*head, *(f"{name}{part}" for name in names for part in parts)])
    for section in table.sections:
        for row in section.rows:
            line: list[str | float | int | None] = [
                _csv_text(section.title),
                _csv_text(", ".join(section.conditions)),
                _csv_text(row.name),
                row.kind,
                _csv_text(row.venue or ""),
                row.level,
                row.date,
                " ".join(row.results),
            ]
            for column in table.columns:
                cell = row.cells.get(column.metric, Cell())
                unranked = _csv_text(cell.unranked or "")
                value, low, high = (_stored(own, column) for own in (cell.value, cell.low, cell.high))
                line += [value, low, high, cell.n, cell.mark, unranked]
            writer.writerow(line)
    return stream.getvalue()


def _csv_text(text: str) -> str:
    flat = " ".join(visible(text).split()).replace(";", ",")
    return f"'{flat}" if flat.startswith(_FORMULA) else flat


def to_json(table: Table) -> str:
    """``madance.table/1``: everything the table holds, numbers unrounded."""
    document = {
        "schema": "madance.table/1",
        "task": table.task,
        "title": table.title,
        "columns": [_json_column(column) for column in table.columns],
        "sections": [
            {
                "title": section.title,
                "conditions": list(section.conditions),
                "reported": section.reported,
                "official": section.official,
                "notes": list(section.notes),
                "directions": dict(section.directions),
                "rows": [_json_row(row, table) for row in section.rows],
            }
            for section in table.sections
        ],
    }
    return visible_lines(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)) + "\n"


def _json_column(column: BoardColumn) -> dict[str, object]:
    return {
        "metric": column.metric,
        "label": column.label,
        "title": column.title,
        "higher_is_better": column.higher_is_better,
        "direction": column.direction,
        "group": column.group,
        "printed_scale": column.scale,
        "printed_unit": column.unit,
    }


def _json_row(row: Row, table: Table) -> dict[str, object]:
    columns = {column.metric: column for column in table.columns}
    return {
        "name": row.name,
        "kind": row.kind,
        "venue": row.venue,
        "level": row.level,
        "date": row.date,
        "results": list(row.results),
        "cells": {
            name: _json_cell(row.cells[name], column) for name, column in columns.items() if name in row.cells
        },
    }


def _stored(value: float | None, column: BoardColumn) -> float | None:
    return None if value is None else in_stored_unit(value, column)


def _json_cell(cell: Cell, column: BoardColumn) -> dict[str, object]:
    value, low, high, floor, real = (
        _stored(own, column) for own in (cell.value, cell.low, cell.high, cell.floor, cell.reference)
    )
    found = {
        "printed": cell.printed,
        "ci95": None if low is None else [low, high],
        "n": cell.n,
        "noise_floor": floor,
        "reference": real,
        "place": cell.place,
        "rank": cell.rank,
        "best": cell.best,
        "mark": cell.mark or None,
        "unranked": cell.unranked,
        "reason": cell.reason,
        "notes": list(cell.notes) or None,
        "by_second": [_stored(own, column) for own in cell.course] or None,
        "reference_by_second": [_stored(own, column) for own in cell.real_course] or None,
    }
    return {"value": value, **{key: value for key, value in found.items() if value is not None}}
