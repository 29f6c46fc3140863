"""What a file of a stranger may cost, before anything is allocated for it.

Every limit has a default that real files stay far below, and can be changed for a process and its workers::

    MADANCE_LIMITS="seconds=3600 frame_pixels=8300000" madance score ...
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, fields

from madata.errors import ConfigError, MediaError, did_you_mean

__all__ = ["LIMITS_VARIABLE", "ReadingLimits", "reading_limits", "refuse_boundless"]

LIMITS_VARIABLE = "MADANCE_LIMITS"
"""The environment variable that changes them."""


@dataclass(frozen=True)
class ReadingLimits:
    """Limits on one file.

    Attributes:
        document_bytes: of a JSON or TOML file.
        depth: how deep a JSON or TOML file may be nested.
        digits: of an integer in one.
        members: files in an ``.npz`` or a PyTorch archive.
        unpacked_bytes: what the arrays of a file, or a table, come to in memory.
        cells: values of a table that is read whole.
        frames: of a motion or of keypoints; 4.6 hours at 60 per second.
        joints: of a frame of these.
        rate: frames per second.
        seconds: of a video, a motion or keypoints.
        pixels: of a picture; the largest cameras have 200 million.
        frame_pixels: of a frame of a video; 8K has 35 million.
        samples: of sound, over its channels; 46 minutes of stereo at 48 kHz.
    """

    document_bytes: int = 64 << 20
    depth: int = 100
    digits: int = 20
    members: int = 20_000
    unpacked_bytes: int = 1 << 30
    cells: int = 200_000_000
    frames: int = 1_000_000
    joints: int = 10_000
    rate: int = 1_000
    seconds: int = 86_400
    pixels: int = 200_000_000
    frame_pixels: int = 40_000_000
    samples: int = 1 << 28


def reading_limits() -> ReadingLimits:
    """The limits of this process.

    Raises:
        ConfigError: the environment variable names an unknown limit, or one that is no positive number.
    """
    return _parsed(os.environ.get(LIMITS_VARIABLE, ""))


def refuse_boundless(where: str, frames: int, joints: int, fps: float | None) -> None:
    """Hold a motion, or keypoints, against the limits: what comes next may bring it to another rate.

    Args:
        where: begins the message.

    Raises:
        MediaError: ``too_large``.
    """
    limits = reading_limits()
    lasts_s = frames / fps if fps else 0.0
    for name, value, unit in (
        ("frames", frames, "frames"),
        ("joints", joints, "joints"),
        ("rate", fps or 0, "frames per second"),
        ("seconds", lasts_s, "s long"),
    ):
        if value > (most := getattr(limits, name)):
            raise MediaError(
                f"{where}{value:g} {unit}, more than {most} ({LIMITS_VARIABLE} {name})", reason="too_large"
            )


@functools.cache
def _parsed(text: str) -> ReadingLimits:
    known = [field.name for field in fields(ReadingLimits)]
    changed: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        name, _, value = part.partition("=")
        if name not in known:
            raise ConfigError(f"{LIMITS_VARIABLE}: there is no limit {name!r}{did_you_mean(name, known)}")
        if not re.fullmatch(r"[1-9][0-9]{0,17}", value):
            raise ConfigError(f"{LIMITS_VARIABLE}: {name} is a whole number above 0, not {value!r}")
        changed[name] = int(value)
    return ReadingLimits(**changed)
