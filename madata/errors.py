"""Errors a user can act on. The command line shows them as one line and exits with code 2."""

from __future__ import annotations

__all__ = ["ConfigError", "MadanceError", "MediaError", "MissingDependencyError", "WeightsError"]


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
