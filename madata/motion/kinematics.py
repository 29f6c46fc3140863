"""Whole motions: joint positions, another up axis or skeleton, the mirror image, body height.

Legend: T frames, J joints. Rest offsets are always y up (the body's own axes); only the root's rotation and
the translation know the world's up axis.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, MediaError
from madata.rotations import (
    axis_angle_to_matrix,
    forward_kinematics,
    matrix_to_axis_angle,
    up_axis_matrix,
)
from madata.skeletons import Skeleton, skeleton
from madata.types import FloatArray, Motion3D

__all__ = [
    "body_height_m",
    "check_motion",
    "joint_positions",
    "mirror",
    "rest_offsets",
    "turned",
    "with_skeleton",
    "with_up",
]

# Stature over the length hip-knee-ankle plus pelvis-neck-head: SMPL's mean body, 1.70 m over 1.466 m.
_STATURE_RATIO = 1.16


def check_motion(motion: Motion3D, source: Path | str = "motion") -> Motion3D:
    """Give ``motion`` back if its arrays are whole.

    Args:
        motion: any motion.
        source: the file it came from, named in the error.

    Raises:
        MediaError: a shape does not fit the skeleton, a number is not finite, the frame rate is none of recordings.
        ConfigError: the skeleton or the up axis is unknown.
    """
    body = _tree(motion.skeleton)
    up_axis_matrix(motion.up, "y")
    frames = len(motion.rotation)
    expected = {
        "rotation": (motion.rotation, (frames, body.num_joints, 3)),
        "translation": (motion.translation, (frames, 3)),
    }
    if motion.offsets is not None:
        expected["offsets"] = (motion.offsets, (body.num_joints, 3))
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise MediaError(
                f"{source}: {name} has shape {array.shape}, {motion.skeleton} needs {shape}",
                reason="bad_shape",
            )
        if not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))[0]
            raise MediaError(
                f"{source}: {name} holds NaN or infinity, first in row {where[0]}: drop or mend these rows",
                reason="not_finite",
            )
    if frames == 0:
        raise MediaError(f"{source}: the motion has no frames", reason="empty_motion")
    if not 1 <= motion.fps <= 1000:  # what lies beyond costs without bound when it is resampled
        raise MediaError(
            f"{source}: the frame rate must be within 1 and 1000, got {motion.fps:g}; say the true one with --fps",
            reason="bad_fps",
        )
    return motion


def _tree(name: str) -> Skeleton:
    body = skeleton(name)
    if body.offsets is None:
        raise ConfigError(f"skeleton {name!r} holds 2D keypoints, a 3D motion needs a kinematic tree")
    return body


def rest_offsets(motion: Motion3D) -> FloatArray:
    """(J, 3) metres: the motion's own bone lengths, or the mean offsets of its skeleton."""
    if motion.offsets is not None:
        return motion.offsets
    offsets = _tree(motion.skeleton).offsets
    return np.asarray(offsets, np.float32)


def joint_positions(motion: Motion3D, up: str | None = None) -> FloatArray:
    """(T, J, 3) joint positions in metres.

    Args:
        motion: T frames.
        up: up axis of the result; ``None`` keeps the motion's.
    """
    positions = forward_kinematics(
        motion.rotation, motion.translation, rest_offsets(motion), skeleton(motion.skeleton).parents
    )
    if up is not None and up != motion.up:
        positions = positions @ up_axis_matrix(motion.up, up).T.astype(np.float32)
    return np.ascontiguousarray(positions, np.float32)


def with_up(motion: Motion3D, up: str) -> Motion3D:
    """The same motion in coordinates with another up axis: every joint lands where its position turns to."""
    if up == motion.up:
        up_axis_matrix(motion.up, up)
        return motion
    return replace(turned(motion, up_axis_matrix(motion.up, up)), up=up)


def turned(motion: Motion3D, turn: npt.NDArray[np.floating]) -> Motion3D:
    """The motion with its world turned about the origin by ``turn`` (3, 3); ``up`` stays as it is.

    The root joint lies at translation plus its rest offset, which is in the body's axes and does not turn; for
    SMPL-X, whose pelvis is not at the origin of its translation, that is 0.35 m.
    """
    matrix = np.asarray(turn, np.float32)
    rotation = motion.rotation.copy()
    rotation[:, :1] = matrix_to_axis_angle(matrix @ axis_angle_to_matrix(motion.rotation[:, :1]))
    root = rest_offsets(motion)[0]
    translation = (motion.translation + root) @ matrix.T - root
    return replace(motion, rotation=rotation, translation=np.ascontiguousarray(translation, np.float32))


def with_skeleton(motion: Motion3D, name: str) -> Motion3D:
    """The same motion on another kinematic tree, joint by joint name.

    Joints only the target has keep their rest rotation; joints only the source has are dropped. The root
    stays where it is in the world, although SMPL and SMPL-X place it differently relative to the
    translation. The body keeps its own bone lengths if it brings any, else it takes the target's mean ones.
    """
    if name == motion.skeleton:
        return motion
    source, target = _tree(motion.skeleton), _tree(name)
    shared = [(target.index(joint), source.index(joint)) for joint in target.joints if joint in source.joints]
    into, out_of = (list(columns) for columns in zip(*shared, strict=True))
    rotation = np.zeros((len(motion.rotation), target.num_joints, 3), np.float32)
    rotation[:, into] = motion.rotation[:, out_of]
    before = rest_offsets(motion)
    after = np.array(target.offsets, np.float32)
    offsets = None
    if motion.offsets is not None:
        offsets = after
        offsets[into] = before[out_of]
    return replace(
        motion,
        rotation=rotation,
        translation=motion.translation + before[0] - after[0],
        skeleton=name,
        offsets=offsets,
    )


def mirror(motion: Motion3D) -> Motion3D:
    """The motion seen in a mirror: left and right change places, x changes sign (either up axis)."""
    body = _tree(motion.skeleton)
    order = body.mirrored
    flip = np.array([-1, 1, 1], np.float32)
    offsets = None if motion.offsets is None else np.ascontiguousarray(motion.offsets[order] * flip)
    return replace(
        motion,
        rotation=np.ascontiguousarray(motion.rotation[:, order] * -flip),
        translation=motion.translation * flip,
        offsets=offsets,
    )


def body_height_m(motion: Motion3D) -> float:
    """Stature estimated from bone lengths, so that it does not depend on the pose."""
    return stature_m(rest_offsets(motion), _tree(motion.skeleton))


def stature_m(offsets: npt.NDArray[np.floating], body: Skeleton) -> float:
    """Stature of a body with these (J, 3) rest offsets."""
    length = np.linalg.norm(np.asarray(offsets, np.float64), axis=-1)
    legs = [body.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "ankle")]
    trunk, joint = 0.0, body.index("head")
    while body.parents[joint] >= 0:
        trunk += length[joint]
        joint = body.parents[joint]
    return float(_STATURE_RATIO * (length[legs].sum() / 2 + trunk))
