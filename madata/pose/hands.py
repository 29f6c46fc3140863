"""The 21 points of a hand whose wrist, index and little finger a body network has placed.

``hand_recrop.tflite`` sees a rough square (256 px) and says where the hand lies in it and how it is turned;
``hand_landmark_full.tflite`` places 21 points in that square (224 px), says how surely there is a hand, and how surely
it is a right one. Where it is not sure, the square round its own points is looked at, and where that does not help the
palms that ``palm_detection_full.tflite`` (192 px) finds about the wrist. Squares are those of MediaPipe 0.10's holistic
and hand graphs; see Zhang et al., "MediaPipe Hands" (2020).

Order of the points: the root at the wrist, then four of each finger from the thumb on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.pose import crops, ssd
from madata.pose.base import Image
from madata.pose.crops import Square
from madata.pose.lite import LiteNetwork
from madata.types import FloatArray

__all__ = ["Hand", "HandNetworks"]

NUM_POINTS = 21
_RECROP_PX, _CROP_PX = 256, 224
_PALMS = ssd.Grid(192, ((8, 2), (16, 6)))
_MIN_PALM = 0.5
_PALM_REACH = 1.0
"""How far a palm may lie from the wrist, in lengths of the hand."""
_PALM_SIDE = 4.0
"""Side of the square palms are looked for in, in the same."""

_ROOT, _MIDDLE_TIP = 0, 12
_INDEX_PIP, _MIDDLE_PIP, _RING_PIP = 6, 10, 14
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
"""Points that stay where they are when fingers bend."""
_PALM_WRIST, _PALM_MIDDLE = 2, 4  # after the two corners of the box

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hand:
    """One hand.

    Attributes:
        xy: (21, 2) px of the picture.
        score: 0..1, how surely there is a hand.
        right: 0..1, how surely it is a right one.
    """

    xy: FloatArray
    score: float
    right: float

    @property
    def length(self) -> float:
        """From the root to the tip of the middle finger, px."""
        return float(np.linalg.norm(self.xy[_MIDDLE_TIP] - self.xy[_ROOT]))


class HandNetworks:
    """The three networks."""

    def __init__(self, recrop: Path, landmarks: Path, palms: Path) -> None:
        """Load them.

        Raises:
            MissingDependencyError: ``ai-edge-litert`` is not installed.
        """
        self._recrop, self._landmarks, self._palms = map(LiteNetwork, (recrop, landmarks, palms))

    def find(self, image: Image, placed: FloatArray, reach: float, min_score: float) -> Hand | None:
        """The hand at a wrist, ``None`` where none is seen.

        Args:
            placed: (3, 2) px, the wrist and the knuckles of index and little finger.
            reach: px; a hand whose root is farther from the wrist belongs to another, or is none.
            min_score: below it there is no hand.
        """
        for square in self._squares(image, placed.astype(np.float64)):
            hand = self._look(image, square)
            if hand.score >= min_score and np.linalg.norm(hand.xy[_ROOT] - placed[0]) <= reach:
                return hand
        return None

    def _squares(self, image: Image, placed: Doubles) -> Iterator[Square]:
        """Where to look, the likeliest first."""
        wrist, index, pinky = placed
        middle = (2.0 * index + pinky) / 3.0
        length = 2.0 * float(np.linalg.norm(middle - wrist))
        if not length > 0:
            return
        rough = _raised(middle, middle - wrist, length, 0.1, 2.7)
        turned = self._turned(image, rough)
        yield turned
        yield _square_of(self._look(image, turned).xy.astype(np.float64))
        yield from self._palms_near(image, wrist, length)

    def _turned(self, image: Image, rough: Square) -> Square:
        """The square of the hand in a rough one."""
        matrix = crops.rotated_square(*rough, _RECROP_PX)
        centre, below = crops.apply(
            crops.invert(matrix), self._seen(self._recrop, image, matrix, _RECROP_PX)[0].reshape(2, 2)
        )
        up = (centre - below).astype(np.float64)
        side = max(2.0 * float(np.linalg.norm(up)), 1.0)
        return _raised(centre.astype(np.float64), up, side, 0.1, 1.0)

    def _look(self, image: Image, square: Square) -> Hand:
        matrix = crops.rotated_square(*square, _CROP_PX)
        points, score, right, _ = self._seen(self._landmarks, image, matrix, _CROP_PX)
        xy = crops.apply(crops.invert(matrix), points.reshape(NUM_POINTS, 3)[:, :2])
        return Hand(xy, float(score.item()), float(right.item()))

    def _palms_near(self, image: Image, wrist: Doubles, length: float) -> Iterator[Square]:
        """The hands of the palms about a wrist, the surest first."""
        matrix = crops.rotated_square(wrist, (0.0, -1.0), _PALM_SIDE * length, _PALMS.side)
        outputs = self._seen(self._palms, image, matrix, _PALMS.side)
        logits, raw = sorted(outputs, key=lambda output: output.shape[-1])
        found, _ = ssd.suppress(*ssd.decode_boxes(raw[0], logits[0], _MIN_PALM, _PALMS))
        for points in crops.apply(crops.invert(matrix), found).astype(np.float64):
            root, knuckle = points[_PALM_WRIST], points[_PALM_MIDDLE]
            if np.linalg.norm(root - wrist) <= _PALM_REACH * length:
                side = float(np.ptp(points[:2], axis=0).max())
                yield _raised(points[:2].mean(axis=0), knuckle - root, side, 0.5, 2.6)

    @staticmethod
    def _seen(network: LiteNetwork, image: Image, matrix: crops.Affine, side: int) -> list[FloatArray]:
        return network(crops.warp(image, matrix, (side, side))[None].astype(np.float32) / 255.0)


def _raised(centre: Doubles, up: Doubles, size: float, share: float, scale: float) -> Square:
    """A square of ``scale * size`` px, its centre ``share * size`` px above ``centre``."""
    unit = up / max(float(np.linalg.norm(up)), 1e-6)
    return Square(centre + share * size * unit, unit, max(scale * size, 1.0))


def _square_of(xy: Doubles) -> Square:
    """The square round a hand's own points (21, 2)."""
    up = (xy[_INDEX_PIP] + xy[_RING_PIP] + 2.0 * xy[_MIDDLE_PIP]) / 4.0 - xy[_ROOT]
    unit = up / max(float(np.linalg.norm(up)), 1e-6)
    axes = np.stack([np.array([-unit[1], unit[0]]), unit])
    steady = xy[_STEADY] @ axes.T
    low, high = steady.min(axis=0), steady.max(axis=0)
    return _raised((low + high) / 2.0 @ axes, unit, float((high - low).max()), 0.1, 2.0)
