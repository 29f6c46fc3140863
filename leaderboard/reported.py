"""The tables of the paper, as printed: never measured, never ranked with what was measured."""

from __future__ import annotations

from typing import Any

from leaderboard.paper import Task, paper_document, paper_table
from leaderboard.tables import Cell, Row, Section

__all__ = ["reported_section", "reported_source"]


def reported_source() -> str:
    """Title of the paper the tables are from."""
    return str(paper_document()["paper"])


def reported_section(task: Task) -> Section:
    """The rows of the paper's table for ``task`` in its order, with what is odd about them as notes.

    Example:
        >>> reported_section("animation").rows[2].cells["fvd"].printed
        '332.82'
    """
    table = paper_table(task)
    return Section(
        title=f"Reported in the paper, Table {table['number']}",
        conditions=(table["dataset"],),
        rows=tuple(_row(f"reported-{task}-{number}", row) for number, row in enumerate(table["rows"])),
        reported=True,
        notes=(paper_document()["note"], *table["notes"]),
    )


def _row(key: str, row: dict[str, Any]) -> Row:
    cells = {
        metric: Cell(
            value=None if printed is None else float(printed),
            printed=printed,
            reason="not given" if printed is None else None,
            notes=tuple(row["notes"].get(metric, ())),
        )
        for metric, printed in row["cells"].items()
    }
    return Row(key, row["name"], row["kind"], cells, venue=row["venue"])
