"""Aligned text for a terminal: a block for each section, columns under each other, marks as letters."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.report.text import columns as aligned
from leaderboard.layout import BoardColumn
from leaderboard.render.notes import Footnotes, lines_of
from leaderboard.tables import Mark, Row, Section, Table
from madata.text import visible, visible_lines

__all__ = ["to_text"]

_MARKS: dict[Mark, str] = {"best": "*", "tied": "≈", "second": "+", "": ""}
_LEGEND = (
    "*: best; ≈: cannot be told from the best; +: second; brackets: 95 % interval. "
    "Ranks are within a section only."
)


def to_text(
    table: Table, *, intervals: bool | None = None, notes: bool = True, width: int | None = None
) -> str:
    """Text in columns; a section shows the columns it has values of, in the direction they have there.

    Args:
        intervals: show 95 % intervals; by default where the lines fit ``width``.
        notes: say below each section how it was measured, and what is to be known of single numbers.
        width: letters in a line of the terminal; ``None`` for any number.
    """
    numbered = Footnotes()
    blocks = [table.title]
    for section in table.sections:
        shown = [section.here(column) for column in table.columns if section.has(column)]
        lines = _lines(section, shown, numbered if notes else None, intervals is not False)
        too_wide = width is not None and max(map(len, lines)) > width
        if intervals is None and too_wide:
            lines = _lines(section, shown, numbered if notes else None, False)
        below = [f"  {line}" for line in lines_of(section)] if notes else []
        blocks.append("\n".join([visible(section.title), *lines, *below]))
    footnotes = [f"({number}) {text}" for text, number in numbered.texts.items()]
    return visible_lines("\n\n".join([*blocks, "\n".join([_LEGEND, *footnotes])])) + "\n"


def _lines(
    section: Section, shown: Sequence[BoardColumn], notes: Footnotes | None, intervals: bool
) -> list[str]:
    heads = [" ".join(filter(None, (column.label, column.arrow, column.unit))) for column in shown]
    rows = [["system", *heads]]
    for row in section.rows:
        name = row.name + (f" ({row.venue})" if row.venue else "")
        rows.append([name, *(_cell(row, column, notes, intervals) for column in shown)])
    return aligned(rows)


def _cell(row: Row, column: BoardColumn, notes: Footnotes | None, intervals: bool) -> str:
    cell = row.cells.get(column.metric)
    if cell is None:
        return ""
    text = cell.text(column) + _MARKS[cell.mark]
    if intervals and (ends := cell.interval(column)):
        text += f" [{ends}]"
    numbers = ",".join(str(number) for number in notes.of(cell)) if notes else ""
    return text + (f" ({numbers})" if numbers else "")
