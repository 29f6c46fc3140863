"""Rotations and forward kinematics, alike for numpy arrays and torch tensors.

One implementation serves both: the result is of the kind, dtype and device of the argument, and with torch
every function has finite gradients, at the identity too.

Conventions
    axis-angle (..., 3): axis times angle, radians.
    quaternion (..., 4): (w, x, y, z), real part first; q and -q are the same rotation.
    matrix (..., 3, 3): acts on column vectors, ``y = R x``.
    6D (..., 6): ``"rows"`` holds the first two rows of the matrix one after the other (pytorch3d, EDGE,
        LODGE, MACE, FineDance); ``"columns"`` the first two columns (Zhou et al. 2019, arXiv:1812.07035).
        One is the other of the inverse rotation.
    up axis: ``"y"`` (right-handed, facing +z) or ``"z"`` (right-handed, facing -y); a quarter turn about x
        leads from the first to the second.

Legend: J joints, ... any leading axes (frames, batch).
"""

# Both modules stand behind one name below, so what they return has no static type.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = [
    "axis_angle_to_matrix",
    "axis_angle_to_quaternion",
    "axis_angle_to_rot6d",
    "euler_to_matrix",
    "facing",
    "forward_kinematics",
    "global_rotations",
    "heading",
    "matrix_to_axis_angle",
    "matrix_to_quaternion",
    "matrix_to_rot6d",
    "quaternion_apply",
    "quaternion_invert",
    "quaternion_multiply",
    "quaternion_to_axis_angle",
    "quaternion_to_matrix",
    "rot6d_to_axis_angle",
    "rot6d_to_matrix",
    "slerp",
    "up_axis_matrix",
]

Array = TypeVar("Array", npt.NDArray[Any], "torch.Tensor")
Rot6dLayout = Literal["rows", "columns"]

# Below this squared angle the series and the closed form agree to the last bit of float64.
_TINY = 1e-8


def _namespace(array: Any) -> Any:
    """The module (numpy or torch) whose functions take ``array``; both accept ``axis``."""
    return np if isinstance(array, np.ndarray | np.generic) else sys.modules["torch"]


def _check(array: Any, tail: tuple[int, ...], what: str) -> None:
    if tuple(array.shape[-len(tail) :]) != tail:
        raise ConfigError(
            f"{what}: expected shape (..., {', '.join(map(str, tail))}), got {tuple(array.shape)}"
        )


def _dot(first: Any, second: Any) -> Any:
    """Inner product along the last axis, which is kept."""
    return (first * second).sum(axis=-1)[..., None]


def _normalise(vector: Any) -> Any:
    """Unit vectors; a zero vector stays zero."""
    xp = _namespace(vector)
    length = xp.linalg.vector_norm(vector, axis=-1, keepdims=True)
    return vector / xp.where(length == 0, xp.ones_like(length), length)


def axis_angle_to_quaternion(axis_angle: Array) -> Array:
    """(..., 3) axis-angle -> (..., 4) quaternion."""
    _check(axis_angle, (3,), "axis-angle")
    xp = _namespace(axis_angle)
    squared = _dot(axis_angle, axis_angle)
    small = squared < _TINY
    angle = xp.sqrt(xp.where(small, xp.ones_like(squared), squared))
    real = xp.where(small, 1 - squared / 8, xp.cos(angle / 2))
    ratio = xp.where(small, 0.5 - squared / 48, xp.sin(angle / 2) / angle)
    return xp.concatenate([real, axis_angle * ratio], axis=-1)


def quaternion_to_axis_angle(quaternion: Array) -> Array:
    """(..., 4) unit quaternion -> (..., 3) axis-angle, at most pi where w >= 0, else up to 2 pi."""
    _check(quaternion, (4,), "quaternion")
    xp = _namespace(quaternion)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    squared = _dot(imaginary, imaginary)
    small = squared < _TINY
    sine = xp.sqrt(xp.where(small, xp.ones_like(squared), squared))
    closed = 2 * xp.arctan2(sine, xp.where(small, xp.zeros_like(real), real)) / sine
    # Near the identity angle / sin(angle / 2) = 2 + sin^2 / 3; there -q is taken for q.
    sign = xp.where(real < 0, -xp.ones_like(real), xp.ones_like(real))
    return imaginary * xp.where(small, sign * (2 + squared / 3), closed)


def quaternion_to_matrix(quaternion: Array) -> Array:
    """(..., 4) quaternion, of any length but 0 -> (..., 3, 3) matrix."""
    _check(quaternion, (4,), "quaternion")
    xp = _namespace(quaternion)
    w, x, y, z = (quaternion[..., i] for i in range(4))
    two = 2 / _dot(quaternion, quaternion)[..., 0]
    rows = [
        [1 - two * (y * y + z * z), two * (x * y - z * w), two * (x * z + y * w)],
        [two * (x * y + z * w), 1 - two * (x * x + z * z), two * (y * z - x * w)],
        [two * (x * z - y * w), two * (y * z + x * w), 1 - two * (x * x + y * y)],
    ]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(matrix: Array) -> Array:
    """(..., 3, 3) rotation matrix -> (..., 4) unit quaternion with w >= 0.

    The entries of the matrix give all products 4 q_i q_j; the column of the largest q_i^2 (at least 1/4) over
    2 q_i is the quaternion, so there is no division by a small number at any angle. That of a matrix which is no
    rotation has another length; it is pytorch3d's.
    """
    _check(matrix, (3, 3), "rotation matrix")
    xp = _namespace(matrix)
    (a, b, c), (d, e, f), (g, h, i) = ([matrix[..., r, k] for k in range(3)] for r in range(3))
    products = xp.stack(
        [
            xp.stack([1 + a + e + i, h - f, c - g, d - b], axis=-1),
            xp.stack([h - f, 1 + a - e - i, b + d, c + g], axis=-1),
            xp.stack([c - g, b + d, 1 - a + e - i, f + h], axis=-1),
            xp.stack([d - b, c + g, f + h, 1 - a - e + i], axis=-1),
        ],
        axis=-2,
    )
    diagonal = xp.stack([products[..., k, k] for k in range(4)], axis=-1)
    best: Any = diagonal.argmax(-1)[..., None]
    column = _take(products, xp.broadcast_to(best[..., None], (*best.shape[:-1], 4, 1)))[..., 0]
    quaternion = column / (2 * xp.sqrt(_take(column, best)))
    return xp.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def _take(array: Any, index: Any) -> Any:
    """Entries along the last axis."""
    return np.take_along_axis(array, index, -1) if _namespace(array) is np else array.gather(-1, index)


def axis_angle_to_matrix(axis_angle: Array) -> Array:
    """(..., 3) axis-angle -> (..., 3, 3) matrix."""
    return quaternion_to_matrix(axis_angle_to_quaternion(axis_angle))


def matrix_to_axis_angle(matrix: Array) -> Array:
    """(..., 3, 3) rotation matrix -> (..., 3) axis-angle with an angle of at most pi."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_rot6d(matrix: Array, layout: Rot6dLayout = "rows") -> Array:
    """(..., 3, 3) matrix -> (..., 6)."""
    _check(matrix, (3, 3), "rotation matrix")
    xp = _namespace(matrix)
    first, second = _two_axes(matrix, layout)
    return xp.concatenate([first, second], axis=-1)


def _two_axes(matrix: Any, layout: Rot6dLayout) -> tuple[Any, Any]:
    if layout == "rows":
        return matrix[..., 0, :], matrix[..., 1, :]
    if layout == "columns":
        return matrix[..., :, 0], matrix[..., :, 1]
    raise ConfigError(f"6D layout must be 'rows' or 'columns', got {layout!r}")


def rot6d_to_matrix(rot6d: Array, layout: Rot6dLayout = "rows") -> Array:
    """(..., 6), not necessarily orthonormal -> (..., 3, 3) matrix by Gram-Schmidt, the first vector leads."""
    _check(rot6d, (6,), "6D rotation")
    xp = _namespace(rot6d)
    first = _normalise(rot6d[..., :3])
    second = rot6d[..., 3:]
    second = _normalise(second - _dot(first, second) * first)
    third = xp.linalg.cross(first, second)
    if layout not in ("rows", "columns"):
        raise ConfigError(f"6D layout must be 'rows' or 'columns', got {layout!r}")
    return xp.stack([first, second, third], axis=-2 if layout == "rows" else -1)


def axis_angle_to_rot6d(axis_angle: Array, layout: Rot6dLayout = "rows") -> Array:
    """(..., 3) axis-angle -> (..., 6)."""
    return matrix_to_rot6d(axis_angle_to_matrix(axis_angle), layout)


def rot6d_to_axis_angle(rot6d: Array, layout: Rot6dLayout = "rows") -> Array:
    """(..., 6) -> (..., 3) axis-angle with an angle of at most pi."""
    return matrix_to_axis_angle(rot6d_to_matrix(rot6d, layout))


def euler_to_matrix(angles: Array, order: str) -> Array:
    """Intrinsic rotations about the axes in ``order``: ``"ZXY"`` means ``R = Rz Rx Ry`` (the rule of BVH).

    Args:
        angles: (..., len(order)) radians, in the order of ``order``.
        order: one to three of the letters X, Y, Z.

    Returns:
        (..., 3, 3) matrix.
    """
    if not order or set(order) - set("XYZ"):
        raise ConfigError(f"rotation order must be made of X, Y and Z, got {order!r}")
    _check(angles, (len(order),), f"Euler angles {order}")
    matrix = _about_axis(angles[..., 0], order[0])
    for column, letter in enumerate(order[1:], 1):
        matrix = matrix @ _about_axis(angles[..., column], letter)
    return matrix


def _about_axis(angle: Any, letter: str) -> Any:
    xp = _namespace(angle)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    one, zero = xp.ones_like(angle), xp.zeros_like(angle)
    entries = {
        "X": (one, zero, zero, zero, cosine, -sine, zero, sine, cosine),
        "Y": (cosine, zero, sine, zero, one, zero, -sine, zero, cosine),
        "Z": (cosine, -sine, zero, sine, cosine, zero, zero, zero, one),
    }[letter]
    return xp.stack(entries, axis=-1).reshape((*angle.shape, 3, 3))


def quaternion_multiply(first: Array, second: Array) -> Array:
    """The product ``first second``: ``second`` acts first. (..., 4) each, w >= 0 in the result."""
    _check(first, (4,), "quaternion")
    _check(second, (4,), "quaternion")
    xp = _namespace(first)
    product = _hamilton(first, second)
    return xp.where(product[..., :1] < 0, -product, product)


def _hamilton(first: Any, second: Any) -> Any:
    xp = _namespace(first)
    aw, ax, ay, az = (first[..., i] for i in range(4))
    bw, bx, by, bz = (second[..., i] for i in range(4))
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quaternion_invert(quaternion: Array) -> Array:
    """The inverse of a unit quaternion (..., 4)."""
    xp = _namespace(quaternion)
    return xp.concatenate([quaternion[..., :1], -quaternion[..., 1:]], axis=-1)


def quaternion_apply(quaternion: Array, points: Array) -> Array:
    """Turn points (..., 3) by unit quaternions (..., 4)."""
    _check(quaternion, (4,), "quaternion")
    _check(points, (3,), "points")
    xp = _namespace(quaternion)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    twice = 2 * xp.linalg.cross(imaginary, points)
    return points + real * twice + xp.linalg.cross(imaginary, twice)


def slerp(first: Array, second: Array, weight: Array, linear_above: float = 1.0) -> Array:
    """Spherical interpolation on the shorter arc.

    Args:
        first: (..., 4) unit quaternions, the result at weight 0.
        second: (..., 4) unit quaternions, the result at weight 1 (up to sign).
        weight: (...) or (..., 1) in 0..1.
        linear_above: cosine of half the angle between the two above which the result moves on the chord and
            is not renormalised; 0.99 gives the numbers of EDGE and of the models that took its quaternion
            code.

    Returns:
        (..., 4) unit quaternions.
    """
    _check(first, (4,), "quaternion")
    _check(second, (4,), "quaternion")
    xp = _namespace(first)
    if weight.ndim < first.ndim:
        weight = weight[..., None]
    cosine = _dot(first, second)
    second = xp.where(cosine < 0, -second, second)
    # The half-chords stay exact where arccos of the dot product loses half its digits.
    chord = second - first
    total = second + first
    near, far = _dot(chord, chord), _dot(total, total)
    small = near < _TINY
    angle = 2 * xp.arctan2(xp.sqrt(xp.where(small, xp.ones_like(near), near)), xp.sqrt(far))
    sine = xp.sin(angle)
    arc = (xp.sin((1 - weight) * angle) * first + xp.sin(weight * angle) * second) / sine
    line = first + weight * chord
    return xp.where(abs(cosine) > linear_above, line, _normalise(xp.where(small, line, arc)))


def global_rotations(local: Array, parents: Sequence[int]) -> Array:
    """Rotations of all joints in world axes.

    Args:
        local: (..., J, 3, 3) matrices relative to the parent.
        parents: parent of every joint, -1 for a root; parents precede their children.

    Returns:
        (..., J, 3, 3).
    """
    _check(local, (len(parents), 3, 3), "local rotations")
    world: list[Any] = []
    for joint, parent in enumerate(parents):
        matrix = local[..., joint, :, :]
        world.append(matrix if parent < 0 else world[parent] @ matrix)
    return _namespace(local).stack(world, axis=-3)


def forward_kinematics(rotation: Array, translation: Array, offsets: Array, parents: Sequence[int]) -> Array:
    """Joint positions: ``p_j = p_parent + R_parent offset_j``, the root at ``translation + offset_0``.

    Args:
        rotation: (..., J, 3) axis-angle or (..., J, 3, 3) matrices, relative to the parent; told apart by the
            number of axes beyond those of ``translation``.
        translation: (..., 3) root translation, metres.
        offsets: (J, 3), or (..., J, 3) for a body of its own per sample, metres.
        parents: parent of every joint, -1 for the root; parents precede their children.

    Returns:
        (..., J, 3) metres, in the axes of ``translation``.

    Raises:
        ConfigError: the shapes do not fit each other.
    """
    joints = len(parents)
    if rotation.ndim == translation.ndim + 1:
        _check(rotation, (joints, 3), "joint rotations")
        local = axis_angle_to_matrix(rotation)
    else:
        _check(rotation, (joints, 3, 3), "joint rotations")
        local = rotation
    _check(translation, (3,), "root translation")
    _check(offsets, (joints, 3), "rest offsets")
    world = global_rotations(local, parents)
    positions: list[Any] = []
    for joint, parent in enumerate(parents):
        offset = offsets[..., joint, :]
        if parent < 0:
            positions.append(translation + offset)
        else:
            positions.append(positions[parent] + (world[..., parent, :, :] @ offset[..., None])[..., 0])
    return _namespace(rotation).stack(positions, axis=-2)


_TO_Y = {"y": np.eye(3), "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])}


def up_axis_matrix(source: str, target: str) -> npt.NDArray[np.float64]:
    """(3, 3) rotation from coordinates with up axis ``source`` to ``target``, each ``"y"`` or ``"z"``."""
    for name in (source, target):
        if name not in _TO_Y:
            raise ConfigError(f"the up axis is 'y' or 'z', got {name!r}")
    matrix: npt.NDArray[np.float64] = _TO_Y[target].T @ _TO_Y[source]
    return matrix


def _turn(matrix: npt.NDArray[np.float64], like: Any) -> Any:
    xp = _namespace(like)
    if xp is np:
        return matrix.astype(like.dtype)
    return xp.as_tensor(matrix, dtype=like.dtype, device=like.device)


def facing(root: Array, up: str) -> Array:
    """(..., 3) unit horizontal direction the body faces (its +z in the rest pose), 0 if it faces straight up.

    Args:
        root: (..., 3) axis-angle of the root in world axes.
        up: up axis of these axes.
    """
    up_axis_matrix(up, "y")
    direction = axis_angle_to_matrix(root)[..., :, 2]
    horizontal = _turn(np.diag([1.0, 0, 1] if up == "y" else [1.0, 1, 0]), direction)
    return _normalise((horizontal @ direction[..., None])[..., 0])


def heading(root: Array, up: str) -> Array:
    """(...) radians the body is turned to its left; 0 faces +z (up ``"y"``) or -y (up ``"z"``).

    Args:
        root: (..., 3) axis-angle of the root in world axes.
        up: up axis of these axes.
    """
    xp = _namespace(root)
    direction = facing(root, up)
    ahead = direction[..., 2] if up == "y" else -direction[..., 1]
    return xp.arctan2(direction[..., 0], ahead)
