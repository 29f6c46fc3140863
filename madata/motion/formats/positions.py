"""Joint positions instead of rotations: our own files, Bailando's predictions, plain arrays.

| name | file | content |
|---|---|---|
| ``positions`` | .npz | positions (T, J, 3), skeleton, fps, up |
| ``positions`` | .npy | (T, 24, 3) of SMPL or (T, 22, 3) of SMPL-X |
| ``bailando`` | .pkl.npy | a pickled dictionary: pred_position (T, 72), y up, 60 fps |

They are scored as they are; :func:`madata.motion.motion_of_positions` makes rotations of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import ConfigError, MediaError
from madata.motion.formats.fields import Hints, array, need, number, rate, upright_positions
from madata.rotations import up_axis_matrix
from madata.skeletons import skeleton
from madata.types import Positions3D

__all__ = ["KEYS", "check_positions", "holds", "holds_bailando", "read", "read_bailando", "read_plain"]

KEYS = ("positions", "skeleton", "fps", "up")
_BAILANDO_FPS = 60.0
_BODIES = {24: "smpl-24", 22: "smplx-22"}


def holds(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is a file of positions."""
    return "positions" in content


def holds_bailando(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is a prediction of Bailando."""
    return "pred_position" in content


def read(path: Path, content: Mapping[Any, Any], hints: Hints) -> Positions3D:
    """The positions.

    Raises:
        MediaError: a field is absent or not as it must be.
    """
    need(path, content, *KEYS)
    fps = hints.fps or number(path, content["fps"], "fps")
    points = array(path, content["positions"], "positions", (None, None, 3))
    return check_positions(
        Positions3D(points, float(fps), hints.up or str(content["up"]), str(content["skeleton"])), path
    )


def read_bailando(path: Path, content: Mapping[Any, Any], hints: Hints) -> Positions3D:
    """A prediction of Bailando."""
    flat = array(path, content["pred_position"], "pred_position", (None, 72))
    points = np.ascontiguousarray(flat.reshape(-1, 24, 3))
    return check_positions(Positions3D(points, hints.fps or _BAILANDO_FPS, hints.up or "y", "smpl-24"), path)


def read_plain(path: Path, values: Any, hints: Hints) -> Positions3D:
    """An array (T, J, 3) that says neither its rate nor its up axis."""
    points = array(path, values, "the array", (None, None, 3))
    if points.shape[1] not in _BODIES:
        known = " or ".join(f"{joints} ({body})" for joints, body in _BODIES.items())
        raise MediaError(
            f"{path}: positions of {points.shape[1]} joints, expected {known}", reason="bad_shape"
        )
    plain = Positions3D(points, rate(path, {}, hints), "y", _BODIES[points.shape[1]])
    return upright_positions(path, check_positions(plain, path), hints)


def check_positions(positions: Positions3D, source: Path | str = "positions") -> Positions3D:
    """Give ``positions`` back if they are whole.

    Raises:
        MediaError: the skeleton is unknown, a shape does not fit it, or a number is not finite.
    """
    points = positions.positions
    try:
        joints = skeleton(positions.skeleton).num_joints
        up_axis_matrix(positions.up, "y")
    except ConfigError as error:
        raise MediaError(f"{source}: {error}", reason="wrong_skeleton") from None
    if points.ndim != 3 or points.shape[1:] != (joints, 3) or not len(points):
        raise MediaError(
            f"{source}: expected positions (T, {joints}, 3) of {positions.skeleton}, got {points.shape}",
            reason="wrong_shape",
        )
    if not np.isfinite(points).all():
        raise MediaError(f"{source}: holds NaN or infinity: drop or mend these rows", reason="not_finite")
    if skeleton(positions.skeleton).offsets is None:
        raise MediaError(
            f"{source}: {positions.skeleton} is no skeleton of 3D motions", reason="wrong_skeleton"
        )
    if not 1 <= positions.fps <= 1000:
        raise MediaError(
            f"{source}: the frame rate must be within 1 and 1000, got {positions.fps:g}; say the true one with --fps",
            reason="bad_fps",
        )
    return positions
