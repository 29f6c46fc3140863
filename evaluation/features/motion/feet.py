"""Feet: do they slide on the ground (FSR), does the body accelerate without contact (PFC)?

Published: LODGE's foot skating ratio and EDGE's physical foot contact score, with their habits
(:func:`lodge_skating`, :func:`edge_contact_score`). Corrected: :func:`foot_sliding` takes the horizontal
speed whatever the heading and a floor from all frames; :func:`foot_contact_cost` has units and no division by
the maximum of the clip.

Legend: T frames, J joints (SMPL order: ankles 7 and 8, toes 10 and 11). Metres, y up unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

__all__ = ["FootContact", "edge_contact_score", "foot_contact_cost", "foot_sliding", "lodge_skating"]

Array = npt.NDArray[np.floating[Any]]

_ANKLES, _TOES = (7, 8), (10, 11)
_ANKLE_HEIGHT_M, _TOE_HEIGHT_M = 0.08, 0.05


def lodge_skating(joints: Array) -> tuple[float, float]:
    """LODGE's foot skating ratio of one clip, left and right.

    The floor is where the toes are in frame 0 (their mean if they are within 2 cm, else the lower). A foot is
    in contact when its ankle is at most 8 cm and its toe at most 5 cm above it, and slides when
    ``|dx + dz| / 2`` of ankle or toe exceeds 1 cm per frame.

    Args:
        joints: (T, J >= 12, 3) metres, y up.

    Returns:
        Sliding contact frames over contact frames, NaN for a foot that never touches the ground.

    Example:
        >>> still = np.zeros((10, 24, 3), np.float32)
        >>> drift = still + np.arange(10, dtype=np.float32)[:, None, None] * np.float32([0.05, 0, 0])
        >>> lodge_skating(still), lodge_skating(drift)
        ((0.0, 0.0), (0.9, 0.9))
    """
    heights = [joints[0, toe, 1] for toe in _TOES]
    level = abs(heights[0] - heights[1]) < 0.02
    lift = np.zeros(3, joints.dtype)
    lift[1] = -((heights[0] + heights[1]) / 2 if level else min(heights))
    feet = joints[:, [*_ANKLES, *_TOES]] + lift
    moved = np.zeros_like(feet[..., 0])
    step = feet[1:] - feet[:-1]
    moved[:-1] = np.abs((step[..., 0] + step[..., 2]) / 2)
    ratios = []
    for side in (0, 1):
        contact = (feet[:, side, 1] <= _ANKLE_HEIGHT_M) & (feet[:, side + 2, 1] <= _TOE_HEIGHT_M)
        slides = contact & ((moved[:, side] > 0.01) | (moved[:, side + 2] > 0.01))
        ratios.append(float(slides.sum() / contact.sum()) if contact.any() else float("nan"))
    return ratios[0], ratios[1]


def edge_contact_score(joints: Array, up: int = 2) -> float:
    """EDGE's physical foot contact score of one clip, already multiplied by 10 000.

    Mean over frames of the acceleration of the root (upwards part only if positive), divided by its maximum
    over the clip, times the smaller horizontal step of ankle and toe of the left foot, times that of the
    right. Always 30 frames per second.

    Args:
        joints: (T >= 3, J >= 12, 3).
        up: coordinate taken to point up.

    Returns:
        The score, NaN when the root never accelerates.
    """
    seconds = 1.0 / 30.0
    flat = [axis for axis in range(3) if axis != up]
    root = np.diff(joints[:, 0], axis=0) / seconds
    acceleration = np.diff(root, axis=0) / seconds
    acceleration[:, up] = np.maximum(acceleration[:, up], 0)
    size = np.linalg.norm(acceleration, axis=-1)
    feet = joints[:, [_ANKLES[0], _TOES[0], _ANKLES[1], _TOES[1]]][..., flat]
    steps = np.linalg.norm(feet[2:] - feet[1:-1], axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        share = size / size.max()
    return float(
        (np.minimum(steps[:, 0], steps[:, 1]) * np.minimum(steps[:, 2], steps[:, 3]) * share).mean() * 10_000
    )


@dataclass(frozen=True)
class FootContact:
    """Sliding of one clip.

    Attributes:
        ratio: sliding contact frames over contact frames of both feet; NaN without contact.
        contact_frames: contact frames of both feet.
        floor_m: height of the floor.
        slip_m_s: metres that feet in contact slide in a second of contact; NaN without contact.
    """

    ratio: float
    contact_frames: int
    floor_m: float
    slip_m_s: float


def foot_sliding(
    joints: Array,
    fps: float,
    *,
    floor_m: float | None = None,
    max_speed_m_s: float = 0.3,
    percentile: float = 5.0,
) -> FootContact:
    """Foot sliding ratio from the horizontal speed, the same in every heading and at every frame rate.

    A foot is in contact when its ankle is at most 8 cm and its toe at most 5 cm above the floor, and slides
    when ankle or toe is faster than ``max_speed_m_s`` (0.3 m/s is LODGE's centimetre per frame at 30 frames
    per second). Speeds span about 1/30 s.

    Args:
        joints: (T, J >= 12, 3) metres, y up, SMPL order.
        floor_m: height of the floor if known; otherwise this ``percentile`` of the height of the lower toe.

    Raises:
        ValueError: the clip is too short or holds values that are not finite.

    Example:
        >>> drift = np.zeros((10, 24, 3)) + np.arange(10)[:, None, None] * np.array([0.05, 0, -0.05])
        >>> found = foot_sliding(drift, fps=30)
        >>> found.ratio, found.contact_frames, found.floor_m, round(found.slip_m_s, 3)
        (1.0, 18, 0.0, 2.121)
    """
    span = max(1, round(fps / 30.0))
    if len(joints) <= span or not np.isfinite(joints).all():
        raise ValueError(f"expected more than {span} finite frames, got {joints.shape}")
    track = joints.astype(np.float64)
    if floor_m is None:
        floor_m = float(np.percentile(track[:, list(_TOES), 1].min(axis=1), percentile))
    feet = track[:, [*_ANKLES, *_TOES]]
    speed = np.linalg.norm((feet[span:] - feet[:-span])[..., [0, 2]], axis=-1) * fps / span
    height = np.maximum(feet[span:], feet[:-span])[..., 1] - floor_m
    contact = (height[:, :2] <= _ANKLE_HEIGHT_M) & (height[:, 2:] <= _TOE_HEIGHT_M)
    faster, slower = np.maximum(speed[:, :2], speed[:, 2:]), np.minimum(speed[:, :2], speed[:, 2:])
    frames = int(contact.sum())
    if not frames:
        return FootContact(float("nan"), 0, floor_m, float("nan"))
    slides = contact & (faster > max_speed_m_s)
    return FootContact(float(slides.sum() / frames), frames, floor_m, float(slower[contact].mean()))


GRAVITY_M_S2 = 9.81
_SMOOTHING_S = 0.05


def foot_contact_cost(joints: Array, fps: float) -> float:
    """Physical foot contact in units, m^2/s^2: mean of root acceleration / g x left x right foot speed.

    Speeds are horizontal, of the slower of ankle and toe; the upward part of the acceleration counts only if
    positive. Positions are smoothed over 50 ms. Nothing is divided by a maximum, so one bad frame makes the
    value worse, never better, and a still clip costs 0.

    Args:
        joints: (T >= 3, J >= 12, 3) metres, y up, SMPL order.

    Raises:
        ValueError: fewer than three frames or values that are not finite.

    Example:
        >>> foot_contact_cost(np.zeros((10, 24, 3)), fps=30)
        0.0
    """
    if len(joints) < 3 or not np.isfinite(joints).all():
        raise ValueError(f"expected at least three finite frames, got {joints.shape}")
    wanted = [0, _ANKLES[0], _TOES[0], _ANKLES[1], _TOES[1]]
    track = gaussian_filter1d(
        joints[:, wanted].astype(np.float64), _SMOOTHING_S * fps, axis=0, mode="nearest"
    )
    acceleration = np.diff(track[:, 0], n=2, axis=0) * fps**2
    acceleration[:, 1] = np.maximum(acceleration[:, 1], 0.0)
    speed = np.linalg.norm((track[2:, 1:] - track[:-2, 1:])[..., [0, 2]], axis=-1) * fps / 2
    left, right = speed[:, :2].min(axis=1), speed[:, 2:].min(axis=1)
    return float((np.linalg.norm(acceleration, axis=-1) / GRAVITY_M_S2 * left * right).mean())
