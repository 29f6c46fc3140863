"""Figures of a table as plain SVG: one plot of intervals per metric, and two metrics against each other.

Only rows of one section are drawn together. Colours come from the style sheet of the page (``dot``, ``bar``, ``grid``,
...), so that a figure is right in light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaderboard.layout import BoardColumn
from leaderboard.render.web import macros
from leaderboard.tables import Cell, Course, Row, Section

__all__ = [
    "MOST_DRAWN",
    "Axis",
    "Point",
    "axis",
    "course_plot",
    "interval_plot",
    "pareto_front",
    "pareto_plot",
    "points_of",
]

_WIDTH, _LABEL, _ROW, _TOP, _RIGHT = 420, 158, 22, 8, 62
MOST_DRAWN = 30
"""Systems in one plot of intervals; names in one plane."""
_MOST_LINES = 10


@dataclass(frozen=True)
class Axis:
    """A linear scale with round ticks.

    Attributes:
        low, high: its ends in units of the metric.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float, start: float, end: float) -> float:
        """Where ``value`` lies between ``start`` and ``end`` px; beyond the axis, at its end."""
        share = (value - self.low) / (self.high - self.low)
        return start + (end - start) * min(1.0, max(0.0, share))


def axis(values: Sequence[float], *, count: int = 4) -> Axis:
    """An axis that holds all finite ``values`` with a margin, and about ``count`` round ticks.

    Example:
        >>> axis([0.0, 10.0]).ticks
        (0.0, 5.0, 10.0)
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = (0.0 if 0 <= low < room * 2 else low - room), high + room
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks: list[float] = []
    while first * step <= high + 1e-9 * step and len(ticks) < 20:
        ticks.append(round(first * step, 12))
        first += 1
    return Axis(low, high, tuple(ticks))


@dataclass(frozen=True)
class Tick:
    """A number on an axis; ``at`` px."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A row in a figure, in px.

    Attributes:
        across, up: ends of its interval in each direction, where it has one.
        text, interval, mark: its number in words.
        anchor, label_x, label_y: where its name goes in a plane.
    """

    row: Row
    x: float
    y: float
    across: tuple[float, float] | None = None
    up: tuple[float, float] | None = None
    text: str = ""
    interval: str = ""
    mark: str = ""
    anchor: str = "start"
    label_x: float = 0.0
    label_y: float = 0.0


@dataclass(frozen=True)
class IntervalPlot:
    """Everything :func:`interval_plot` draws, in px; ``lines`` are the noise floor and the truth."""

    label: str
    height: int
    ticks: list[Tick]
    lines: list[tuple[str, float]]
    dots: list[Dot]
    width: int = _WIDTH
    left: int = _LABEL
    top: int = _TOP

    @property
    def bottom(self) -> int:
        """The end of the grid, above the numbers."""
        return self.height - 20


def _ticks(scale: Axis, span: tuple[float, float]) -> list[Tick]:
    return [Tick(scale.at(value, *span), f"{value:.6g}") for value in scale.ticks]


def interval_plot(section: Section, column: BoardColumn) -> str:
    """Values of one metric with their intervals, best on top, with the noise floor and the value of the truth.

    Of many systems the best :data:`MOST_DRAWN` are drawn. The scale is that of the systems; a sanity row beyond it is
    drawn at its end. Nothing where there is no value.
    """
    rows = [(row, row.cells[column.metric]) for row in section.rows if _value(row, column) is not None]
    if not rows:
        return ""
    here = section.here(column)
    rows.sort(key=lambda pair: -(pair[1].goodness(here) or 0.0))
    drawn_keys = {row.key for row in [row for row, _ in rows if row.kind == "system"][:MOST_DRAWN]}
    rows = [pair for pair in rows if pair[0].kind != "system" or pair[0].key in drawn_keys]
    lines = _lines([cell for _, cell in rows], column)
    ranked = [cell for row, cell in rows if row.kind == "system"] or [cell for _, cell in rows]
    ends = [end for cell in ranked for end in (cell.value, cell.low, cell.high) if end is not None]
    scale, span = axis([*ends, *(value for _, value in lines)]), (_LABEL, _WIDTH - _RIGHT)
    plot = IntervalPlot(
        label=f"{column.title}: " + ", ".join(f"{row.name} {cell.text(column)}" for row, cell in rows),
        height=_TOP + _ROW * len(rows) + 24,
        ticks=_ticks(scale, span),
        lines=[(name, scale.at(value, *span)) for name, value in lines],
        dots=[
            Dot(
                row,
                scale.at(cell.value or 0.0, *span),
                _TOP + _ROW * (number + 0.5),
                _whisker(scale, span, (cell.low, cell.high)),
                text=cell.text(column),
                interval=cell.interval(column),
                mark=cell.mark,
            )
            for number, (row, cell) in enumerate(rows)
        ],
    )
    drawn: str = macros("figures.html").interval_plot(plot)
    return drawn


def _lines(cells: Sequence[Cell], column: BoardColumn) -> list[tuple[str, float]]:
    """The truth and the noise floor: a value like any other, or how far parts of the truth lie beside it.

    Where more is better it is the level of chance, which is no place to be.
    """
    truths = [cell.reference for cell in cells if cell.reference is not None]
    floors = [cell.floor for cell in cells if cell.floor is not None and column.higher_is_better is not True]
    if not truths:
        return [("floor", floors[0])] if floors and column.direction == "lower" else []
    beside = [("floor", truths[0] + side * floors[0]) for side in (-1, 1)] if floors else []
    return [*beside, ("truth", truths[0])]


def _whisker(
    scale: Axis, span: tuple[float, float], ends: tuple[float | None, float | None]
) -> tuple[float, float] | None:
    low, high = ends
    return None if low is None or high is None else (scale.at(low, *span), scale.at(high, *span))


@dataclass(frozen=True)
class CourseLine:
    """A row in a plot of seconds, px; several ``parts`` where seconds have no value."""

    name: str
    kind: str
    parts: list[list[tuple[float, float]]]
    label_y: float = 0.0


@dataclass(frozen=True)
class CoursePlot:
    """Everything :func:`course_plot` draws, in px."""

    label: str
    across: list[Tick]
    up: list[Tick]
    lines: list[CourseLine]
    width: int = _WIDTH
    height: int = 190
    left: int = 46
    right: int = _WIDTH - 112
    top: int = 10
    bottom: int = 156


def course_plot(section: Section, column: BoardColumn) -> str:
    """A metric second by second of the clips, a line for each of the best rows and one for the truth.

    Nothing where no row says.
    """
    told = [(row, row.cells[column.metric]) for row in section.rows if column.metric in row.cells]
    told = [pair for pair in told if pair[1].course]
    told.sort(key=lambda pair: -(pair[1].goodness(section.here(column)) or 0.0))
    courses: list[tuple[str, str, Course]] = [
        (row.name, row.kind, cell.course) for row, cell in told[:_MOST_LINES]
    ]
    if not courses:
        return ""
    truths = [cell.real_course for _, cell in told]
    courses += [("the truth", "real", course) for course in truths[:1] if course]
    seconds = axis([0.0, float(max(len(course) for _, _, course in courses))])
    scale = axis([value for _, _, course in courses for value in course if value is not None])
    across, up = (float(CoursePlot.left), float(CoursePlot.right)), (CoursePlot.bottom, CoursePlot.top)
    lines = [
        CourseLine(
            name,
            kind,
            [
                [(seconds.at(second + 0.5, *across), scale.at(value, *up)) for second, value in part]
                for part in _unbroken(course)
            ],
        )
        for name, kind, course in courses
    ]
    plot = CoursePlot(
        label=f"{column.title}, second by second: " + ", ".join(name for name, _, _ in courses),
        across=_ticks(seconds, across),
        up=_ticks(scale, up),
        lines=_labelled_ends(lines),
    )
    drawn: str = macros("figures.html").course_plot(plot)
    return drawn


def _unbroken(course: Course) -> list[list[tuple[int, float]]]:
    """Seconds and values without the gaps between them."""
    parts: list[list[tuple[int, float]]] = [[]]
    for second, value in enumerate(course):
        if value is not None:
            parts[-1].append((second, value))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _labelled_ends(lines: list[CourseLine]) -> list[CourseLine]:
    """Lines with their names at their ends, none over another."""
    known = sorted((line for line in lines if line.parts), key=lambda line: line.parts[-1][-1][1])
    placed: list[CourseLine] = []
    for line in known:
        least = placed[-1].label_y + 12 if placed else 0.0
        placed.append(replace(line, label_y=max(line.parts[-1][-1][1] + 4, least)))
    return placed


def _value(row: Row, column: BoardColumn) -> float | None:
    cell = row.cells.get(column.metric)
    return None if cell is None else cell.value


@dataclass(frozen=True)
class Point:
    """One row in the plane of two metrics; ``x`` and ``y`` are value, low and high."""

    row: Row
    x: tuple[float, float | None, float | None]
    y: tuple[float, float | None, float | None]


def points_of(section: Section, across: BoardColumn, up: BoardColumn) -> list[Point]:
    """Rows that have both metrics; truth and sanity rows only where they are near the systems."""
    points = []
    for row in section.rows:
        first, second = row.cells.get(across.metric), row.cells.get(up.metric)
        if first is None or second is None or first.value is None or second.value is None:
            continue
        points.append(
            Point(row, (first.value, first.low, first.high), (second.value, second.low, second.high))
        )
    systems = [point for point in points if point.row.kind == "system"]
    if not systems:
        return points
    return [
        point
        for point in points
        if _near(point.x[0], [own.x[0] for own in systems])
        and _near(point.y[0], [own.y[0] for own in systems])
    ]


def _near(value: float, others: Sequence[float]) -> bool:
    """Whether ``value`` is at most half their range away from ``others``."""
    room = (max(others) - min(others)) / 2
    return min(others) - room <= value <= max(others) + room


def pareto_front(points: Sequence[Point], across: BoardColumn, up: BoardColumn) -> list[Point]:
    """Systems no other system beats in one metric without losing in the other, from left to right."""
    signs = [-1.0 if column.direction == "lower" else 1.0 for column in (across, up)]

    def beats(one: Point, other: Point) -> bool:
        gains = [signs[0] * (one.x[0] - other.x[0]), signs[1] * (one.y[0] - other.y[0])]
        return min(gains) >= 0 and max(gains) > 0

    systems = [point for point in points if point.row.kind == "system"]
    front = [point for point in systems if not any(beats(other, point) for other in systems)]
    return sorted(front, key=lambda point: point.x[0])


@dataclass(frozen=True)
class Plane:
    """Everything :func:`pareto_plot` draws, in px; ``named`` are the keys of the rows whose names stand beside them."""

    across: BoardColumn
    up: BoardColumn
    ticks_across: list[Tick]
    ticks_up: list[Tick]
    front: list[tuple[float, float]]
    dots: list[Dot]
    named: set[str]
    width: int = 560
    height: int = 380
    left: int = 62
    right: int = 540
    top: int = 20
    bottom: int = 332


def pareto_plot(section: Section, across: BoardColumn, up: BoardColumn) -> str:
    """Two metrics against each other, with intervals and the Pareto front; better is up and to the right."""
    points = points_of(section, across, up)
    scale_x = axis([end for point in points for end in point.x if end is not None], count=5)
    scale_y = axis([end for point in points for end in point.y if end is not None], count=5)
    span_x: tuple[float, float] = (Plane.left, Plane.right)
    span_y: tuple[float, float] = (Plane.bottom, Plane.top)
    span_x = span_x[::-1] if across.direction == "lower" else span_x
    span_y = span_y[::-1] if up.direction == "lower" else span_y
    dots = {
        point.row.key: Dot(
            point.row,
            scale_x.at(point.x[0], *span_x),
            scale_y.at(point.y[0], *span_y),
            _whisker(scale_x, span_x, point.x[1:]),
            _whisker(scale_y, span_y, point.y[1:]),
        )
        for point in points
    }
    front = [dots[point.row.key] for point in pareto_front(points, across, up)]
    plane = Plane(
        across,
        up,
        _ticks(scale_x, span_x),
        _ticks(scale_y, span_y),
        [(dot.x, dot.y) for dot in front],
        _named(sorted(dots.values(), key=lambda dot: dot.y)),
        {dot.row.key for dot in (front if len(dots) > MOST_DRAWN else dots.values())},
    )
    drawn: str = macros("figures.html").plane(plane)
    return drawn


def _named(dots: Sequence[Dot]) -> list[Dot]:
    """The dots with a place for each name, from top to bottom; a name that would lie on another moves down."""
    named: list[Dot] = []
    for dot in dots:
        anchor, shift = ("end", -9) if dot.x > Plane.width * 0.55 else ("start", 9)
        line = dot.y - 7
        while any(abs(line - other.label_y) < 13 and abs(dot.x - other.x) < 190 for other in named):
            line += 3
        named.append(replace(dot, anchor=anchor, label_x=dot.x + shift, label_y=line))
    return named
