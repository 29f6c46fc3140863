"""What a table may be written over: nothing, or an earlier table."""

from __future__ import annotations

from pathlib import Path

from leaderboard.paper import TASK_TITLES
from madata.errors import MadanceError

__all__ = ["refuse_to_replace"]

_BEGINNINGS = (
    "### ",
    "% needs \\usepackage{booktabs",
    "section,conditions,system,",
    '{\n "schema": "madance.table/1"',
    '<table class="board"',
    *TASK_TITLES.values(),
)
"""How a table begins, in each of its formats."""


def refuse_to_replace(file: Path) -> None:
    """Keep a file that is no table of ours: a paper, a README, a result.

    Raises:
        MadanceError: there is such a file.
    """
    if not file.is_file() or file.stat().st_size == 0:
        return
    with file.open("rb") as stream:
        begins = stream.read(200).decode("utf-8", "replace")
    if not begins.startswith(_BEGINNINGS):
        raise MadanceError(
            f"{file}: is there and is no table of `madance table`; give another --out, or move it away"
        )
