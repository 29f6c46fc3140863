"""Tables, figures, the static site and submissions: what is published of results, and why it can be trusted.

Results are read (:mod:`~leaderboard.entries`), put into sections of what may be compared
(:mod:`~leaderboard.board`), and shown as Markdown, LaTeX, CSV, JSON and HTML (:mod:`~leaderboard.render`) or as a
page (:mod:`~leaderboard.site`). Whatever a result says is recomputed from its features
(:mod:`~leaderboard.recheck`) and its text is never trusted. ``table`` is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from madata.lazy import lazily

if TYPE_CHECKING:
    from leaderboard.board import table
else:
    __getattr__ = lazily(__name__, table="leaderboard.board")

__all__ = ["table"]
