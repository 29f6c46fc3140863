"""The drawing style Wan-Animate was trained on.

20 body points, limbs at 60 % brightness and joints at full brightness over them, two hands; 2 px half width at
720 px, half of that for the hands; nothing below score 0.5. The face is not drawn: it has its own control video.
Coordinates are rounded towards zero. Source: Wan2.2 animate preprocessing, ``draw_aapose_by_meta_new``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.strokes import (
    FEET,
    HAND_EDGES,
    LIMBS,
    PALETTE,
    RAINBOW,
    Colour,
    dimmed,
    draw_limb,
    shown,
)

__all__ = ["WanStyle", "draw_wan"]

Array = npt.NDArray[np.float64]
Canvas = npt.NDArray[np.uint8]

_LIMBS = (*LIMBS, *FEET)
_JOINT_COLOURS: tuple[Colour, ...] = (*PALETTE, (200, 200, 0), (100, 100, 0))
_LIMB_COLOURS = dimmed(_JOINT_COLOURS, 0.6)
_HEAD = [0, 14, 15, 16, 17]
_HAND_DOT: Colour = (0, 0, 255)


@dataclass(frozen=True)
class WanStyle:
    """What is drawn, and how thick.

    Attributes:
        stick: ``v2``, what the released network was trained on, or the thicker ``v1``.
        hands: draw the hands.
        head: draw nose, eyes and ears.
        min_score: points below are left out.
    """

    stick: Literal["v1", "v2"] = "v2"
    hands: bool = True
    head: bool = True
    min_score: float = 0.5

    def widths_px(self, size: tuple[int, int]) -> tuple[int, int]:
        """Half width of limbs and radius of joints; the same for hands."""
        thick = max(min(size) // 200, 1)
        if self.stick == "v1":
            return thick, thick
        thin = max(min(size) // 200 - 1, 1)
        return thin, max(thin // 2, 1)


def draw_wan(
    body: npt.ArrayLike, hands: npt.ArrayLike, size: tuple[int, int], style: WanStyle | None = None
) -> Canvas:
    """One frame of a pose video on black.

    Args:
        body: (20, 3) x px, y px, score; see :mod:`mace_dance.appearance.pose_video.points`.
        hands: (2, 21, 3) left and right hand.
        size: (width, height) px.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    style = style or WanStyle()
    points = np.asarray(body, np.float64)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    width_px, hand_px = style.widths_px(size)
    visible = shown(points, style.min_score)
    if not style.head:
        visible[_HEAD] = False
    for (a, b), colour in zip(_LIMBS, _LIMB_COLOURS, strict=False):
        if visible[a] and visible[b]:
            draw_limb(canvas, points[a], points[b], width_px, colour)
    for joint in np.flatnonzero(visible):
        x, y = int(points[joint, 0]), int(points[joint, 1])
        cv2.circle(canvas, (x, y), width_px, _JOINT_COLOURS[joint], thickness=-1)
    if style.hands:
        for hand in np.asarray(hands, np.float64):
            _draw_hand(canvas, hand, hand_px, style.min_score)
    return canvas


def _draw_hand(canvas: Canvas, hand: Array, width_px: int, min_score: float) -> None:
    visible = shown(hand, min_score)
    if not visible.any():
        return
    pixels = np.where(visible[:, None], hand[:, :2], 0).astype(np.int64)
    # Points in the first row or column are left out, as upstream takes them for missing.
    visible &= (pixels > 0).all(1)
    places = [(x, y) for x, y in pixels.tolist()]
    for (a, b), colour in zip(HAND_EDGES, RAINBOW, strict=True):
        if visible[a] and visible[b]:
            cv2.line(canvas, places[a], places[b], colour, thickness=width_px)
    for point in np.flatnonzero(visible):
        cv2.circle(canvas, places[point], width_px, _HAND_DOT, thickness=-1)
