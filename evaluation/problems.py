"""Files that are not as the protocol needs them: how they are named, and the refusal that lists every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.options import Options
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.errors import MadanceError

__all__ = ["Refused", "merge_problems", "nothing_left", "plain_message", "refuse"]


class Refused(MadanceError):
    """Files are not as the protocol needs them; ``problems`` names every one."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = [
            f"  {problem.side} {problem.file or problem.clip_id}: {problem.message} [{problem.reason}]"
            for problem in problems
        ]
        super().__init__(
            f"{len(problems)} problems, nothing was scored (--allow-missing scores the rest and marks the "
            "result partial):\n" + "\n".join(lines)
        )
        self.problems = problems


def refuse(problems: list[Problem], protocol: Protocol, options: Options) -> None:
    """Stop where a problem may not pass.

    Raises:
        Refused: there are problems, and neither the protocol nor ``options`` lets them pass.
    """
    if problems and protocol.clips.bad_files == "refuse" and not options.allow_missing:
        raise Refused(problems)


def nothing_left(name: str) -> Problem:
    """The problem of a side of which nothing can be used."""
    message = "no clip can be scored"
    return Problem(clip_id="", side="prediction", file=name, reason="nothing", message=message, dropped=True)


def plain_message(error: Exception, path: Path) -> str:
    """What an error says of a file, without the folder, which is nobody's business in a result.

    Example:
        >>> plain_message(ValueError("/home/me/a.npz: is empty"), Path("/home/me/a.npz"))
        'is empty'
    """
    return str(error).removeprefix(f"{path}: ").replace(str(path), path.name)


def merge_problems(first: Sequence[Problem], second: Sequence[Problem]) -> list[Problem]:
    """Problems of two looks at the same files; a file that could not be decoded is named once."""
    known = {(one.clip_id, one.side) for one in first}
    return [*first, *(one for one in second if (one.clip_id, one.side) not in known)]
