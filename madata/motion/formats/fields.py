"""What untrusted content must be before it is a motion: arrays of numbers of a shape, one rate, one up axis.

Legend: T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.motion.kinematics import joint_positions, turned
from madata.rotations import matrix_to_axis_angle
from madata.skeletons import skeleton
from madata.types import FloatArray, Motion3D, Positions3D

__all__ = ["Hints", "array", "need", "number", "rate", "rotations", "upright_motion", "upright_positions"]

_RATES = ("fps", "mocap_framerate", "mocap_frame_rate", "frame_rate", "framerate")
# People in a recording mostly stand: the trunk's mean direction must favour one axis this clearly.
_CLEAR = 1.5
# Networks give rotations to three digits; zeros, mirrors and other shapes are far off.
_DETERMINANT_ERROR = 0.1


@dataclass(frozen=True)
class Hints:
    """What the caller knows and the file may not say.

    Attributes:
        fps: frame rate.
        up: axis that points to the ceiling.
        person: which of several people in the file, as the file numbers them.
        metres_per_unit: length of one unit of the file.
        names: BVH only: SMPL joint -> joint of the file.
    """

    fps: float | None = None
    up: str | None = None
    person: str | None = None
    metres_per_unit: float | None = None
    names: Mapping[str, str] | None = None


def array(path: Path, value: Any, key: str, shape: tuple[int | None, ...]) -> FloatArray:
    """A float32 array of the given shape (``None`` fits any length).

    Raises:
        MediaError: it is none.
    """
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise MediaError(f"{path}: {key} is no array ({error})", reason="bad_type") from None
    if found.dtype.kind not in "fiu":
        raise MediaError(f"{path}: {key} holds {found.dtype}, expected numbers", reason="bad_type")
    fits = found.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, found.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(
            ("any" if axis else "T") if size is None else str(size) for axis, size in enumerate(shape)
        )
        raise MediaError(f"{path}: {key} has shape {found.shape}, expected ({wanted})", reason="bad_shape")
    with np.errstate(over="ignore"):  # becomes infinity, which is refused later, with its row
        return np.ascontiguousarray(found, np.float32)


def number(path: Path, value: Any, key: str) -> float:
    """One finite number.

    Raises:
        MediaError: it is none.
    """
    found = np.asarray(value)
    if found.size != 1 or found.dtype.kind not in "fiu":
        raise MediaError(
            f"{path}: {key} should be one number, found {found.dtype} {found.shape}", reason="bad_type"
        )
    if not np.isfinite(found).all():
        raise MediaError(
            f"{path}: {key} is {found.reshape(())}, expected a finite number", reason="bad_value"
        )
    return float(found.reshape(()))


def need(path: Path, content: Mapping[Any, Any], *keys: str) -> None:
    """Refuse content that lacks one of ``keys``.

    Raises:
        MediaError: naming what is absent and what is there.
    """
    lacking = [key for key in keys if key not in content]
    if lacking:
        held = ", ".join(sorted(map(str, content))[:12]) or "nothing"
        raise MediaError(
            f"{path}: no {', '.join(lacking)}; it holds {held}. Is this a motion file?", reason="missing_key"
        )


def rate(path: Path, content: Mapping[Any, Any], hints: Hints, usual: float | None = None) -> float:
    """The frame rate: what the caller says, else what the file says, else what its format always is.

    Raises:
        MediaError: none of them says it.
    """
    if hints.fps is not None:
        return float(hints.fps)
    for key in _RATES:
        if key in content:
            return number(path, content[key], key)
    if usual is None:
        raise MediaError(
            f"{path}: gives no frame rate; say it with: madance convert {path.name} OUT.npz --fps 30",
            reason="no_fps",
        )
    return usual


def rotations(path: Path, value: Any, key: str, joints: int | None = None) -> FloatArray:
    """(T, J, 3) axis-angles from any of (T, 3J), (T, J, 3), (T, 3, 3) and (T, J, 3, 3), matrices where they end so.

    Args:
        joints: J where it is known; else it is told by the shape.
    """
    found = np.asarray(value)
    frames = len(found) if found.ndim else 0
    if found.ndim == 4 or (found.ndim == 3 and found.shape[1:] == (3, 3) and joints == 1):
        matrices = array(path, found.reshape(frames, -1, 3, 3), key, (None, joints, 3, 3))
        with np.errstate(invalid="ignore"):  # NaN is refused later, with its row
            wrong = np.abs(np.linalg.det(matrices) - 1) > _DETERMINANT_ERROR
        if wrong.any():
            raise MediaError(
                f"{path}: {key} holds matrices that are no rotations; is it padded, or of another layout?",
                reason="bad_value",
            )
        return np.ascontiguousarray(matrix_to_axis_angle(matrices), np.float32)
    if found.ndim == 2 and found.shape[1] % 3 == 0:
        found = found.reshape(frames, -1, 3)
    return array(path, found, key, (None, joints, 3))


def upright_motion(path: Path, motion: Motion3D, hints: Hints) -> Motion3D:
    """``motion`` with its up axis: the hint, else the axis along which its trunk stands on average.

    Motions in a camera's axes (y down) are turned about x and come out y up.

    Raises:
        MediaError: no axis stands out.
    """
    if hints.up is not None:
        return replace(motion, up=hints.up)
    axis = _standing_axis(path, joint_positions(motion), motion.skeleton)
    if axis != "-y":
        return replace(motion, up=axis)
    return replace(turned(motion, np.diag([1.0, -1.0, -1.0])), up="y")


def upright_positions(path: Path, positions: Positions3D, hints: Hints) -> Positions3D:
    """The same for joint positions."""
    if hints.up is not None:
        return replace(positions, up=hints.up)
    axis = _standing_axis(path, positions.positions, positions.skeleton)
    points = positions.positions
    if axis == "-y":
        points, axis = np.ascontiguousarray(points * np.array([1, -1, -1], np.float32)), "y"
    return replace(positions, positions=points, up=axis)


def _standing_axis(path: Path, points: FloatArray, skeleton_name: str) -> str:
    body = skeleton(skeleton_name)
    trunk = (points[:, body.index("neck")] - points[:, body.index("pelvis")]).mean(axis=0)
    if not np.isfinite(trunk).all():
        raise MediaError(f"{path}: holds NaN or infinity: drop or mend these rows", reason="not_finite")
    strengths = {"y": trunk[1], "z": trunk[2], "-y": -trunk[1]}
    best = max(strengths, key=lambda axis: float(strengths[axis]))
    other = max(abs(float(trunk[axis])) for axis in range(3) if axis != "xyz".index(best[-1]))
    if float(strengths[best]) <= _CLEAR * other:
        raise MediaError(
            f"{path}: does not say which axis points up, and the body does not show it; say it with: "
            f"madance convert {path.name} OUT.npz --file-up y (or z)",
            reason="no_up",
        )
    return best
