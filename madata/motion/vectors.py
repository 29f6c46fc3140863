"""Motion as one row of numbers per frame, in the layouts of the published models.

| layout | D | columns | body | world |
|---|---|---|---|---|
| ``edge-151`` (EDGE, MACE-Dance) | 151 | contacts 4, root 3, 24 x 6D | smpl-24 | z up, 30 fps |
| ``lodge-139`` | 139 | contacts 4, root 3, 22 x 6D | smplx-22 | y up, 30 fps |
| ``lodge-135`` | 135 | root 3, 22 x 6D | smplx-22 | y up, 30 fps |
| ``finedance-319`` | 319 | contacts 4, root 3, 52 x 6D | smplh-52 | y up, 30 fps |
| ``finedance-315`` | 315 | root 3, 52 x 6D | smplh-52 | y up, 30 fps |
| ``mnet-147`` | 147 | 24 x 6D, root 3 | smpl-24 | y up, 60 fps |
| ``mnet-75`` | 75 | 24 axis-angles, root 3 | smpl-24 | y up, 60 fps |
| ``fact-225`` | 225 | 6 zeros, root 3, 24 matrices | smpl-24 | y up, 60 fps |
| ``fact-219`` | 219 | root 3, 24 matrices | smpl-24 | y up, 60 fps |

6D is the first two rows of the matrix. Contacts are by speed in ``edge-151`` and by height above floor 0 in
the others, as the models were trained (see :mod:`madata.motion.contacts`). Legend: T frames, D columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from madata.errors import ConfigError, MediaError, did_you_mean
from madata.motion.contacts import contacts_by_height, contacts_by_speed
from madata.motion.kinematics import check_motion, joint_positions, with_skeleton, with_up
from madata.rotations import (
    axis_angle_to_matrix,
    axis_angle_to_rot6d,
    matrix_to_axis_angle,
    rot6d_to_axis_angle,
)
from madata.skeletons import skeleton
from madata.types import FloatArray, Motion3D

__all__ = ["LAYOUTS", "VectorLayout", "decode", "encode", "layout", "layout_of_width"]

_PER_JOINT = {"rot6d": 6, "axis_angle": 3, "matrix": 9}
_FIXED = {"contacts": 4, "root": 3, "zeros": 6}


@dataclass(frozen=True)
class VectorLayout:
    """What the columns of a motion vector are.

    Attributes:
        name: name given to :func:`layout`.
        parts: column groups in order: ``contacts``, ``root``, ``zeros`` and one of ``rot6d``, ``axis_angle``,
            ``matrix``.
        skeleton: skeleton of the rotations.
        up: up axis.
        fps: frame rate of the model's data.
        contact_rule: ``"speed"`` or ``"height"``.
    """

    name: str
    parts: tuple[str, ...]
    skeleton: str
    up: str
    fps: float
    contact_rule: str

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of each part."""
        slices, start = {}, 0
        joints = skeleton(self.skeleton).num_joints
        for part in self.parts:
            width = _FIXED.get(part) or _PER_JOINT[part] * joints
            slices[part] = slice(start, start + width)
            start += width
        return slices

    @property
    def width(self) -> int:
        """D."""
        return max(int(part.stop) for part in self.columns.values())


LAYOUTS = {
    entry.name: entry
    for entry in (
        VectorLayout("edge-151", ("contacts", "root", "rot6d"), "smpl-24", "z", 30.0, "speed"),
        VectorLayout("lodge-139", ("contacts", "root", "rot6d"), "smplx-22", "y", 30.0, "height"),
        VectorLayout("lodge-135", ("root", "rot6d"), "smplx-22", "y", 30.0, "height"),
        VectorLayout("finedance-319", ("contacts", "root", "rot6d"), "smplh-52", "y", 30.0, "height"),
        VectorLayout("finedance-315", ("root", "rot6d"), "smplh-52", "y", 30.0, "height"),
        VectorLayout("mnet-147", ("rot6d", "root"), "smpl-24", "y", 60.0, "height"),
        VectorLayout("mnet-75", ("axis_angle", "root"), "smpl-24", "y", 60.0, "height"),
        VectorLayout("fact-225", ("zeros", "root", "matrix"), "smpl-24", "y", 60.0, "height"),
        VectorLayout("fact-219", ("root", "matrix"), "smpl-24", "y", 60.0, "height"),
    )
}


def layout(name: str) -> VectorLayout:
    """The layout called ``name``.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    if name in LAYOUTS:
        return LAYOUTS[name]
    raise ConfigError(f"unknown motion vector layout {name!r}{did_you_mean(name, LAYOUTS)}")


def layout_of_width(width: int) -> VectorLayout | None:
    """The layout with this number of columns; no two share one."""
    return next((entry for entry in LAYOUTS.values() if entry.width == width), None)


def encode(motion: Motion3D, name: str) -> FloatArray:
    """Write a motion as motion vectors.

    The up axis and the skeleton are brought to the layout's; the frame rate is not (see
    :func:`madata.motion.resample`), because dropping frames is the caller's decision.

    Returns:
        (T, D) in the layout ``name``. Contacts are computed from the joint positions.

    Raises:
        ConfigError: the layout is unknown, or the frame rate of the motion is not the layout's.
    """
    target = layout(name)
    if abs(motion.fps - target.fps) > 1e-3:
        raise ConfigError(
            f"{name} is {target.fps:g} fps, the motion {motion.fps:g}: resample(motion, {target.fps:g}) first"
        )
    motion = with_up(with_skeleton(motion, target.skeleton), target.up)
    values = np.zeros((len(motion.rotation), target.width), np.float32)
    flat = (len(motion.rotation), -1)
    for part, columns in target.columns.items():
        if part == "contacts":
            values[:, columns] = _contacts(motion, target)
        elif part == "root":
            values[:, columns] = motion.translation
        elif part == "rot6d":
            values[:, columns] = axis_angle_to_rot6d(motion.rotation).reshape(flat)
        elif part == "axis_angle":
            values[:, columns] = motion.rotation.reshape(flat)
        elif part == "matrix":
            values[:, columns] = axis_angle_to_matrix(motion.rotation).reshape(flat)
    return values


def _contacts(motion: Motion3D, target: VectorLayout) -> FloatArray:
    positions = joint_positions(motion)
    if target.contact_rule == "speed":
        return contacts_by_speed(positions)
    return contacts_by_height(positions, target.up)


def decode(
    values: FloatArray, name: str, fps: float | None = None, source: str = "motion vectors"
) -> Motion3D:
    """Read motion vectors; contacts are dropped, 6D and matrices become the nearest proper rotations.

    Args:
        values: (T, D) in the layout ``name``, unnormalised.
        name: name of the layout.
        fps: frame rate when it is not the layout's.
        source: what to call ``values`` in an error.

    Raises:
        ConfigError: the layout is unknown or ``values`` has another shape.
        MediaError: a number is not finite, or a 6D rotation is degenerate.
    """
    origin = layout(name)
    if values.ndim != 2 or values.shape[1] != origin.width:
        raise ConfigError(
            f"{source}: {name} is (T, {origin.width}) = {' + '.join(origin.parts)}, got {values.shape}"
        )
    values = np.asarray(values, np.float32)
    joints = skeleton(origin.skeleton).num_joints
    rotation, translation = None, None
    for part, columns in origin.columns.items():
        block = values[:, columns]
        if part == "root":
            translation = np.ascontiguousarray(block)
        elif part == "rot6d":
            rotation = rot6d_to_axis_angle(_proper_6d(block.reshape(-1, joints, 6), source))
        elif part == "axis_angle":
            rotation = np.ascontiguousarray(block.reshape(-1, joints, 3))
        elif part == "matrix":
            rotation = matrix_to_axis_angle(_nearest_rotation(block.reshape(-1, joints, 3, 3)))
    if rotation is None or translation is None:
        raise ConfigError(f"layout {name} has no rotations or no root")
    return check_motion(
        Motion3D(rotation, translation, float(fps or origin.fps), origin.up, origin.skeleton), source
    )


def _proper_6d(rot6d: FloatArray, source: str) -> FloatArray:
    """6D rotations as they are, once none has zero or parallel rows, which would define no rotation."""
    area = np.linalg.norm(np.cross(rot6d[..., :3], rot6d[..., 3:]), axis=-1)
    if (area < 1e-6).any():
        row, joint = np.argwhere(area < 1e-6)[0]
        raise MediaError(
            f"{source}: the 6D rotation of joint {joint} in row {row} is degenerate: {rot6d[row, joint]}. "
            "Is this motion normalised, padded, or in another layout?",
            reason="bad_rotation",
        )
    return rot6d


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    """Nearest rotation in the Frobenius norm, by SVD."""
    if not np.isfinite(matrix).all():
        return matrix
    left, _, right = np.linalg.svd(matrix)
    left[..., :, 2] *= np.linalg.det(left @ right)[..., None]
    nearest: FloatArray = left @ right
    return nearest
