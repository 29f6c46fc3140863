"""One table in six formats. Every text of a result is escaped for the format it goes into."""

from collections.abc import Callable, Mapping

from leaderboard.render.data import to_csv, to_json
from leaderboard.render.latex import escape_latex, to_latex
from leaderboard.render.markdown import escape_markdown, to_markdown
from leaderboard.render.notes import LEGEND
from leaderboard.render.terminal import to_text
from leaderboard.render.web import LEVELS, to_html
from leaderboard.tables import Table

__all__ = [
    "FORMATS",
    "LEGEND",
    "LEVELS",
    "escape_latex",
    "escape_markdown",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
]

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "text": to_text,
    "md": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "json": to_json,
    "html": to_html,
}
