"""Which takes are held out, and which windows there are.

Takes of a group stay on one side. Where nothing is published, groups are taken in an order that depends on the seed and
their names alone, until the share of seconds is reached; the last group always trains.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mace_dance.training.motion.data.settings import WindowSettings
from mace_dance.training.motion.data.takes import Side, Take
from madata.errors import ConfigError

__all__ = ["given_sides", "sides_of", "spans_of"]


def given_sides(takes: Sequence[Take]) -> dict[str, Side]:
    """The side of every group of which a take has one.

    Raises:
        ConfigError: a group has takes on both sides.
    """
    given: dict[str, Side] = {}
    for take in takes:
        if take.side is not None and given.setdefault(take.group, take.side) != take.side:
            raise ConfigError(
                f"the takes of group {take.group!r} are on both sides of the split: give them one side or two groups"
            )
    return given


def sides_of(takes: Sequence[Take], frames: Sequence[int], share: float, seed: int) -> list[Side]:
    """The side of every take.

    Args:
        frames: length of each.
        share: of the frames of takes whose side is not given, to hold out.

    Raises:
        ConfigError: a group has takes given to both sides.
    """
    given = given_sides(takes)
    open_frames: dict[str, int] = defaultdict(int)
    for take, count in zip(takes, frames, strict=True):
        if take.group not in given:
            open_frames[take.group] += count
    wanted = share * sum(open_frames.values())
    order = sorted(open_frames, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    keep_one = "train" not in given.values()
    held = 0
    for place, group in enumerate(order):
        last = keep_one and place == len(order) - 1
        given[group] = "held-out" if held < wanted and not last else "train"
        held += open_frames[group] if given[group] == "held-out" else 0
    return [given[take.group] for take in takes]


def spans_of(frames: int, settings: WindowSettings) -> npt.NDArray[np.int64]:
    """(K, 2) first frame and length of the windows of a take; none when it is too short."""
    length, stride = settings.window_frames, settings.stride_frames
    if frames >= length:
        starts = np.arange(0, frames - length + 1, stride, dtype=np.int64)
        return np.stack([starts, np.full_like(starts, length)], axis=1)
    whole = frames // settings.fps * settings.fps
    if settings.short == "whole" and whole:
        return np.array([[0, whole]], np.int64)
    return np.empty((0, 2), np.int64)
