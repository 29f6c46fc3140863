"""Errors a user can act on. The command line shows them as one line and exits with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "MadanceError",
    "MediaError",
    "MissingDependencyError",
    "WeightsError",
    "did_you_mean",
    "nearest",
]

_MOST_NAMES = 12
_LIKE = 0.6
"""A slip of one or two letters is nearer than this; another word (waltz, jazz) is not."""


class MadanceError(Exception):
    """Something a user can mend: the message names the thing, what is wrong and what to do."""


class ConfigError(MadanceError):
    """A setting is unknown or out of range."""


class MediaError(MadanceError):
    """A video, audio or motion file cannot be used.

    Attributes:
        reason: short machine-readable code (``"empty_file"``, ``"not_media"``, ``"no_video"``, ...), stored in
            the tables beside the message.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class MissingDependencyError(MadanceError):
    """An optional package is not installed; the message holds the command that installs it."""


class WeightsError(MadanceError):
    """A weights file is absent or is not the file expected; the message holds the command that gets it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that does not exist: the nearest that does, else what there is.

    Example:
        >>> "no preset 'oficial'" + did_you_mean("oficial", ["official", "paper"])
        "no preset 'oficial'; did you mean 'official'?"
        >>> did_you_mean("x", ["official", "paper"])
        '; known: official, paper'
    """
    names = list(known)
    near = nearest(name, names)
    if near is not None:
        return f"; did you mean {near!r}?"
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"; known: {shown or 'none'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was meant by ``name``: one that begins with it, else one a slip of letters away.

    Example:
        >>> nearest("oficial", ["official", "paper"]), nearest("x", ["official"])
        ('official', None)
    """
    names = {each.lower(): each for each in known}
    wanted = name.lower()
    near = [each for each in names if wanted and each.startswith(wanted)]
    near = near or difflib.get_close_matches(wanted, names, n=1, cutoff=_LIKE)
    return names[near[0]] if near else None
