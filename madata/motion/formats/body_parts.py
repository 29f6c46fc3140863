"""SMPL and SMPL-X in parts: the root's orientation, the body's pose, the place, and the hands where they are given.

Keys go by the names of the ``smplx`` package (``global_orient``, ``body_pose``, ``transl``, ``left_hand_pose``, ...) or
by those of AMASS (``root_orient``, ``pose_body``, ``trans``). Rotations are axis-angles or matrices. A body of 23
joints is SMPL, one of 21 is SMPL-X. The up axis is that along which the dancer stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.motion.formats.fields import Hints, array, need, rate, rotations, upright_motion
from madata.motion.kinematics import check_motion
from madata.types import FloatArray, Motion3D

__all__ = ["KEYS", "holds", "parts_motion", "read"]

_ORIENT = ("global_orient", "root_orient")
_BODY = ("body_pose", "pose_body")
_PLACE = ("transl", "trans")
_HANDS = ("left_hand_pose", "right_hand_pose")
KEYS = (
    *_ORIENT,
    *_BODY,
    *_PLACE,
    *_HANDS,
    "fps",
    "mocap_framerate",
    "mocap_frame_rate",
    "frame_rate",
    "framerate",
)
_HAND_JOINTS = 15


def holds(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of this format."""
    return any(key in content for key in _ORIENT) and any(key in content for key in _BODY)


def read(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion.

    Raises:
        MediaError: a part is absent or of another shape, or nothing tells the frame rate or the up axis.
    """
    return upright_motion(path, parts_motion(path, content, rate(path, content, hints)), hints)


def parts_motion(path: Path, content: Mapping[Any, Any], fps: float) -> Motion3D:
    """The motion of parts, taken as y up."""
    orient = rotations(path, _one_of(path, content, _ORIENT), _ORIENT[0], 1)
    body = rotations(path, _one_of(path, content, _BODY), _BODY[0])
    if body.shape[1] not in (21, 23) or len(body) != len(orient):
        raise MediaError(
            f"{path}: {_BODY[0]} holds {body.shape[1]} joints in {len(body)} frames, expected 21 (SMPL-X) or 23 "
            f"(SMPL) in {len(orient)}",
            reason="bad_shape",
        )
    place = array(path, _one_of(path, content, _PLACE), _PLACE[0], (len(orient), 3))
    hands = _hands(path, content, len(orient)) if body.shape[1] == 21 else []
    skeleton = "smpl-24" if body.shape[1] == 23 else "smplh-52" if hands else "smplx-22"
    rotation = np.ascontiguousarray(np.concatenate([orient, body, *hands], axis=1))
    return check_motion(Motion3D(rotation, place, fps, "y", skeleton), path)


def _hands(path: Path, content: Mapping[Any, Any], frames: int) -> list[FloatArray]:
    """Both hands, joint by joint; hands given as principal components say nothing without the model file."""
    sides = [np.asarray(content[key]) for key in _HANDS if key in content]
    if len(sides) < 2 or any(side.size != frames * _HAND_JOINTS * 3 for side in sides):
        return []
    return [rotations(path, side.reshape(frames, -1), key) for side, key in zip(sides, _HANDS, strict=True)]


def _one_of(path: Path, content: Mapping[Any, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in content:
            return content[key]
    need(path, content, keys[0])
    return None
