"""The dancer and the floor: feet below it, and bodies that hang in the air.

No motion file says where its floor is. It is taken from the clip: where feet are that stand. A clip whose floor is a
constant off cannot be seen by that, and need not be: it is moved.

Legend: T frames. Metres, y up.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from evaluation.features.motion.body import joint_index
from evaluation.features.motion.feet import GRAVITY_M_S2
from evaluation.inputs.pose_files import JointTrack

__all__ = ["floating", "floor_height", "floor_penetration"]

Floats = npt.NDArray[np.float64]

_STANDING_M_S = 0.25
_TOLERANCE_M = 0.03
_NEAR_M = 0.12
_SMOOTHING_S = 0.05
_FEET = ("left_ankle", "right_ankle", "left_toe", "right_toe")


def floor_height(lowest: Floats, speed: Floats) -> float:
    """Where feet are that stand: the median height of the lowest foot while it is slow.

    Args:
        lowest: (T,) height of the lowest joint of the feet, metres.
        speed: (T,) of that joint, m/s.
    """
    standing = lowest[speed < _STANDING_M_S]
    return float(np.median(standing if len(standing) else lowest))


def floor_penetration(clip: JointTrack) -> float:
    """How deep the lowest joint is below the floor, metres: mean over frames of what is deeper than 3 cm.

    Raises:
        ValueError: feet or frame rate are missing, or positions are not finite.
    """
    height, floor, _ = _heights(clip)
    return float(np.maximum(floor - _TOLERANCE_M - height, 0).mean())


def floating(clip: JointTrack) -> float:
    """Share of frames in which nothing is near the floor and the body does not fall as bodies in the air do.

    Near is within 12 cm of any joint (dancers stand on hands and backs too); in the air the hips accelerate downwards
    with g, here: more than half of it.

    Raises:
        ValueError: feet or frame rate are missing, or positions are not finite.
    """
    height, floor, hips = _heights(clip)
    fps = float(clip.fps or 0.0)
    upwards = np.gradient(np.gradient(gaussian_filter1d(hips, _SMOOTHING_S * fps, mode="nearest"))) * fps**2
    return float(((height > floor + _NEAR_M) & (upwards > -GRAVITY_M_S2 / 2)).mean())


def _heights(clip: JointTrack) -> tuple[Floats, float, Floats]:
    """Height of the lowest joint (T,), of the floor, and of the hips (T,)."""
    if clip.fps is None:
        raise ValueError("the clip gives no frame rate")
    points = clip.y_up.astype(np.float64)
    found = [joint_index(clip.names, name) for name in _FEET]
    feet = [index for index in found if index is not None]
    hips = [joint_index(clip.names, f"{side}_hip") for side in ("left", "right")]
    if len(feet) < 2 or None in hips or len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("feet and hips must be there in at least three frames")
    joints = points[:, feet]
    which = joints[..., 1].argmin(axis=1)
    speed = np.linalg.norm(np.gradient(joints, axis=0), axis=-1) * clip.fps
    at = np.arange(len(points))
    floor = floor_height(joints[at, which, 1], speed[at, which])
    return (
        points[..., 1].min(axis=1),
        floor,
        points[:, [index for index in hips if index is not None], 1].mean(axis=1),
    )
