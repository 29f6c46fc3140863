"""Motion beats: the moments at which a dancer stops.

Published: strict local minima of the joint speed, in frames; the rules differ in speed and smoothing, see
:class:`~evaluation.definitions.BeatRule`. Corrected (:func:`motion_beat_times`): times in seconds, whatever the frame
rate, nothing in gaps.

Legend: N clips, T frames, J joints, C coordinates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from evaluation.definitions import BeatRule
from evaluation.features.motion.body import Body

__all__ = ["motion_beat_times", "motion_beats"]

Array = npt.NDArray[np.floating[Any]]
Times = npt.NDArray[np.float64]


def motion_beats(joints: Array, rule: BeatRule) -> list[npt.NDArray[np.intp]]:
    """Motion beats of clips of equal length.

    Args:
        joints: (N, T, J, C), in the precision upstream has (it decides ties): float64 pixels, float32 metres.

    Returns:
        For each clip the frame numbers of its beats, ascending.

    Example:
        >>> rule = BeatRule(0.0, 1, "mean", "music", 0.0, 0.0)
        >>> path = np.cumsum([0.0, 3, 2, 1, 2, 3, 2, 3])
        >>> [beats.tolist() for beats in motion_beats(path[None, :, None, None], rule)]
        [[2, 5]]
    """
    moved = joints[:, 1:] - joints[:, :-1]
    speeds = np.square(moved[..., 0])
    for axis in range(1, joints.shape[-1]):
        speeds += np.square(moved[..., axis])
    np.sqrt(speeds, out=speeds)
    if rule.speed == "mean":
        curve = speeds.mean(axis=-1)
    else:
        curve = np.zeros(joints.shape[:2], np.float32)
        curve[:, 1:] = speeds.sum(axis=-1)
    if rule.smoothing:
        curve = gaussian_filter1d(curve, rule.smoothing, axis=-1)
    return [np.flatnonzero(row) for row in _strict_minima(curve, rule.order)]


def _strict_minima(curve: Array, order: int) -> npt.NDArray[np.bool_]:
    """Where (..., T) is below ``order`` neighbours on each side; beyond an end its last value stands."""
    padded = np.pad(curve, [(0, 0)] * (curve.ndim - 1) + [(order, order)], mode="edge")
    length = curve.shape[-1]
    lowest = np.ones(curve.shape, bool)
    for shift in range(2 * order + 1):
        if shift != order:
            lowest &= curve < padded[..., shift : shift + length]
    return lowest


SMOOTHING_S = 0.06
NEIGHBOURHOOD_S = 0.16
FLATNESS = 0.01
"""Speeds that differ by less than this share of the clip's mean speed are one stop."""


def motion_beat_times(body: Body) -> Times:
    """Times of the motion beats of one clip, in seconds from its first frame.

    The curve is the mean speed of the joints seen, travel of the body included, in torso lengths per second, smoothed
    over ``SMOOTHING_S``. A beat is as low as anything within ``NEIGHBOURHOOD_S``. A stop that lasts has one beat in its
    middle, however long it is: where it lies must not hang on which of its frames is a hair lower, nor on whether a
    frame falls on the turning point (two equal speeds beside it) or beside it (one lowest speed). A lone minimum is
    refined by a parabola through three frames. Nothing is found in gaps and at the ends of the clip.
    """
    place = body.points + body.hips[:, None]
    known = body.valid[1:] & body.valid[:-1]
    speed = np.linalg.norm(np.diff(place, axis=0), axis=-1) * body.fps
    count = known.sum(axis=1)
    curve = np.where(known, speed, 0.0).sum(axis=1) / np.maximum(count, 1)
    seen = (count > 0).astype(np.float64)
    sigma = SMOOTHING_S * body.fps
    weight = gaussian_filter1d(seen, sigma, mode="constant")
    smooth = gaussian_filter1d(curve * seen, sigma, mode="constant") / np.maximum(weight, 1e-12)
    if not seen.any():
        return np.empty(0)
    flat = FLATNESS * float(smooth[seen > 0].mean())
    order = max(1, round(NEIGHBOURHOOD_S * body.fps))
    at = [_middle(smooth, first, last, flat) for first, last in _stops(smooth, seen, order, flat)]
    return (np.array(at, np.float64) + 0.5) / body.fps


def _stops(curve: Times, seen: Times, order: int, flat: float) -> list[tuple[int, int]]:
    """First and last frame of every stop.

    Around a frame that is as low as its ``order`` neighbours on each side, those within ``flat`` of it belong to the
    stop. Equally low frames nearer to each other than ``order`` belong to one stop. One that reaches an end of the
    clip or a gap is none: it may go on there.
    """
    lowest = np.flatnonzero((curve <= minimum_filter1d(curve, 2 * order + 1, mode="nearest")) & (seen > 0))
    stops: list[tuple[int, int]] = []
    for frame in lowest.tolist():
        low = curve <= curve[frame] + flat
        first = frame - int(np.argmin(low[frame::-1])) + 1 if not low[: frame + 1].all() else 0
        end = frame + int(np.argmin(low[frame:])) - 1 if not low[frame:].all() else len(curve) - 1
        if stops and (first <= stops[-1][1] or frame - stops[-1][1] <= order):
            stops[-1] = (stops[-1][0], max(stops[-1][1], end))
        else:
            stops.append((first, end))
    last = len(curve) - 1
    return [
        (first, end) for first, end in stops if first > 0 and end < last and seen[first - 1 : end + 2].all()
    ]


def _middle(curve: Times, first: int, last: int, flat: float) -> float:
    """Where a stop lies, in frames: by a parabola if it is one frame, else halfway between where it begins and ends."""
    if first == last:
        before, here, after = curve[first - 1 : first + 2]
        return float(first + 0.5 * (before - after) / (before - 2.0 * here + after))
    level = float(curve[first : last + 1].min()) + flat
    begin = first - _share(curve[first], curve[first - 1], level)
    end = last + _share(curve[last], curve[last + 1], level)
    return (begin + end) / 2.0


def _share(inside: float, outside: float, level: float) -> float:
    """How far towards its neighbour a stop reaches, 0..1, where the speed rises to ``level`` on a line."""
    return float(np.clip((level - inside) / (outside - inside), 0.0, 1.0)) if outside > inside else 0.0
