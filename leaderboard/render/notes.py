"""What every printed format says below its table: the legend, conditions, numbered notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from leaderboard.tables import Cell, Section, Table
from madata.text import visible

__all__ = ["LEGEND", "Footnotes", "conditions", "lines_of"]

LEGEND = (
    "bold: best; bold with ≈: cannot be told from the best; underlined: second; brackets: 95 % interval. "
    "Ranks are within a section only."
)


@dataclass
class Footnotes:
    """Numbers notes in the order in which they appear; equal notes share a number."""

    texts: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """The number of a note."""
        return self.texts.setdefault(text, len(self.texts) + 1)

    def of(self, cell: Cell) -> list[int]:
        """The numbers of all notes of a cell."""
        texts = [*cell.notes, *([cell.unranked] if cell.unranked else [])]
        texts += [cell.reason] if cell.reason and cell.reason != "not given" else []
        return [self.number(text) for text in texts]


def conditions(table: Table) -> list[str]:
    """What stands below a table: how each section was measured."""
    return [f"{section.title}: {line}" for section in table.sections for line in lines_of(section)]


def lines_of(section: Section) -> tuple[str, ...]:
    """What stands below one section: how it was measured, and what is known of its ranks."""
    return tuple(visible(line) for line in (*section.conditions, *section.notes))
