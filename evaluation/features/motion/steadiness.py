"""How steadily a body moves: acceleration, jerk, and where it drifts to.

Nothing is smoothed: trembling from frame to frame is what is looked for. Torso lengths and true seconds; both sides of
a comparison must have one frame rate, as a protocol sees to, because noise weighs with its third power.

Legend: T frames, J joints, C coordinates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import Body, clip_body
from evaluation.inputs.pose_files import JointTrack

__all__ = ["mean_acceleration", "mean_jerk", "root_drift"]


def mean_acceleration(clip: JointTrack) -> float:
    """Mean size of the acceleration of joints, torso lengths per s^2; of runs of seen frames only.

    Raises:
        ValueError: no joint was seen in three frames in a row.
    """
    return _mean_derivative(clip, 2)


def mean_jerk(clip: JointTrack) -> float:
    """Mean size of the jerk of joints, torso lengths per s^3; of runs of seen frames only.

    Raises:
        ValueError: no joint was seen in four frames in a row.

    Example:
        >>> fall = np.ones((9, 17, 2)) * np.arange(9.0)[:, None, None] ** 2
        >>> fall[:, 11:13, 1] += 10
        >>> round(mean_jerk(JointTrack(fall, None, "coco-17", 30.0, "-y", "made")), 6)
        0.0
    """
    return _mean_derivative(clip, 3)


def _mean_derivative(clip: JointTrack, order: int) -> float:
    body = clip_body(clip)
    points, seen = body.points + body.hips[:, None], body.valid
    size = np.linalg.norm(np.diff(points, n=order, axis=0), axis=-1) * body.fps**order
    for _ in range(order):
        seen = seen[1:] & seen[:-1]
    if not seen.any():
        raise ValueError(f"no joint was seen in {order + 1} frames in a row")
    return float(size[seen].mean())


def root_drift(clip: JointTrack) -> float:
    """How fast the dancer leaves: from the mean place of the hips in the first quarter to that in the last, per second.

    Dance travels and comes back; a generated body may slide away for minutes. Torso lengths per second, in 3D along the
    floor, in a picture across it (where a camera that follows hides it).

    Raises:
        ValueError: the hips were not seen in a quarter.
    """
    body = clip_body(clip)
    first, last = (_mean_place(body, part) for part in _quarters(len(body.hips)))
    away = last - first
    if body.dims == 3:
        away = away[[0, 2]]
    seconds = 0.75 * len(body.hips) / body.fps
    return float(np.linalg.norm(away) / seconds)


def _quarters(frames: int) -> tuple[slice, slice]:
    length = max(1, frames // 4)
    return slice(0, length), slice(frames - length, frames)


def _mean_place(body: Body, part: slice) -> npt.NDArray[np.float64]:
    seen = body.hips_valid[part]
    if not seen.any():
        raise ValueError("the hips were not seen at one end of the clip")
    place: npt.NDArray[np.float64] = body.hips[part][seen].mean(axis=0)
    return place
