"""One table in five formats. Every text of a result is escaped for the format it goes into.

Marks: best bold, what cannot be told from the best bold with ``≈``, second underlined. Numbers refer to notes
below the table.
"""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from leaderboard.layout import Column
from leaderboard.table import Cell, Row, Section, Table

__all__ = [
    "FORMATS",
    "LEGEND",
    "LEVELS",
    "escape_latex",
    "escape_markdown",
    "html_label",
    "level_badge",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
]

LEGEND = (
    "bold: best; bold with ≈: cannot be told from the best; underlined: second; brackets: 95 % interval. "
    "Ranks are within a section only."
)
LEVELS = {0: "reported", 1: "re-scored", 2: "re-measured", 3: "re-generated"}


@dataclass
class _Footnotes:
    """Numbers notes in the order in which they appear; equal notes share a number."""

    texts: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts) + 1)

    def of(self, cell: Cell) -> list[int]:
        texts = [*cell.notes, *([cell.unranked] if cell.unranked else [])]
        texts += [cell.reason] if cell.reason and cell.reason != "not given" else []
        return [self.number(text) for text in texts]


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows it letter by letter: no markup, no HTML, no new cell."""
    flat = " ".join(text.split())
    safe = html.escape(flat, quote=False)
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+!|~" else letter for letter in safe)


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "–": "--",
    "’": "'",
}


def escape_latex(text: str) -> str:
    """``text`` so that LaTeX prints it and runs nothing; letters pdfLaTeX lacks become ``?``."""
    flat = " ".join(text.split())
    return "".join(_LATEX.get(letter) or (letter if _in_pdflatex(letter) else "?") for letter in flat)


def _in_pdflatex(letter: str) -> bool:
    return " " <= letter <= "~" or "\u00c0" <= letter <= "\u017e"


def to_markdown(table: Table, *, intervals: bool = True) -> str:
    """GitHub Markdown."""
    notes = _Footnotes()
    lines = [f"### {escape_markdown(table.title)}", ""]
    heads = [f"{escape_markdown(column.label)} {column.arrow}".strip() for column in table.columns]
    lines.append("| System | " + " | ".join(heads) + " |")
    lines.append("|:--|" + "--:|" * len(table.columns))
    for section in table.sections:
        lines.append(f"| **{escape_markdown(section.title)}** |" + " |" * len(table.columns))
        for row in section.rows:
            cells = [_markdown_cell(row, column, notes, intervals) for column in table.columns]
            lines.append(f"| {_markdown_name(row, section)} | " + " | ".join(cells) + " |")
    lines += ["", LEGEND, ""]
    lines += [f"- {escape_markdown(line)}" for line in _conditions(table)]
    lines += [f"{number}. {escape_markdown(text)}" for text, number in notes.texts.items()]
    return "\n".join(lines) + "\n"


def _conditions(table: Table) -> list[str]:
    return [f"{section.title}: {line}" for section in table.sections for line in _lines(section)]


def _lines(section: Section) -> tuple[str, ...]:
    return (*section.conditions, *section.notes)


def _markdown_name(row: Row, section: Section) -> str:
    name = escape_markdown(row.name) + (f" ({escape_markdown(row.venue)})" if row.venue else "")
    return f"*{name}*" if section.reported or row.kind != "system" else name


def _markdown_cell(row: Row, column: Column, notes: _Footnotes, intervals: bool) -> str:
    cell = row.cells.get(column.metric)
    if cell is None:
        return ""
    text = cell.text(column)
    marked = {
        "best": f"**{text}**",
        "tied": f"**{text}**≈",
        "second": f"<u>{text}</u>",
        "": text,
    }[cell.mark]
    if intervals and (ends := cell.interval(column)):
        marked += f" \\[{ends}\\]"
    numbers = ",".join(str(number) for number in notes.of(cell))
    return marked + (f" <sup>{numbers}</sup>" if numbers else "")


def to_latex(table: Table, *, intervals: bool = False) -> str:
    """A ``table*`` in the layout of the paper; needs booktabs, graphicx and xcolor."""
    notes = _Footnotes()
    width = len(table.columns) + 1
    body = [
        r"% needs \usepackage{booktabs,graphicx,xcolor}",
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(table.title)}. {escape_latex(LEGEND)}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{l{'c' * len(table.columns)}}}",
        r"\toprule",
        *_latex_groups(table),
        " & ".join(["", *(_latex_head(column) for column in table.columns)]) + r" \\",
    ]
    for section in table.sections:
        title = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape_latex(section.title)}}}}} \\"
        body += [r"\midrule", title]
        for row in section.rows:
            cells = [_latex_cell(row, column, notes, intervals) for column in table.columns]
            name = escape_latex(row.name) + (f" [{escape_latex(row.venue)}]" if row.venue else "")
            grey = section.reported or row.kind != "system"
            parts = [rf"\textcolor{{gray}}{{{part}}}" if grey and part else part for part in [name, *cells]]
            body.append(" & ".join(parts) + r" \\")
    body += [r"\bottomrule", r"\end{tabular}}", r"\par\smallskip\raggedright\footnotesize"]
    body += [rf"{escape_latex(line)}\par" for line in _conditions(table)]
    body += [rf"\textsuperscript{{{number}}}{escape_latex(text)}\par" for text, number in notes.texts.items()]
    return "\n".join([*body, r"\end{table*}"]) + "\n"


def _latex_groups(table: Table) -> list[str]:
    """The headings above columns, with their rules, where the paper has more than one."""
    spans: list[tuple[str, int, int]] = []
    for number, column in enumerate(table.columns, start=2):
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1], number)
        else:
            spans.append((column.group, number, number))
    if len(spans) < 2:
        return []
    heads = [
        rf"\multicolumn{{{last - first + 1}}}{{c}}{{{escape_latex(name)}}}" for name, first, last in spans
    ]
    rules = [rf"\cmidrule(lr){{{first}-{last}}}" for _, first, last in spans]
    return [" & ".join(["", *heads]) + r" \\", "".join(rules)]


def _latex_head(column: Column) -> str:
    subscript = f"$_{{{_latex_math(column.subscript)}}}$" if column.subscript else ""
    return f"{escape_latex(column.stem)}{subscript}{escape_latex(column.arrow)}"


def _latex_math(text: str) -> str:
    return rf"\mathrm{{{text}}}".replace("∞", r"\infty")


def _latex_cell(row: Row, column: Column, notes: _Footnotes, intervals: bool) -> str:
    cell = row.cells.get(column.metric)
    if cell is None:
        return ""
    text = escape_latex(cell.text(column))
    marked = {
        "best": rf"\textbf{{{text}}}",
        "tied": rf"\textbf{{{text}}}$^{{\approx}}$",
        "second": rf"\underline{{{text}}}",
        "": text,
    }[cell.mark]
    if intervals and (ends := cell.interval(column)):
        marked += rf"\,{{\scriptsize[{escape_latex(ends)}]}}"
    numbers = ",".join(str(number) for number in notes.of(cell))
    return marked + (rf"\textsuperscript{{{numbers}}}" if numbers else "")


def to_csv(table: Table) -> str:
    """One line a row; each metric has value, interval, n and mark. Texts cannot start a spreadsheet formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    parts = ("", "_low", "_high", "_n", "_mark", "_unranked")
    names = [_csv_text(column.metric) for column in table.columns]
    head = ["section", "conditions", "system", "kind", "venue", "level", "results"]
    writer.writerow([*head, *(f"{name}{part}" for name in names for part in parts)])
    for section in table.sections:
        for row in section.rows:
            line: list[str | float | int | None] = [
                _csv_text(section.title),
                _csv_text("; ".join(section.conditions)),
                _csv_text(row.name),
                row.kind,
                _csv_text(row.venue or ""),
                row.level,
                " ".join(row.results),
            ]
            for column in table.columns:
                cell = row.cells.get(column.metric, Cell())
                unranked = _csv_text(cell.unranked or "")
                line += [cell.value, cell.low, cell.high, cell.n, cell.mark, unranked]
            writer.writerow(line)
    return stream.getvalue()


def _csv_text(text: str) -> str:
    flat = " ".join(text.split())
    return f"'{flat}" if flat.startswith(("=", "+", "-", "@")) else flat


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
                "rows": [_json_row(row) for row in section.rows],
            }
            for section in table.sections
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_column(column: Column) -> dict[str, object]:
    return {
        "metric": column.metric,
        "label": column.label,
        "title": column.title,
        "higher_is_better": column.higher_is_better,
        "group": column.group,
    }


def _json_row(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "kind": row.kind,
        "venue": row.venue,
        "level": row.level,
        "results": list(row.results),
        "cells": {metric: _json_cell(cell) for metric, cell in row.cells.items()},
    }


def _json_cell(cell: Cell) -> dict[str, object]:
    found = {
        "value": cell.value,
        "printed": cell.printed,
        "ci95": None if cell.low is None else [cell.low, cell.high],
        "n": cell.n,
        "noise_floor": cell.floor,
        "reference": cell.reference,
        "mark": cell.mark or None,
        "unranked": cell.unranked,
        "reason": cell.reason,
        "notes": list(cell.notes) or None,
    }
    return {"value": cell.value, **{key: value for key, value in found.items() if value is not None}}


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
        f'<tr><th scope="col" class="name"><button type="button" data-sort="name">System</button></th>{heads}</tr></thead>',
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
    better = {True: "higher is better", False: "lower is better", None: "not ranked"}[column.higher_is_better]
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
    """A line from end to end of the interval with a dot at the value, on the scale of the
    column; what lies beyond is drawn at its end."""
    low, high = extent
    width = high - low
    if cell.low is None or cell.high is None or cell.value is None or not math.isfinite(width) or width <= 0:
        return ""
    places = (min(1.0, max(0.0, (end - low) / width)) for end in (cell.low, cell.high, cell.value))
    left, right, dot = (2 + 56 * place for place in places)
    return (
        '<svg class="mark" viewBox="0 0 60 8" width="60" height="8" aria-hidden="true">'
        f'<line x1="{left:.1f}" x2="{max(right, left + 0.5):.1f}" y1="4" y2="4"/><circle cx="{dot:.1f}" cy="4" r="2.4"/></svg>'
    )


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "md": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
    "html": to_html,
}
