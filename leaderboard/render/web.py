"""An HTML table that sorts by value: interval marks, badges and notes in the cells."""

from __future__ import annotations

import html
import math

from evaluation.metrics.spec import Direction
from leaderboard.layout import Column
from leaderboard.table import Cell, Row, Table

__all__ = ["LEVELS", "html_label", "level_badge", "to_html"]

_DIRECTIONS: dict[Direction, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "reference": "nearer to the real clips is better",
    "none": "not ranked",
}
LEVELS = {0: "reported", 1: "re-scored", 2: "re-measured", 3: "re-generated"}


def to_html(table: Table) -> str:
    """A ``<table>`` that can stand alone: values to sort by in ``data-v``, a body for each section.

    The page of :mod:`leaderboard.site` uses the same table and adds style and script.
    """
    span = len(table.columns) + 1
    heads = "".join(_html_head(column, place) for place, column in enumerate(table.columns))
    out = [
        f'<table class="board" data-task="{table.task}">',
        f'<caption class="sr">{html.escape(table.title)}</caption>',
        f"<thead>{_html_groups(table)}",
        '<tr><th scope="col" class="name"><button type="button" data-sort="name">System</button></th>'
        f"{heads}</tr></thead>",
    ]
    for section in table.sections:
        kind = "reported" if section.reported else "measured" if section.official else "partial"
        lines = "".join(f"<span>{html.escape(line)}</span>" for line in section.conditions)
        out.append(f'<tbody class="{kind}">')
        out.append(
            f'<tr class="section"><th colspan="{span}" scope="rowgroup"><div><b>{html.escape(section.title)}'
            f"</b>{lines}</div></th></tr>"
        )
        out += [_html_row(row, table) for row in section.rows]
        out.append("</tbody>")
    return "\n".join([*out, "</table>"])


def _html_groups(table: Table) -> str:
    spans: list[list[object]] = []
    for column in table.columns:
        extra = " extra" if column.extra else ""
        if spans and spans[-1][0] == column.group:
            spans[-1][1] = int(str(spans[-1][1])) + 1
        else:
            spans.append([column.group, 1, extra])
    heads = "".join(
        f'<th scope="colgroup" colspan="{count}" class="group{extra}">{html.escape(str(name))}</th>'
        for name, count, extra in spans
    )
    return f'<tr class="groups"><td></td>{heads}</tr>'


def html_label(column: Column) -> str:
    """The label with its subscript."""
    subscript = f"<sub>{html.escape(column.subscript)}</sub>" if column.subscript else ""
    return html.escape(column.stem) + subscript


def _html_head(column: Column, place: int) -> str:
    extra = " extra" if column.extra else ""
    better = _DIRECTIONS[column.direction]
    return (
        f'<th scope="col" class="n{extra}" aria-sort="none"><button type="button" data-sort="{place}" '
        f'data-higher="{"" if column.higher_is_better is None else int(column.higher_is_better)}" '
        f'title="{html.escape(column.title)}, {better}">{html_label(column)} <i>{column.arrow}</i></button></th>'
    )


def _html_row(row: Row, table: Table) -> str:
    venue = f'<span class="venue">{html.escape(row.venue)}</span>' if row.venue else ""
    badge = "" if row.level is None else level_badge(row.level)
    small = f"<small>{venue}{badge}</small>" if venue or badge else ""
    link = (
        f'<a href="#{html.escape(row.key)}" title="{html.escape(row.name)}">{html.escape(row.name)}</a>'
        if row.results
        else html.escape(row.name)
    )
    cells = "".join(_html_cell(row.cells.get(column.metric), column, table) for column in table.columns)
    return (
        f'<tr class="{row.kind}" data-row="{html.escape(row.key)}">'
        f'<th scope="row" class="name"><div>{link}{small}</div></th>{cells}</tr>'
    )


def level_badge(level: int) -> str:
    """A badge for a verification level."""
    return f'<span class="badge l{level}" title="Verification level {level}">{LEVELS[level]}</span>'


def _html_cell(cell: Cell | None, column: Column, table: Table) -> str:
    extra = " extra" if column.extra else ""
    if cell is None:
        return f'<td class="n{extra}"></td>'
    text = html.escape(cell.text(column))
    inner = {
        "best": f"<b>{text}</b>",
        "tied": f'<b>{text}</b><sup class="tie" title="cannot be told from the best">≈</sup>',
        "second": f"<u>{text}</u>",
        "": text,
    }[cell.mark]
    reason = cell.reason if cell.reason != "not given" else None
    notes = [*cell.notes, *filter(None, (cell.unranked, reason))]
    if notes:
        inner += _html_note(" · ".join(notes))
    if ends := cell.interval(column):
        inner += (
            f'<small class="ci">{_interval_mark(cell, _extent(column, table))}{html.escape(ends)}</small>'
        )
    value = "" if cell.value is None else f' data-v="{cell.value!r}"'
    dim = " unranked" if cell.unranked else ""
    title = "" if cell.n is None else f' title="n = {cell.n}"'
    return f'<td class="n{extra} {cell.mark}{dim}"{value}{title}>{inner}</td>'


def _html_note(text: str) -> str:
    safe = html.escape(text)
    return f'<button type="button" class="note" title="{safe}" aria-label="Note: {safe}" data-note="{safe}">*</button>'


def _extent(column: Column, table: Table) -> tuple[float, float]:
    """Range of the values and intervals of all measured systems, for the interval marks."""
    cells = [
        row.cells[column.metric]
        for section in table.sections
        if not section.reported
        for row in section.rows
        if column.metric in row.cells and row.kind == "system"
    ]
    ends = [end for cell in cells for end in (cell.low, cell.high, cell.value) if end is not None]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def _interval_mark(cell: Cell, extent: tuple[float, float]) -> str:
    """A line from end to end of the interval with a dot at the value, on the scale of the column.

    What lies beyond is drawn at its end.
    """
    low, high = extent
    width = high - low
    if cell.low is None or cell.high is None or cell.value is None or not math.isfinite(width) or width <= 0:
        return ""
    places = (min(1.0, max(0.0, (end - low) / width)) for end in (cell.low, cell.high, cell.value))
    left, right, dot = (2 + 56 * place for place in places)
    return (
        '<svg class="mark" viewBox="0 0 60 8" width="60" height="8" aria-hidden="true">'
        f'<line x1="{left:.1f}" x2="{max(right, left + 0.5):.1f}" y1="4" y2="4"/>'
        f'<circle cx="{dot:.1f}" cy="4" r="2.4"/></svg>'
    )
