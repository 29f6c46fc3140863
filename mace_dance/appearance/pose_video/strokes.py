"""Marks on a picture: limbs as thin ellipses, joints as discs, hands as lines. Pixels are set, never blended.

A point is shown when its coordinates are finite, within 32768 px, and its score reaches the threshold; so a joint
that an estimator could not place (NaN, as when a dancer turns away) leaves a gap and no error.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["FEET", "HAND_EDGES", "LIMBS", "PALETTE", "RAINBOW", "Colour", "dimmed", "draw_limb", "shown"]

Array = npt.NDArray[np.float64]
Canvas = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_FARTHEST_PX = 32768

PALETTE: tuple[Colour, ...] = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0),
    (0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255),
    (0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""OpenPose's colours: of limb k, and of joint k."""

LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of OpenPose's 18 joints that are joined, in the order they are drawn."""

FEET = ((13, 18), (10, 19))
"""Ankle and toes, left and right."""

HAND_EDGES = tuple((0 if k % 4 == 0 else k, k + 1) for k in range(20))
"""(parent, child) of the twenty lines of a hand."""

RAINBOW: tuple[Colour, ...] = tuple(
    (round(r * 255), round(g * 255), round(b * 255))
    for r, g, b in (colorsys.hsv_to_rgb(k / len(HAND_EDGES), 1.0, 1.0) for k in range(len(HAND_EDGES)))
)
"""Colours of the lines of a hand."""


def dimmed(colours: Sequence[Colour], brightness: float) -> tuple[Colour, ...]:
    """The colours times ``brightness``, rounded down."""
    share = np.float32(brightness)
    return tuple(tuple(int(np.float32(c) * share) for c in colour) for colour in colours)  # type: ignore[misc]


def shown(points: Array, min_score: float) -> npt.NDArray[np.bool_]:
    """(N,) which of the (N, 3) points are drawn."""
    usable = np.isfinite(points).all(-1) & (np.abs(np.nan_to_num(points[:, :2])) < _FARTHEST_PX).all(-1)
    return np.asarray(usable & (points[:, 2] >= min_score) & (points[:, 2] > 0))


def draw_limb(canvas: Canvas, start: Array, end: Array, width_px: int, colour: Colour) -> None:
    """A filled ellipse from ``start`` to ``end`` (x, y); ``width_px`` is its half width."""
    dx, dy = float(start[0] - end[0]), float(start[1] - end[1])
    outline = cv2.ellipse2Poly(
        (int((start[0] + end[0]) / 2), int((start[1] + end[1]) / 2)),
        (int(math.sqrt(dx * dx + dy * dy) / 2), width_px),
        int(math.degrees(math.atan2(dy, dx))),
        0,
        360,
        1,
    )
    cv2.fillConvexPoly(canvas, outline, colour)
