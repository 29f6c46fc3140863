"""The paper's three tables as data: their tasks, their columns in order, their rows as printed."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any, Literal, get_args

from madata.files import parse_json

__all__ = ["TASKS", "TASK_TITLES", "Task", "paper_document", "paper_table"]

Task = Literal["video", "motion", "animation"]

TASKS: tuple[Task, ...] = get_args(Task)
TASK_TITLES: dict[Task, str] = {
    "video": "Music-driven dance video",
    "motion": "Music-driven 3D dance",
    "animation": "Pose-driven image animation",
}


@functools.cache
def paper_document() -> dict[str, Any]:
    """All of ``reported.json``."""
    text = resources.files("leaderboard").joinpath("reported.json").read_bytes()
    document: dict[str, Any] = parse_json(text, "reported.json")
    return document


def paper_table(task: Task) -> dict[str, Any]:
    """The table of one task: ``metrics`` in the order of its columns, ``plane`` (what a plot of two shows), ``rows``.

    Example:
        >>> paper_table("animation")["metrics"]
        ['fvd', 'ssim', 'lpips', 'psnr']
    """
    table: dict[str, Any] = paper_document()["tables"][task]
    return table
