"""Points of the figure from the 24 SMPL joints: the body, a head, hands.

The camera is orthographic and faces the dancer: with z up, image x = x and image y = -z; y, the depth, is dropped.
SMPL has neither face nor fingers. The head is built on the head joint from the line neck -> head and the shoulder
width, a hand as a fan on the line wrist -> hand, or in the shape of a hand seen in a reference picture.
Source of the proportions: the motion-to-pose tool of the MACE-Dance release.

Legend: T frames; (x, y) with y down, in whatever unit comes in (metres before, px after the placement).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.skeletons import skeleton

__all__ = ["HandShape", "hand_shape", "project", "smpl_body", "smpl_hands"]

Array = npt.NDArray[np.float64]

_JOINTS = skeleton("smpl-24").joints
_FORWARD = np.array([1.0, 0.0])
_UPWARD = np.array([0.0, -1.0])

# Body points 1-13, 18 and 19 by their SMPL joints; the neck is the middle of the shoulders.
_LIMBS = (
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
)  # fmt: skip
_TOES = ("left_foot", "right_foot")

# Shares of the shoulder width.
_NOSE_UP, _EYE_ASIDE, _EYE_UP, _EAR_ASIDE = 0.10, 0.055, 0.018, 0.095
HEAD_WIDTH = 1.8 * 1.65
HEAD_HEIGHT = 1.8 * 1.15

# Fan: angle from the hand's axis in degrees and length as a share of the hand, thumb to little finger.
_FAN_DEGREES = np.array([-30.0, -14.0, 0.0, 14.0, 30.0])
_FAN_LENGTHS = np.array([0.70, 0.88, 0.96, 0.86, 0.70])
_PALM_SPREAD = 0.10 / 42.0
HAND_LENGTH = 0.55
# A hand joint nearer to the wrist than this share of the forearm gives no direction; the forearm then does.
_SHORT_HAND = 0.08

_FINGERTIPS = (4, 8, 12, 16, 20)
_MIDDLE_KNUCKLE = 9
_MIN_HAND_POINTS = 6


def project(joints: npt.ArrayLike) -> Array:
    """Orthographic front view.

    Args:
        joints: (..., 3) metres, z up.

    Returns:
        (..., 2) metres, y down.
    """
    points = np.asarray(joints, np.float64)
    return np.stack([points[..., 0], -points[..., 2]], axis=-1)


def _unit(vector: Array, fallback: Array) -> Array:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.where(length < 1e-6, fallback, vector / np.maximum(length, 1e-6))


def _joint(points: Array, name: str) -> Array:
    column: Array = points[..., _JOINTS.index(name), :]
    return column


def smpl_body(
    xy: npt.ArrayLike,
    score: npt.ArrayLike | None = None,
    *,
    head_width: float = HEAD_WIDTH,
    head_height: float = HEAD_HEIGHT,
) -> Array:
    """The 20 body points with a synthesised nose, eyes and ears.

    Args:
        xy: (..., 24, 2) projected SMPL joints, y down.
        score: (..., 24) score of the joints; ``None`` means all are there. A synthesised point takes the lowest
            score of shoulders and head.
        head_width: spread of eyes and ears, times their share of the shoulder width.
        head_height: the same for the height of nose and eyes over the head joint.

    Returns:
        (..., 20, 3) x, y, score.
    """
    points = np.asarray(xy, np.float64)
    shown = np.ones(points.shape[:-1]) if score is None else np.asarray(score, np.float64)
    marked = np.concatenate([points, shown[..., None]], axis=-1)
    left, right, top = (_joint(marked, name) for name in ("left_shoulder", "right_shoulder", "head"))
    across = left[..., :2] - right[..., :2]
    width = np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-4)
    neck = (left[..., :2] + right[..., :2]) / 2
    aside = _unit(across, _FORWARD) * width * head_width
    up = _unit(top[..., :2] - neck, _UPWARD) * width * head_height
    nose = top[..., :2] + _NOSE_UP * up
    head = [
        nose - _EYE_ASIDE * aside + _EYE_UP * up,
        nose + _EYE_ASIDE * aside + _EYE_UP * up,
        nose - _EAR_ASIDE * aside,
        nose + _EAR_ASIDE * aside,
    ]
    shoulders = np.minimum(left[..., 2:], right[..., 2:])
    seen = np.minimum(shoulders, top[..., 2:])
    body = [
        np.concatenate([nose, seen], -1),
        np.concatenate([neck, shoulders], -1),
        *(_joint(marked, name) for name in _LIMBS),
        *(np.concatenate([point, seen], -1) for point in head),
        *(_joint(marked, name) for name in _TOES),
    ]
    return np.stack(body, axis=-2)


@dataclass(frozen=True, eq=False)
class HandShape:
    """A hand in its own axes.

    Attributes:
        local: (21, 2) along and across the line from wrist to fingertips, in lengths of that line.
        score: (21,) score of the points it was taken from.
    """

    local: Array
    score: Array


def hand_shape(hand: npt.ArrayLike, min_score: float = 0.08) -> HandShape | None:
    """The shape of a hand seen in a picture; ``None`` when its root or too many of its points were not found.

    Args:
        hand: (21, 3) x px, y px, score.
        min_score: points below are not used.
    """
    points = np.asarray(hand, np.float64)
    found = points[:, 2] >= min_score
    if found.sum() < _MIN_HAND_POINTS or not found[0]:
        return None
    wrist = points[0, :2]
    tips = [tip for tip in _FINGERTIPS if found[tip]]
    axis = (points[tips, :2].mean(0) if tips else points[_MIDDLE_KNUCKLE, :2]) - wrist
    length = float(np.linalg.norm(axis))
    if length < 1e-4:
        length = max(float(np.linalg.norm(np.ptp(points[found, :2], axis=0))) / 2, 1.0)
        axis = _FORWARD
    axis = _unit(axis, _FORWARD)
    offsets = points[:, :2] - wrist
    local = np.stack([offsets @ axis, offsets @ np.array([-axis[1], axis[0]])], axis=1) / length
    return HandShape(local, points[:, 2].copy())


def smpl_hands(
    xy: npt.ArrayLike,
    shapes: tuple[HandShape | None, HandShape | None] = (None, None),
    *,
    hand_length: float = HAND_LENGTH,
) -> Array:
    """Left and right hand on the wrists.

    Args:
        xy: (T, 24, 2) px, projected SMPL joints, y down.
        shapes: shape of the left and of the right hand; ``None`` draws a fan.
        hand_length: length of a hand as a share of the forearm.

    Returns:
        (T, 2, 21, 3) x px, y px, score (1 for a fan).
    """
    points = np.asarray(xy, np.float64)
    return np.stack(
        [
            _hand(points, "left", 1.0, shapes[0], hand_length),
            _hand(points, "right", -1.0, shapes[1], hand_length),
        ],
        axis=1,
    )


def _hand(points: Array, side: str, sign: float, shape: HandShape | None, hand_length: float) -> Array:
    wrist, elbow, hand = (_joint(points, f"{side}_{part}") for part in ("wrist", "elbow", "hand"))
    forearm = np.maximum(np.linalg.norm(wrist - elbow, axis=-1, keepdims=True), 1.0)
    forward = hand - wrist
    short = np.linalg.norm(forward, axis=-1, keepdims=True) < _SHORT_HAND * forearm
    forward = _unit(np.where(short, wrist - elbow, forward), _FORWARD)
    across = np.stack([-forward[:, 1], forward[:, 0]], axis=-1)
    length = (forearm * hand_length)[:, None]
    wrist, forward, across = wrist[:, None], forward[:, None], across[:, None]
    if shape is not None:
        xy = wrist + length * (shape.local[:, :1] * forward + shape.local[:, 1:] * across)
        score = np.broadcast_to(shape.score[:, None], (*xy.shape[:-1], 1))
        return np.concatenate([xy, score], axis=-1)
    across = across * sign
    radians = np.deg2rad(_FAN_DEGREES)[:, None]
    direction = np.cos(radians) * forward + np.sin(radians) * across
    start = wrist + across * length * _PALM_SPREAD * _FAN_DEGREES[:, None]
    phalanx = length * _FAN_LENGTHS[:, None] / 4
    steps = np.arange(1, 5)[:, None]
    fingers = start[:, :, None] + (direction * phalanx)[:, :, None] * steps
    xy = np.concatenate([wrist, fingers.reshape(len(points), 20, 2)], axis=1)
    return np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1)
