"""AMASS and its kin: ``poses`` in one array, ``trans``, a frame rate; z up.

SMPL (T, 72), SMPL-H (T, 156) and SMPL-X (T, 165); stage-ii files of SMPL-X hold Python objects beside the arrays,
which are not opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madata.errors import MediaError
from madata.motion.formats.fields import Hints, array, need, rate
from madata.motion.kinematics import check_motion
from madata.types import Motion3D

__all__ = ["KEYS", "holds", "read"]

KEYS = ("poses", "trans", "mocap_framerate", "mocap_frame_rate")
_BODIES = {72: "smpl-24", 156: "smplh-52", 165: "smplx-55"}


def holds(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of this format."""
    return "poses" in content


def read(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion.

    Raises:
        MediaError: an array is absent or of another width.
    """
    need(path, content, "poses", "trans")
    poses = array(path, content["poses"], "poses", (None, None))
    if poses.shape[1] not in _BODIES:
        known = ", ".join(f"(T, {width}) for {body}" for width, body in _BODIES.items())
        raise MediaError(f"{path}: poses has shape {poses.shape}, expected {known}", reason="bad_shape")
    motion = Motion3D(
        rotation=poses.reshape(len(poses), -1, 3),
        translation=array(path, content["trans"], "trans", (len(poses), 3)),
        fps=rate(path, content, hints),
        up=hints.up or "z",
        skeleton=_BODIES[poses.shape[1]],
    )
    return check_motion(motion, path)
