"""SMPL motions in pickles, as AIST++, EDGE, MACE-Dance and EDGE's data preparation write them.

| name | keys | world |
|---|---|---|
| ``aist++`` | smpl_poses (T, 72), smpl_trans (T, 3) to be divided by smpl_scaling (1,) | y up, 60 fps |
| ``edge`` | smpl_poses, smpl_trans, full_pose (T, 24, 3) joint positions (EDGE, MACE-Dance) | z up, 30 fps |
| ``edge-slice`` | pos (T, 3), q (T, 72), sometimes scale (1,): slices of AIST++ by EDGE | y up, 60 fps |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import ConfigError, MediaError
from madata.files import write_pickle
from madata.motion.formats.fields import Hints, array, need, number, rate
from madata.motion.kinematics import check_motion, joint_positions, with_up
from madata.types import FloatArray, Motion3D

__all__ = [
    "AIST_FPS",
    "holds_aist",
    "holds_edge",
    "holds_slice",
    "read_aist",
    "read_edge",
    "read_slice",
    "write_aist",
    "write_edge",
]

AIST_FPS, _EDGE_FPS = 60.0, 30.0
"""Frames per second of AIST++ and of EDGE."""


def holds_aist(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is a motion of AIST++."""
    return "smpl_scaling" in content


def holds_edge(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is a motion of EDGE or MACE-Dance."""
    return "full_pose" in content


def holds_slice(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is a slice of EDGE's data preparation."""
    return "pos" in content and "q" in content


def read_aist(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """A motion of AIST++: its translation is in units of the scanned body, ``smpl_scaling`` to the metre."""
    need(path, content, "smpl_poses", "smpl_trans", "smpl_scaling")
    return _motion(path, content, ("smpl_poses", "smpl_trans", "smpl_scaling"), hints, AIST_FPS, "y")


def read_edge(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """A motion as EDGE and MACE-Dance write it."""
    need(path, content, "smpl_poses", "smpl_trans")
    return _motion(path, content, ("smpl_poses", "smpl_trans", None), hints, _EDGE_FPS, "z")


def read_slice(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """A slice of AIST++ as EDGE trains on it."""
    need(path, content, "pos", "q")
    scale = "scale" if "scale" in content else None
    return _motion(path, content, ("q", "pos", scale), hints, AIST_FPS, "y")


def _motion(
    path: Path,
    content: Mapping[Any, Any],
    keys: tuple[str, str, str | None],
    hints: Hints,
    fps: float,
    up: str,
) -> Motion3D:
    poses_key, place_key, scale_key = keys
    poses = content[poses_key]
    shape = (None, 24, 3) if getattr(poses, "ndim", 2) == 3 else (None, 72)
    rotation = array(path, poses, poses_key, shape).reshape(-1, 24, 3)
    translation: FloatArray = array(path, content[place_key], place_key, (len(rotation), 3))
    if scale_key is not None:
        scaling = number(path, content[scale_key], scale_key)
        if not scaling > 0:
            raise MediaError(f"{path}: {scale_key} must be positive, found {scaling}", reason="bad_value")
        translation = translation / np.float32(scaling)
    return check_motion(
        Motion3D(rotation, translation, rate(path, content, hints, fps), hints.up or up, "smpl-24"), path
    )


def write_edge(path: Path, motion: Motion3D) -> None:
    """Write ``motion`` as EDGE and MACE-Dance do.

    Raises:
        ConfigError: the format cannot say it: it holds SMPL's mean body at 30 frames per second.
    """
    if motion.skeleton != "smpl-24" or motion.offsets is not None:
        own = " with bone lengths of its own" if motion.offsets is not None else ""
        raise ConfigError(f"{path}: a .pkl holds SMPL's mean body, not {motion.skeleton}{own}; write .npz")
    if motion.fps != _EDGE_FPS:
        raise ConfigError(
            f"{path}: a .pkl is read at {_EDGE_FPS:g} frames per second and the motion has {motion.fps:g}; "
            "resample it, or write .npz"
        )
    motion = with_up(motion, "z")
    write_pickle(
        path,
        {
            "smpl_poses": np.asarray(motion.rotation, np.float32).reshape(-1, 72),
            "smpl_trans": np.asarray(motion.translation, np.float32),
            "full_pose": np.asarray(joint_positions(motion, up="z"), np.float32),
        },
    )


def write_aist(path: Path, motion: Motion3D) -> None:
    """Write ``motion`` as AIST++ does; the body is SMPL's own, so that its scale is 1.

    Raises:
        ConfigError: the format cannot say it: it holds SMPL's mean body at 60 frames per second.
    """
    if motion.skeleton != "smpl-24" or motion.offsets is not None or motion.fps != AIST_FPS:
        raise ConfigError(
            f"{path}: AIST++ holds SMPL's mean body at {AIST_FPS:g} frames per second, not {motion.skeleton} at "
            f"{motion.fps:g}"
        )
    motion = with_up(motion, "y")
    write_pickle(
        path,
        {
            "smpl_poses": np.asarray(motion.rotation, np.float32).reshape(-1, 72),
            "smpl_trans": np.asarray(motion.translation, np.float32),
            "smpl_scaling": np.ones(1, np.float32),
            "smpl_loss": np.zeros(1, np.float32),
        },
    )
