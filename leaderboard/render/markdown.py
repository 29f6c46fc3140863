"""GitHub Markdown: best bold, ties bold with ``≈``, second underlined."""

from __future__ import annotations

import html

from leaderboard.layout import BoardColumn
from leaderboard.render.notes import LEGEND, Footnotes, conditions
from leaderboard.table import Row, Section, Table

__all__ = ["escape_markdown", "to_markdown"]


def escape_markdown(text: str) -> str:
    """``text`` so that Markdown shows it letter by letter: no markup, no HTML, no new cell."""
    flat = " ".join(text.split())
    safe = html.escape(flat, quote=False)
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+!|~" else letter for letter in safe)


def to_markdown(table: Table, *, intervals: bool = True) -> str:
    """GitHub Markdown."""
    notes = Footnotes()
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
    lines += [f"- {escape_markdown(line)}" for line in conditions(table)]
    lines += [f"{number}. {escape_markdown(text)}" for text, number in notes.texts.items()]
    return "\n".join(lines) + "\n"


def _markdown_name(row: Row, section: Section) -> str:
    name = escape_markdown(row.name) + (f" ({escape_markdown(row.venue)})" if row.venue else "")
    return f"*{name}*" if section.reported or row.kind != "system" else name


def _markdown_cell(row: Row, column: BoardColumn, notes: Footnotes, intervals: bool) -> str:
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
