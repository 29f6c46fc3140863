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
from scipy.ndimage import gaussian_filter1d

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


def motion_beat_times(body: Body) -> Times:
    """Times of the motion beats of one clip, in seconds from its first frame.

    The curve is the mean speed of the joints seen, travel of the body included, in torso lengths per second,
    smoothed over ``SMOOTHING_S``. A beat is lower than everything within ``NEIGHBOURHOOD_S``; its time is
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
    order = max(1, round(NEIGHBOURHOOD_S * body.fps))
    at = np.flatnonzero(_strict_minima(smooth, order))
    at = at[(seen[at - 1] > 0) & (seen[at] > 0) & (seen[at + 1] > 0)] if len(at) else at
    before, here, after = smooth[at - 1], smooth[at], smooth[at + 1]
    shift = 0.5 * (before - after) / (before - 2.0 * here + after)
    return np.asarray((at + shift + 0.5) / body.fps, np.float64)
