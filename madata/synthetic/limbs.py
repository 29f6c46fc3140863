"""Two-bone limbs: joint rotations that put an arm or a leg where a choreography wants it.

A limb has an upper and a lower bone and a hinge between them. A bone's rotation is the one that takes its
rest direction and the hinge's rest axis to the wanted direction and hinge. Legend: T frames; matrices act on
columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["aim_limb", "aligning", "bend_to_reach", "turn"]

Array = npt.NDArray[np.float64]

_LONGEST = 0.9995


def turn(axis: str, angle: Array) -> Array:
    """Rotation matrices (T, 3, 3) by ``angle`` (T,) radians about one of the axes x, y, z."""
    c, s = np.cos(angle), np.sin(angle)
    zero, one = np.zeros_like(c), np.ones_like(c)
    rows = {
        "x": ((one, zero, zero), (zero, c, -s), (zero, s, c)),
        "y": ((c, zero, s), (zero, one, zero), (-s, zero, c)),
        "z": ((c, -s, zero), (s, c, zero), (zero, zero, one)),
    }[axis]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12))


def _basis(direction: Array, hinge: Array) -> Array:
    """(..., 3, 3) columns: direction, the part of ``hinge`` across it, and their cross product."""
    first = _unit(direction)
    second = _unit(hinge - first * (hinge * first).sum(-1, keepdims=True))
    return np.stack([first, second, np.cross(first, second)], -1)


def aligning(rest: Array, rest_hinge: Array, direction: Array, hinge: Array) -> Array:
    """(T, 3, 3) rotations from ``rest`` and ``rest_hinge`` (3,) to ``direction`` and ``hinge`` (T, 3)."""
    return np.asarray(_basis(direction, hinge) @ _basis(rest, rest_hinge).T)


def aim_limb(
    upper_rest: Array, lower_rest: Array, rest_hinge: Array, upper: Array, lower: Array, hinge: Array
) -> tuple[Array, Array]:
    """Rotations (T, 3, 3) of the upper and lower bone, in the frame of the given (T, 3) directions."""
    return aligning(upper_rest, rest_hinge, upper, hinge), aligning(lower_rest, rest_hinge, lower, hinge)


def bend_to_reach(
    root: Array, target: Array, hinge: Array, upper_m: float, lower_m: float
) -> tuple[Array, Array, Array]:
    """Bend a limb so that its end reaches ``target``.

    Two circles about root and target meet at the middle joint.

    Args:
        root: (T, 3) where the limb begins, metres.
        target: (T, 3) where it should end; out of reach, the limb points there fully stretched.
        hinge: (T, 3) axis about which the lower bone bends backwards, right-handed.
        upper_m: length of the upper bone.
        lower_m: length of the lower bone.

    Returns:
        Unit directions (T, 3) of the upper and the lower bone, and the hinge made square to both.
    """
    reach = target - root
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    straight = _unit(reach)
    across = _unit(hinge - straight * (hinge * straight).sum(-1, keepdims=True))
    span = np.clip(distance, abs(upper_m - lower_m) + 1e-6, _LONGEST * (upper_m + lower_m))
    cosine = np.clip((upper_m**2 + span**2 - lower_m**2) / (2 * upper_m * span), -1, 1)
    # The middle joint lies on the side from which the lower bone turns back about the hinge.
    outwards = np.cross(straight, across)
    upper = straight * cosine + outwards * np.sqrt(1 - cosine**2)
    lower = _unit(straight * span - upper * upper_m)
    return upper, lower, across
