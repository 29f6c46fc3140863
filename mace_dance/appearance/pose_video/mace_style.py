"""The drawing style of the MACE-Dance release's motion-to-pose tool.

OpenPose's 18 points, feet as two limbs more, two hands; sizes in px whatever the size of the canvas. Limbs are
dimmed, joints drawn over them; coordinates are rounded to the nearest px.
Source: AMAP-ML/MACE-Dance ``motion_to_pose_video.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

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

__all__ = ["MaceStyle", "draw_mace"]

Array = npt.NDArray[np.float64]
Canvas = npt.NDArray[np.uint8]

_FEET_COLOURS: tuple[Colour, ...] = ((255, 0, 85), (185, 255, 0))
_HAND_DOT: Colour = (0, 0, 255)
_SHORTEST_PX = 1e-3


@dataclass(frozen=True)
class MaceStyle:
    """What is drawn, and how thick.

    Attributes:
        line_width: half width of limbs, px, at least 1.
        joint_radius: radius of joints, px; 0 draws none.
        hand_line_width: width of the lines of a hand, px, at least 1.
        hand_joint_radius: radius of the points of a hand, px; 0 draws none.
        limb_brightness: 0..1; what lies beyond counts as 0 or 1.
        antialias: drawn this many times larger, then averaged.
        hands: draw the hands.
        feet: draw the feet.
        min_score: points below are left out.
    """

    line_width: int = 4
    joint_radius: int = 4
    hand_line_width: int = 2
    hand_joint_radius: int = 4
    limb_brightness: float = 0.6
    antialias: int = 1
    hands: bool = True
    feet: bool = True
    min_score: float = 0.08


def draw_mace(
    body: npt.ArrayLike, hands: npt.ArrayLike, size: tuple[int, int], style: MaceStyle | None = None
) -> Canvas:
    """One frame of a pose video on black.

    Args:
        body: (20, 3) x px, y px, score; see :mod:`mace_dance.appearance.pose_video.points`.
        hands: (2, 21, 3) left and right hand.
        size: (width, height) px.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    style = style or MaceStyle()
    times = style.antialias
    larger = np.array([times, times, 1.0])
    canvas = np.zeros((size[1] * times, size[0] * times, 3), np.uint8)
    _draw_body(canvas, np.asarray(body, np.float64) * larger, style)
    if style.hands:
        for hand in np.asarray(hands, np.float64) * larger:
            _draw_hand(canvas, hand, style)
    if times > 1:
        canvas = np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)
    return canvas


def _draw_body(canvas: Canvas, body: Array, style: MaceStyle) -> None:
    limbs, limb_colours = list(LIMBS), list(PALETTE[: len(LIMBS)])
    joints = list(zip(range(18), PALETTE, strict=True))
    if style.feet:
        limbs += FEET
        limb_colours += _FEET_COLOURS
        joints += [
            (joint, colour) for foot, colour in zip(FEET, _FEET_COLOURS, strict=True) for joint in foot
        ]
    visible = shown(body, style.min_score)
    width_px = max(style.line_width * style.antialias, 1)
    radius_px = style.joint_radius * style.antialias
    brightness = min(max(style.limb_brightness, 0.0), 1.0)
    for (a, b), colour in zip(limbs, dimmed(limb_colours, brightness), strict=True):
        if visible[a] and visible[b] and np.hypot(*(body[a] - body[b])[:2]) >= _SHORTEST_PX:
            draw_limb(canvas, body[a], body[b], width_px, colour)
    if radius_px > 0:
        for joint, colour in joints:
            if visible[joint]:
                cv2.circle(canvas, _pixel(body[joint]), radius_px, colour, thickness=-1)


def _draw_hand(canvas: Canvas, hand: Array, style: MaceStyle) -> None:
    visible = shown(hand, style.min_score)
    if not visible.any():
        return
    places = [_pixel(point) if seen else (0, 0) for point, seen in zip(hand, visible, strict=True)]
    visible &= np.array(places).min(1) > 0
    width_px = max(style.hand_line_width * style.antialias, 1)
    radius_px = style.hand_joint_radius * style.antialias
    for (a, b), colour in zip(HAND_EDGES, RAINBOW, strict=True):
        if visible[a] and visible[b]:
            cv2.line(canvas, places[a], places[b], colour, thickness=width_px)
    if radius_px > 0:
        for point in np.flatnonzero(visible):
            cv2.circle(canvas, places[point], radius_px, _HAND_DOT, thickness=-1)


def _pixel(point: Array) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
