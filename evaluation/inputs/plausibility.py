"""Whether a clip can be what it says it is: a person who moves as people do, in the unit and order expected.

Nothing is refused here, and nothing is changed: numbers of such clips carry a caution, because they are mostly files in
another unit, with columns exchanged, or without the dancer's path. Bounds are so wide that real dance meets none.

Legend: T frames, J joints.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.inputs.pose_files import JointTrack
from madata.motion.kinematics import stature_m
from madata.skeletons import skeleton

__all__ = ["implausible"]

Floats = npt.NDArray[np.floating[Any]]

MAX_ROOT_SPEED_M_S = 12.5
"""Nobody runs faster than 12.4 m/s (the fastest 20 m of a 100 m world record); a motion in centimetres does."""
FIXED_ROOT_M = 1e-3
"""A dancer's pelvis sways by centimetres; one that stays within a millimetre was pinned."""
LEAST_MOVEMENT_M_S = 0.05
STATURES_M = (1.0, 2.3)
LARGEST_SHARE = 2.0
"""Pixels of a picture are larger; shares of it are about 0..1."""
SWAPPED_RATIO = 1.5
MOST_SCORE = 1.0 + 1e-3


def implausible(track: JointTrack) -> list[tuple[str, str]]:
    """What a reader must know before using numbers of this clip, as (reason, message); mostly nothing.

    Example:
        >>> standing = JointTrack(np.ones((8, 17, 2)), np.ones((8, 17)), "coco-17", 16.0, "-y", "made")
        >>> [reason for reason, _ in implausible(standing)]
        ['shares_not_pixels']
    """
    if not np.isfinite(track.points).all():
        return []
    return _of_motion(track) if track.score is None else _of_keypoints(track)


def _of_motion(track: JointTrack) -> list[tuple[str, str]]:
    found = []
    joints = skeleton(track.skeleton)
    points = track.points.astype(np.float64)
    root = points[:, joints.index("pelvis")] if "pelvis" in joints.joints else points[:, 0]
    if track.fps is not None and track.frames > 2:
        speed = np.linalg.norm(np.diff(root, axis=0), axis=-1) * track.fps
        fast = float(np.quantile(speed, 0.95))
        if fast > MAX_ROOT_SPEED_M_S:
            found.append(("root_speed", f"the root moves at {fast:.3g} m/s; is it in another unit (--unit)?"))
        limbs = np.linalg.norm(np.diff(points, axis=0), axis=-1).mean() * track.fps
        horizontal = np.delete(np.ptp(root, axis=0), 1 if track.up == "y" else 2)
        if horizontal.max() < FIXED_ROOT_M and limbs > LEAST_MOVEMENT_M_S:
            found.append(("root_fixed", "the root never moves while the body does; was its path left out?"))
    tall = _stature(points, track)
    if not STATURES_M[0] <= tall <= STATURES_M[1]:
        found.append(("body_size", f"the body is {tall:.3g} m tall; is it in another unit (--unit)?"))
    return found


def _stature(points: Floats, track: JointTrack) -> float:
    body = skeleton(track.skeleton)
    bones = np.zeros((body.num_joints, 3))
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            bones[joint, 0] = np.linalg.norm(points[:, joint] - points[:, parent], axis=-1).mean()
    return stature_m(bones, body)


def _of_keypoints(track: JointTrack) -> list[tuple[str, str]]:
    found = []
    score = np.asarray(track.score)
    seen = (score > 0) & (track.points != 0).any(axis=-1)
    if float(score.max(initial=0.0)) > MOST_SCORE:
        found.append(("score_above_1", f"confidences reach {float(score.max()):.3g}, expected 0..1"))
    at_origin = (score > 0) & (track.points == 0).all(axis=-1)
    if at_origin.any():
        found.append(("joints_at_0_0", f"{at_origin.mean():.1%} of joints lie at exactly (0, 0)"))
    if not seen.any():
        return found
    if float(np.abs(track.points[seen]).max()) <= LARGEST_SHARE:
        found.append(("shares_not_pixels", "coordinates are shares of the picture, expected pixels"))
    across, along = _trunk(track, seen)
    if across > SWAPPED_RATIO * along:
        found.append(("x_y_swapped", "the trunk lies on its side on average; are x and y exchanged?"))
    return found


def _trunk(track: JointTrack, seen: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Mean extent of the trunk across and along the picture; zeros where it is never seen."""
    names = skeleton(track.skeleton).joints
    ends = [[names.index(f"{side}_{joint}") for side in ("left", "right")] for joint in ("shoulder", "hip")]
    there = seen[:, [*ends[0], *ends[1]]].all(axis=1)
    if not there.any():
        return 0.0, 0.0
    step = np.abs(track.points[there][:, ends[0]].mean(axis=1) - track.points[there][:, ends[1]].mean(axis=1))
    return float(step[:, 0].mean()), float(step[:, 1].mean())
