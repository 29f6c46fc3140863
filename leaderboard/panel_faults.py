"""What is wrong with a system at first sight: metrics of bodies beyond those of real dance, music that is not heard.

The columns of the panels stand beside the paper's and are many. A row is named here where its whole interval is worse
than the value of the real clips by more than their noise floor (Body, Drift), or where chance would have done as well
(Rhythm: a z below 2; Identity: the interval holds what the pictures of others give).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaderboard.layout import BoardColumn
from leaderboard.tables import Cell, Row, Section

__all__ = ["PanelFault", "panel_faults"]

_SURE_Z = 2.0
_BEYOND_REAL = "worse than real dance, beyond its noise"
_AT_CHANCE = "no better than chance"


@dataclass(frozen=True)
class PanelFault:
    """One system in one panel.

    Attributes:
        what: is wrong, in words.
        columns: the metrics that say so.
        judged: how many metrics of the panel could have said so.
    """

    system: str
    panel: str
    what: str
    columns: tuple[BoardColumn, ...]
    judged: int


def panel_faults(section: Section, columns: Sequence[BoardColumn]) -> list[PanelFault]:
    """What is wrong with the systems of a section, panel by panel; the truth and sanity rows are not judged."""
    return [fault for row in section.rows if row.kind == "system" for fault in _of_row(row, section, columns)]


def _of_row(row: Row, section: Section, columns: Sequence[BoardColumn]) -> Iterator[PanelFault]:
    for panel in dict.fromkeys(column.group for column in columns if column.panel):
        found = {
            column: verdict
            for column in columns
            if column.panel
            and column.group == panel
            and (verdict := _is_bad(row.cells.get(column.metric, Cell()), section.here(column))) is not None
        }
        if bad := tuple(column for column, verdict in found.items() if verdict):
            what = _BEYOND_REAL if panel in ("Body", "Drift") else _AT_CHANCE
            yield PanelFault(row.name, panel, what, bad, len(found))


def _is_bad(cell: Cell, column: BoardColumn) -> bool | None:
    """Whether a value is bad; ``None`` where that cannot be told."""
    if column.group == "Rhythm":
        is_z = column.metric.endswith("_z") and cell.value is not None
        return cell.value < _SURE_Z if is_z and cell.value is not None else None
    if cell.low is None or cell.high is None:
        return None
    if column.group == "Identity":
        return None if cell.floor is None else cell.low <= cell.floor
    if column.group not in ("Body", "Drift") or cell.reference is None:
        return None
    noise = cell.floor or 0.0
    above, below = cell.low > cell.reference + noise, cell.high < cell.reference - noise
    return {"lower": above, "higher": below, "reference": above or below}.get(column.direction)
