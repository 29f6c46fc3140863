"""LaTeX in the layout of the paper's tables, with booktabs."""

from __future__ import annotations

import re

from leaderboard.layout import BoardColumn
from leaderboard.render.notes import LEGEND, Footnotes, conditions
from leaderboard.tables import Row, Table
from madata.errors import MadanceError

__all__ = ["escape_latex", "to_latex"]

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


_SHRUNK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""A table wider than the text is made as wide as it; a narrow one keeps the size of its letters."""
_ONE_COLUMN = 5
"""Metrics that fit one column of a page of two."""


def to_latex(
    table: Table,
    *,
    intervals: bool = False,
    notes: bool = True,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    """A table in the layout of the paper, without columns in which no row has a value.

    It needs booktabs, graphicx and xcolor, and is never wider than the text. Few columns make a ``table`` of one
    column, more a ``table*``.

    Args:
        intervals: show 95 % intervals.
        notes: say below the table how it was measured, and what is to be known of single numbers.
        caption: LaTeX, in place of the title and the legend.
        label: what the text refers to it by, such as ``tab:results``.

    Raises:
        MadanceError: the label is none.
    """
    table, numbered = table.filled(), Footnotes()
    width = len(table.columns) + 1
    float_of = "table" if len(table.columns) <= _ONE_COLUMN and not intervals else "table*"
    body = [
        r"% needs \usepackage{booktabs,graphicx,xcolor}",
        rf"\begin{{{float_of}}}[t]",
        r"\centering",
        rf"\caption{{{caption or f'{escape_latex(table.title)}. {escape_latex(LEGEND)}'}}}{_label(label)}",
        _SHRUNK,
        rf"\begin{{tabular}}{{l{'c' * len(table.columns)}}}",
        r"\toprule",
        *_latex_groups(table),
        " & ".join(["", *(_latex_head(column) for column in table.columns)]) + r" \\",
    ]
    for section in table.sections:
        title = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape_latex(section.title)}}}}} \\"
        body += [r"\midrule", title]
        for row in section.rows:
            cells = [
                _latex_cell(row, column, numbered if notes else None, intervals) for column in table.columns
            ]
            name = escape_latex(row.name) + (f" [{escape_latex(row.venue)}]" if row.venue else "")
            grey = section.reported or row.kind != "system"
            parts = [rf"\textcolor{{gray}}{{{part}}}" if grey and part else part for part in [name, *cells]]
            # an empty group, for a name that begins with [ or * would else belong to the \\ of the row before
            body.append("{}" + " & ".join(parts) + r" \\")
    body += [r"\bottomrule", r"\end{tabular}}"]
    if notes:
        body += [r"\par\smallskip\raggedright\footnotesize"]
        body += [rf"{escape_latex(line)}\par" for line in conditions(table)]
        texts = numbered.texts.items()
        body += [rf"\textsuperscript{{{number}}}{escape_latex(text)}\par" for text, number in texts]
    return "\n".join([*body, rf"\end{{{float_of}}}"]) + "\n"


def _label(label: str | None) -> str:
    if label is None:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9:._-]+", label):
        raise MadanceError(f"--label {label}: letters, digits and : . _ - make a label, such as tab:results")
    return rf"\label{{{label}}}"


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


def _latex_head(column: BoardColumn) -> str:
    if column.latex:
        return f"{column.latex}{escape_latex(column.arrow)}"
    subscript = f"$_{{{_latex_math(column.subscript)}}}$" if column.subscript else ""
    return f"{escape_latex(column.stem)}{subscript}{escape_latex(column.arrow)}"


def _latex_math(text: str) -> str:
    return rf"\mathrm{{{text}}}".replace("∞", r"\infty")


def _latex_cell(row: Row, column: BoardColumn, notes: Footnotes | None, intervals: bool) -> str:
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
    numbers = ",".join(str(number) for number in notes.of(cell)) if notes else ""
    return marked + (rf"\textsuperscript{{{numbers}}}" if numbers else "")
