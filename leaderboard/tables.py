"""One table for every format: columns with a direction, sections of rows, cells that sort by value.

Rows of one section were measured in the same way and are ranked against each other; nothing is ranked across
sections. Within a column the best value is marked, with it whatever cannot be told from the best, then the
second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from evaluation.metrics.spec import Direction
from leaderboard.layout import BoardColumn
from leaderboard.paper import Task
from madata.errors import MadanceError, did_you_mean

__all__ = ["Cell", "Course", "Kind", "Mark", "Row", "Section", "Table", "Tied", "ranked", "sort_rows"]

Course = tuple[float | None, ...]
Mark = Literal["", "best", "tied", "second"]
Kind = Literal["system", "sanity", "ground-truth", "ablation"]


@dataclass(frozen=True)
class Cell:
    """One number, in the unit its column shows.

    Attributes:
        printed: the text as a paper prints it; our own values are formatted by their column.
        low, high: 95 % interval.
        n: clips behind the value.
        floor: value of the metric between two parts of the truth; ``reference``: value of the truth itself.
        group: values of different groups are not ranked against each other (another n, other music).
        place: how many comparable systems have a better value, plus one.
        rank, best: 95 % rank interval among the systems that were measured alike, and probability of being the best.
        unranked: why the value takes no part in the ranking.
        reason: why there is no value.
        course, real_course: the value second by second of the clips, and that of the real ones.
    """

    value: float | None = None
    printed: str | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    floor: float | None = None
    reference: float | None = None
    group: str = ""
    place: int | None = None
    rank: tuple[int, int] | None = None
    best: float | None = None
    mark: Mark = ""
    unranked: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    course: Course = ()
    real_course: Course = ()

    def text(self, column: BoardColumn) -> str:
        """The value as it is printed, or a dash."""
        if self.printed is not None:
            return self.printed
        return "–" if self.value is None else _fixed(self.value, column)

    def goodness(self, column: BoardColumn) -> float | None:
        """A number that is the larger the better; ``None`` where the value, or what it is judged by, is absent."""
        if self.value is None or column.direction == "none":
            return None
        if column.direction == "reference":
            return None if self.reference is None else -abs(self.value - self.reference)
        return self.value if column.direction == "higher" else -self.value

    @property
    def standing(self) -> str:
        """The rank as far as it is resolved: its interval where there is one, else the place by value.

        Example:
            >>> Cell(1.0, place=2).standing, Cell(1.0, place=2, rank=(1, 3)).standing
            ('2', '1–3')
        """
        if self.rank is not None and self.rank[0] != self.rank[1]:
            return f"{self.rank[0]}–{self.rank[1]}"
        return "" if self.place is None else str(self.place)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of the value, or of its absence where more than that is known."""
        reason = None if self.reason == "not given" else self.reason
        return (*self.notes, *(text for text in (self.unranked, reason) if text))

    def interval(self, column: BoardColumn) -> str:
        """``low, high``, or nothing."""
        if self.low is None or self.high is None:
            return ""
        return f"{_fixed(self.low, column)}, {_fixed(self.high, column)}"


def _fixed(value: float, column: BoardColumn) -> str:
    """``value`` with the digits of its column, and no minus before zeros."""
    text = f"{value:.{column.digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        key: names the row within a table.
        kind: only a ``system`` is ranked.
        venue: where a reported row was published, or the version of a measured one.
        cells: metric -> cell; a metric without a cell was not measured.
        level: verification level, ``None`` where nobody has looked.
        date: day of its newest result, ``YYYY-MM-DD``.
        results: ids of the results the row is made of.
    """

    key: str
    name: str
    kind: Kind
    cells: Mapping[str, Cell]
    venue: str | None = None
    level: int | None = None
    date: str | None = None
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Rows measured in the same way.

    Attributes:
        conditions: what "the same way" is, one line each.
        reported: copied from a paper.
        official: complete results only.
        directions: metric -> its direction here, where the paper's tables print another one.
        sorted_by: metric its rows are sorted by.
    """

    title: str
    conditions: tuple[str, ...]
    rows: tuple[Row, ...]
    reported: bool = False
    official: bool = True
    notes: tuple[str, ...] = ()
    directions: Mapping[str, Direction] = field(default_factory=dict)
    sorted_by: str | None = None

    def here(self, column: BoardColumn) -> BoardColumn:
        """``column`` in the direction it has in this section."""
        return replace(column, direction=self.directions.get(column.metric, column.direction))

    def has(self, column: BoardColumn) -> bool:
        """Whether a row has a value in ``column``."""
        return any(row.cells.get(column.metric, Cell()).value is not None for row in self.rows)


@dataclass(frozen=True)
class Table:
    """Everything a format needs."""

    task: Task
    title: str
    columns: tuple[BoardColumn, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = field(default=())

    def column(self, metric: str) -> BoardColumn | None:
        """The column of ``metric``, if there is one."""
        return next((column for column in self.columns if column.metric == metric), None)

    def showing(self, metrics: Sequence[str]) -> Table:
        """The table with these columns alone, in this order; they are named by metric or by label.

        Raises:
            MadanceError: there is no such column; the nearest is named.
        """
        by_name = {name: column for column in self.columns for name in (column.label, column.metric)}
        for name in metrics:
            if name not in by_name:
                raise MadanceError(f"the table has no column {name!r}{did_you_mean(name, by_name)}")
        return replace(self, columns=tuple(by_name[name] for name in metrics))

    def filled(self) -> Table:
        """The table without the columns in which no row has a value."""
        there = (column for column in self.columns if any(section.has(column) for section in self.sections))
        return replace(self, columns=tuple(there))


Tied = Callable[[BoardColumn, Row, Row], bool]
"""``tied(column, best, other)``: whether chance alone may have put ``other`` behind ``best``."""


def ranked(section: Section, columns: Sequence[BoardColumn], tied: Tied) -> Section:
    """The section with its best, tied and second values marked.

    Only systems are ranked, only columns with a direction, and only the largest group of comparable values;
    values outside it say why. A value that is alone is not marked.
    """
    rows = {row.key: row for row in section.rows}
    for column in map(section.here, columns):
        if not column.is_ranked:
            continue
        rivals = {
            key: row.cells[column.metric]
            for key, row in rows.items()
            if row.kind == "system" and column.metric in row.cells
        }
        for key, cell in _marked(rivals, column, rows, tied).items():
            rows[key] = replace(rows[key], cells={**rows[key].cells, column.metric: cell})
    return replace(section, rows=tuple(rows.values()))


def _marked(
    rivals: Mapping[str, Cell], column: BoardColumn, rows: Mapping[str, Row], tied: Tied
) -> dict[str, Cell]:
    worth = {key: cell.goodness(column) for key, cell in rivals.items()}
    there = {key: cell for key, cell in rivals.items() if worth[key] is not None and cell.unranked is None}
    marked: dict[str, Cell] = {}
    groups = [cell.group for cell in there.values()]
    if not groups:
        return marked
    main = max(dict.fromkeys(groups), key=groups.count)
    for key, cell in there.items():
        if cell.group != main:
            why = f"not ranked: {cell.group or 'other conditions'}, where the others have {main}"
            marked[key] = replace(cell, unranked=why)
    values = {key: value for key, value in worth.items() if value is not None and key in there}
    values = {key: value for key, value in values.items() if there[key].group == main}
    if len(values) < 2:
        return marked
    best = max(values, key=lambda key: values[key])
    first = [key for key in values if values[key] == values[best]]
    near = [key for key in values if key not in first and tied(column, rows[best], rows[key])]
    rest = {key: value for key, value in values.items() if key not in {*first, *near}}
    marks: dict[str, Mark] = {**dict.fromkeys(first, "best"), **dict.fromkeys(near, "tied")}
    if rest:
        second = max(rest.values())
        marks |= {key: "second" for key, value in rest.items() if value == second}
    better = sorted(values.values(), reverse=True)
    return marked | {
        key: replace(there[key], mark=marks.get(key, ""), place=1 + better.index(value))
        for key, value in values.items()
    }


_ORDER: dict[Kind, int] = {"ground-truth": 0, "sanity": 1, "system": 2, "ablation": 3}


def sort_rows(section: Section, columns: Sequence[BoardColumn], by: str | None = None) -> Section:
    """Truth and sanity rows first, then systems from best to worst by a metric.

    Args:
        by: a metric; by default the first column with a direction that any system of the section has.
    """
    chosen = next(
        (
            column
            for column in map(section.here, columns)
            if (by is None and column.is_ranked and _measured(section, column)) or column.metric == by
        ),
        None,
    )
    if chosen is None:
        return section

    def place(row: Row) -> tuple[int, bool, float]:
        cell = row.cells.get(chosen.metric, Cell())
        worth = cell.goodness(chosen) if chosen.is_ranked else cell.value and -cell.value
        return _ORDER[row.kind], worth is None, -(worth or 0.0)

    return replace(section, rows=tuple(sorted(section.rows, key=place)), sorted_by=chosen.metric)


def _measured(section: Section, column: BoardColumn) -> bool:
    return any(
        row.kind == "system" and row.cells.get(column.metric, Cell()).value is not None
        for row in section.rows
    )
