"""Files that are not as the protocol needs them: how they are named, and the refusal that lists every one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.options import Options
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.errors import MadanceError

__all__ = ["Refused", "grouped", "merge_problems", "nothing_left", "plain_message", "refuse"]

_SHOWN = 3
"""Names of files in a line about many."""


class Refused(MadanceError):
    """Files are not as the protocol needs them; ``problems`` names every one.

    Args:
        every: the message names every one too, and not the first of each kind.
    """

    def __init__(self, problems: list[Problem], *, every: bool = False) -> None:
        lines = grouped(problems, every=every, fates=False)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        hint = "" if every or len(lines) == len(problems) else "; --all names every one"
        super().__init__(
            f"{count}, nothing was scored (--allow-missing scores the rest and marks the result partial{hint}):\n"
            + "\n".join(f"  {line}" for line in lines)
        )
        self.problems = problems


def grouped(problems: Sequence[Problem], *, every: bool = False, fates: bool = True) -> list[str]:
    """A line for each reason: how many files, the first three by name, what is wrong with the first.

    Args:
        every: a line for each file instead.
        fates: say whether the clips are left out.

    Example:
        >>> one = Problem(
        ...     clip_id="a", side="music", file="a.wav", reason="no_music", message="is empty", dropped=False
        ... )
        >>> four = [one.model_copy(update={"file": f"{name}.wav"}) for name in "abcd"]
        >>> grouped([one])
        ['music a.wav: is empty [no_music], kept']
        >>> grouped(four)
        ['4 x music [no_music], kept: a.wav, b.wav, c.wav, 1 more: is empty']
    """
    groups: dict[object, list[Problem]] = {}
    for number, problem in enumerate(problems):
        kind = number if every else (problem.side, problem.reason, problem.dropped)
        groups.setdefault(kind, []).append(problem)
    return [_line(alike, fates) for alike in groups.values()]


def _line(alike: Sequence[Problem], fates: bool) -> str:
    """One line about files of one side with one reason."""
    first = alike[0]
    fate = "" if not fates else ", left out" if first.dropped else ", kept"
    names = [problem.file or problem.clip_id for problem in alike]
    if len(alike) == 1:
        return f"{first.side} {names[0]}: {first.message} [{first.reason}]{fate}"
    shown = ", ".join(names[:_SHOWN]) + (f", {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    same = all(problem.message == first.message for problem in alike)
    message = first.message if same else f"the first: {first.message}"
    return f"{len(alike)} x {first.side} [{first.reason}]{fate}: {shown}: {message}"


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
