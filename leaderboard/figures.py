"""Figures of a table as plain SVG: one plot of intervals per metric, and two metrics against each other.

Only rows of one section are drawn together. Colours come from the style sheet of the page (``dot``, ``bar``, ``grid``,
...), so that a figure is right in light, dark and print.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.layout import Column
from leaderboard.table import Cell, Row, Section

__all__ = ["Axis", "Point", "axis", "interval_plot", "pareto_front", "pareto_plot", "points_of"]

_WIDTH, _LABEL, _ROW, _TOP, _RIGHT = 420, 158, 22, 8, 62
_LETTERS = 19
_PLANE = (560, 380, 62, 20, 20, 48)


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


def _tick(value: float) -> str:
    return f"{value:.6g}"


def interval_plot(section: Section, column: Column) -> str:
    """Values of one metric with their intervals, best on top, with the noise floor and the value of the truth.

    The scale is that of the systems; a sanity row beyond it is drawn at its end.
    """
    rows = [(row, row.cells[column.metric]) for row in section.rows if _value(row, column) is not None]
    if not rows:
        return ""
    rows.sort(key=lambda pair: -(pair[1].goodness(column) or 0.0))
    floors = [cell.floor for _, cell in rows if cell.floor is not None and column.direction == "lower"]
    truths = [cell.reference for _, cell in rows if cell.reference is not None]
    lines = [("floor", floors[0])] if floors else []
    lines += [("truth", truths[0])] if truths else []
    ranked = [cell for row, cell in rows if row.kind == "system"] or [cell for _, cell in rows]
    ends = [end for cell in ranked for end in (cell.value, cell.low, cell.high) if end is not None]
    scale = axis([*ends, *(value for _, value in lines)])
    height = _TOP + _ROW * len(rows) + 24
    left, right = _LABEL, _WIDTH - _RIGHT
    label = html.escape(
        f"{column.title}: " + ", ".join(f"{row.name} {cell.text(column)}" for row, cell in rows)
    )
    out = [f'<svg class="plot" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">']
    for tick in scale.ticks:
        x = scale.at(tick, left, right)
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - 20}"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{height - 6}">{_tick(tick)}</text>')
    for name, value in lines:
        x = scale.at(value, left, right)
        out.append(f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{height - 20}"/>')
    out += [
        _interval_row(row, cell, column, scale, _TOP + _ROW * (number + 0.5))
        for number, (row, cell) in enumerate(rows)
    ]
    return "".join([*out, "</svg>"])


def _interval_row(row: Row, cell: Cell, column: Column, scale: Axis, y: float) -> str:
    left, right = _LABEL, _WIDTH - _RIGHT
    name = _short(row.name, _LETTERS)
    x = scale.at(cell.value or 0.0, left, right)
    bar = ""
    if cell.low is not None and cell.high is not None:
        ends = [scale.at(end, left, right) for end in (cell.low, cell.high)]
        bar = f'<line class="bar" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return (
        f'<g class="{row.kind} {cell.mark}"><title>{html.escape(row.name)}: {cell.text(column)}'
        f"{html.escape(f' [{ends_text}]' if (ends_text := cell.interval(column)) else '')}</title>"
        f'<text class="label" x="{left - 8}" y="{y + 4:.1f}">{html.escape(name)}</text>{bar}'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        f'<text class="value" x="{_WIDTH - 4}" y="{y + 4:.1f}">{cell.text(column)}</text></g>'
    )


def _short(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _value(row: Row, column: Column) -> float | None:
    cell = row.cells.get(column.metric)
    return None if cell is None else cell.value


@dataclass(frozen=True)
class Point:
    """One row in the plane of two metrics; ``x`` and ``y`` are value, low and high."""

    row: Row
    x: tuple[float, float | None, float | None]
    y: tuple[float, float | None, float | None]


def points_of(section: Section, across: Column, up: Column) -> list[Point]:
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


def pareto_front(points: Sequence[Point], across: Column, up: Column) -> list[Point]:
    """Systems no other system beats in one metric without losing in the other, from left to right."""
    signs = [-1.0 if column.direction == "lower" else 1.0 for column in (across, up)]

    def beats(one: Point, other: Point) -> bool:
        gains = [signs[0] * (one.x[0] - other.x[0]), signs[1] * (one.y[0] - other.y[0])]
        return min(gains) >= 0 and max(gains) > 0

    systems = [point for point in points if point.row.kind == "system"]
    front = [point for point in systems if not any(beats(other, point) for other in systems)]
    return sorted(front, key=lambda point: point.x[0])


def pareto_plot(section: Section, across: Column, up: Column) -> str:
    """Two metrics against each other, with intervals and the Pareto front; better is up and to the right."""
    points = points_of(section, across, up)
    width, height, left, right, top, bottom = _PLANE
    scales = [
        axis([end for point in points for end in side(point) if end is not None], count=5)
        for side in (_x, _y)
    ]
    spans = [(left, width - right), (height - bottom, top)]
    for number, column in enumerate((across, up)):
        if column.direction == "lower":
            spans[number] = (spans[number][1], spans[number][0])
    out = [
        f'<svg class="plane" viewBox="0 0 {width} {height}" role="img" aria-label="'
        f'{html.escape(f"{up.title} against {across.title}; better is up and to the right")}">'
    ]
    for tick in scales[0].ticks:
        x = scales[0].at(tick, *spans[0])
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - bottom}"/>')
        out.append(f'<text class="tick" x="{x:.1f}" y="{height - bottom + 16}">{_tick(tick)}</text>')
    for tick in scales[1].ticks:
        y = scales[1].at(tick, *spans[1])
        out.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="tick end" x="{left - 8}" y="{y + 4:.1f}">{_tick(tick)}</text>')
    out.append(
        f'<text class="name" x="{(left + width - right) / 2}" y="{height - 8}">{_axis_name(across)}</text>'
    )
    middle = (top + height - bottom) / 2
    out.append(f'<text class="name" transform="translate(14 {middle}) rotate(-90)">{_axis_name(up)}</text>')
    places = {
        point.row.key: (scales[0].at(point.x[0], *spans[0]), scales[1].at(point.y[0], *spans[1]))
        for point in points
    }
    front = [places[point.row.key] for point in pareto_front(points, across, up)]
    if len(front) > 1:
        out.append(
            '<polyline class="front" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in front) + '"/>'
        )
    taken: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: places[point.row.key][1]):
        x, y = places[point.row.key]
        out.append(f'<g class="{point.row.kind}{" best" if (x, y) in front else ""}">')
        out.append(f"<title>{html.escape(point.row.name)}</title>")
        out.append(
            _whisker(scales[0], spans[0], point.x, y, "x") + _whisker(scales[1], spans[1], point.y, x, "y")
        )
        out.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        anchor, shift = ("end", -9) if x > width * 0.55 else ("start", 9)
        line = y - 7
        while any(abs(line - other) < 13 and abs(x - beside) < 190 for beside, other in taken):
            line += 3
        taken.append((x, line))
        name = html.escape(_short(point.row.name, 28))
        out.append(f'<text class="point {anchor}" x="{x + shift:.1f}" y="{line:.1f}">{name}</text></g>')
    return "".join([*out, "</svg>"])


def _x(point: Point) -> tuple[float, float | None, float | None]:
    return point.x


def _y(point: Point) -> tuple[float, float | None, float | None]:
    return point.y


def _axis_name(column: Column) -> str:
    return html.escape(f"{column.label.replace('_', ' ')} {column.arrow}")


def _whisker(
    scale: Axis,
    span: tuple[float, float],
    ends: tuple[float, float | None, float | None],
    other: float,
    way: str,
) -> str:
    if ends[1] is None or ends[2] is None:
        return ""
    low, high = scale.at(ends[1], *span), scale.at(ends[2], *span)
    if way == "x":
        return f'<line class="bar" x1="{low:.1f}" x2="{high:.1f}" y1="{other:.1f}" y2="{other:.1f}"/>'
    return f'<line class="bar" x1="{other:.1f}" x2="{other:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
