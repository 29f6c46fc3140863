"""When a foot stands on the floor: the two rules of the literature, and where the floor is.

Feet are always four, in the order left ankle, right ankle, left toe, right toe (SMPL joints 7, 8, 10, 11).
Legend: T frames, J joints, ... leading axes.
"""

from __future__ import annotations

import numpy as np

from madata.errors import ConfigError
from madata.types import FloatArray

__all__ = ["FEET", "contacts_by_height", "contacts_by_speed", "floor_height_m"]

FEET = (7, 8, 10, 11)
_UP_COLUMN = {"y": 1, "z": 2}


def _feet_height(positions: FloatArray, up: str) -> FloatArray:
    if up not in _UP_COLUMN:
        raise ConfigError(f"the up axis is 'y' or 'z', got {up!r}")
    return positions[..., FEET, _UP_COLUMN[up]]


def contacts_by_speed(positions: FloatArray, threshold_m_per_frame: float = 0.01) -> FloatArray:
    """1 where a foot moves less than the threshold until the next frame (EDGE, MACE: 1 cm at 30 fps).

    Args:
        positions: (..., T, J, 3) metres, J >= 12 in SMPL order, either up axis.
        threshold_m_per_frame: metres per frame.

    Returns:
        (..., T, 4); the last frame has no next one and counts as contact, as upstream.
    """
    feet = positions[..., FEET, :]
    speed = np.zeros(feet.shape[:-1], np.float32)
    speed[..., :-1, :] = np.linalg.norm(np.diff(feet, axis=-3), axis=-1)
    return (speed < threshold_m_per_frame).astype(np.float32)


def contacts_by_height(
    positions: FloatArray, up: str = "y", ankle_m: float = 0.12, toe_m: float = 0.05, floor_m: float = 0.0
) -> FloatArray:
    """1 where a foot is close to the floor (LODGE: ankle below 12 cm, toe below 5 cm).

    Args:
        positions: (..., T, J, 3) metres, J >= 12 in SMPL order.
        up: up axis of ``positions``.
        ankle_m: height of the ankle joint below which the ankle counts.
        toe_m: same for the toe joint.
        floor_m: height of the floor, see :func:`floor_height_m`.

    Returns:
        (..., T, 4).
    """
    height = _feet_height(positions, up) - np.float32(floor_m)
    return (height < np.array([ankle_m, ankle_m, toe_m, toe_m], np.float32)).astype(np.float32)


def floor_height_m(positions: FloatArray, up: str = "y", rule: str = "low_percentile") -> float:
    """Height of the floor under a motion.

    Args:
        positions: (T, J, 3) metres, J >= 12 in SMPL order.
        up: up axis of ``positions``.
        rule: ``"low_percentile"``, the 5th percentile over time of the lower toe, which one bad frame does
            not move; or ``"first_frame"`` (LODGE): the toes of frame 0, their mean where they are within 2
            cm, else the lower.
    """
    toes = _feet_height(positions, up)[..., 2:].astype(np.float64)
    if rule == "low_percentile":
        return float(np.percentile(toes.min(-1), 5))
    if rule == "first_frame":
        left, right = toes[0]
        return float((left + right) / 2 if abs(left - right) < 0.02 else min(left, right))
    raise ConfigError(f"floor rule must be 'low_percentile' or 'first_frame', got {rule!r}")
