"""GitHub Markdown: best bold, ties bold with ``≈``, second underlined."""

from __future__ import annotations

import html

from leaderboard.layout import BoardColumn
from leaderboard.render.notes import LEGEND, Footnotes, conditions
from leaderboard.tables import Row, Section, Table
from madata.text import visible

__all__ = ["escape_markdown", "to_markdown"]


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows it letter by letter: no markup, no HTML, no new cell."""
    flat = " ".join(visible(text).split())
    safe = html.escape(flat, quote=False)
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+!|~" else letter for letter in safe)


def to_markdown(table: Table, *, intervals: bool = True, notes: bool = True) -> str:
    """GitHub Markdown, without columns in which no row has a value.

    Args:
        intervals: show 95 % intervals.
        notes: say below the table how it was measured, and what is to be known of single numbers.
    """
    table, numbered = table.filled(), Footnotes()
    lines = [f"### {escape_markdown(table.title)}", ""]
    heads = [f"{escape_markdown(column.label)} {column.arrow}".strip() for column in table.columns]
    lines.append("| System | " + " | ".join(heads) + " |")
    lines.append("|:--|" + "--:|" * len(table.columns))
    for section in table.sections:
        lines.append(f"| **{escape_markdown(section.title)}** |" + " |" * len(table.columns))
        for row in section.rows:
            cells = [
                _markdown_cell(row, column, numbered if notes else None, intervals)
                for column in table.columns
            ]
            lines.append(f"| {_markdown_name(row, section)} | " + " | ".join(cells) + " |")
    lines += ["", LEGEND]
    if notes:
        lines += ["", *(f"- {escape_markdown(line)}" for line in conditions(table))]
        lines += [f"{number}. {escape_markdown(text)}" for text, number in numbered.texts.items()]
    return "\n".join(lines) + "\n"


def _markdown_name(row: Row, section: Section) -> str:
    name = escape_markdown(row.name) + (f" ({escape_markdown(row.venue)})" if row.venue else "")
    return f"*{name}*" if section.reported or row.kind != "system" else name


def _markdown_cell(row: Row, column: BoardColumn, notes: Footnotes | None, intervals: bool) -> str:
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
    numbers = ",".join(str(number) for number in notes.of(cell)) if notes else ""
    return marked + (f" <sup>{numbers}</sup>" if numbers else "")
