"""An HTML table that sorts by value, and the templates it and the page are made with.

All markup stands in ``leaderboard/templates``; every text that goes in is escaped there.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from evaluation.metrics.spec import Direction
from leaderboard.layout import BoardColumn
from leaderboard.tables import Cell, Section, Table
from madata.text import visible_value

if TYPE_CHECKING:
    import jinja2

__all__ = ["LEVELS", "IntervalMark", "interval_mark", "macros", "template_text", "templates", "to_html"]

_DIRECTIONS: dict[Direction, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "reference": "nearer to the real clips is better",
    "none": "not ranked",
}
LEVELS = {0: "reported", 1: "re-scored", 2: "re-measured", 3: "re-generated"}
"""Names of the verification levels."""


def to_html(table: Table) -> str:
    """A ``<table>`` that can stand alone: values to sort by in ``data-v``, a body for each section.

    The page of :mod:`leaderboard.site` uses the same table and adds style and script.
    """
    return str(macros("table.html").board(table))


def template_text(name: str) -> str:
    """A script or style of this package, as it stands in its file."""
    return resources.files("leaderboard").joinpath("templates", name).read_text("utf-8")


@functools.cache
def templates() -> jinja2.Environment:
    """The templates of this package. Texts are escaped; a name that does not exist is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("leaderboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A number that is not finite has no JSON.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"px": "{:.1f}".format, "shortened": _shortened}
    environment.globals |= {
        "levels": LEVELS,
        "directions": _DIRECTIONS,
        "groups": _groups,
        "mark_of": interval_mark,
    }
    return environment


def macros(name: str) -> Any:
    """The macros of a template as functions that return markup."""
    return templates().get_template(name).module


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _groups(table: Table) -> list[tuple[str, list[BoardColumn]]]:
    """Neighbouring columns under one heading."""
    return [
        (name, list(columns))
        for name, columns in itertools.groupby(table.columns, lambda column: column.group)
    ]


@dataclass(frozen=True)
class IntervalMark:
    """A line from end to end of an interval with a dot at the value, px of a strip 60 wide."""

    low: float
    high: float
    value: float


def interval_mark(cell: Cell, column: BoardColumn, section: Section) -> IntervalMark | None:
    """The interval on the scale of the section's systems; what lies beyond is drawn at its end.

    Where only sanity rows are measured, the scale is theirs.
    """
    low, high = _extent(column, section)
    width = high - low
    if cell.low is None or cell.high is None or cell.value is None or not math.isfinite(width) or width <= 0:
        return None
    left, right, dot = (
        3 + 54 * min(1.0, max(0.0, (end - low) / width)) for end in (cell.low, cell.high, cell.value)
    )
    return IntervalMark(left, max(right, left + 0.5), dot)


def _extent(column: BoardColumn, section: Section) -> tuple[float, float]:
    measured = [(row.kind, row.cells[column.metric]) for row in section.rows if column.metric in row.cells]
    cells = [cell for kind, cell in measured if kind == "system" and cell.value is not None]
    cells = cells or [cell for _, cell in measured]
    ends = [end for cell in cells for end in (cell.low, cell.high, cell.value) if end is not None]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)
