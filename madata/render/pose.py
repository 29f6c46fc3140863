"""What the renderers need of a motion: SMPL joints with y up, and where the head looks.

Legend: T frames. Metres.
"""

from __future__ import annotations

import numpy as np

from madata.motion.kinematics import joint_positions, with_skeleton, with_up
from madata.rotations import axis_angle_to_matrix, global_rotations
from madata.skeletons import skeleton
from madata.types import FloatArray, Motion3D

__all__ = ["BODY", "as_body", "body_joints", "head_axes"]

BODY = skeleton("smpl-24")


def as_body(motion: Motion3D) -> Motion3D:
    """The motion on the SMPL-24 tree, y up."""
    return with_up(with_skeleton(motion, BODY.name), "y")


def body_joints(motion: Motion3D) -> FloatArray:
    """(T, 24, 3) joint positions, y up, in SMPL order."""
    return joint_positions(as_body(motion))


def head_axes(motion: Motion3D) -> FloatArray:
    """(T, 3, 3) columns left, up and forward of the head, y up."""
    body = as_body(motion)
    turned = global_rotations(axis_angle_to_matrix(body.rotation), BODY.parents)
    return np.ascontiguousarray(turned[:, BODY.index("head")], np.float32)
