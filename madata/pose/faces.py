"""The 68 points of a face that a body network has placed roughly.

``face_detection_short_range.tflite`` sees a square of three times the head (128 px) and finds eyes, nose, mouth and
ears in it; ``face_landmark.tflite`` places 468 points in the square that these say (192 px), and says how surely there
is a face. 68 of them are iBUG's, the order of COCO-WholeBody. Squares are those of MediaPipe 0.10's holistic graph; see
Bazarevsky et al., "BlazeFace" (2019), and Kartynnik et al., "Real-time Facial Surface Geometry" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.pose import crops, ssd
from madata.pose.base import Image
from madata.pose.crops import Square
from madata.pose.lite import LiteNetwork
from madata.types import FloatArray

__all__ = ["IBUG_68", "Face", "FaceNetworks"]

NUM_POINTS = 468
IBUG_68 = (
    127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Of the 468 points, the nearest to each of iBUG's 68."""

_CROP_PX = 192
_DETECTED = ssd.Grid(128, ((8, 2), (16, 6)))
_MIN_DETECTION = 0.5
_EYES = [2, 3]  # right and left, after the two corners of the box

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        mesh: (468, 2) px of the picture.
        score: 0..1, how surely there is a face.
    """

    mesh: FloatArray
    score: float

    @property
    def xy(self) -> FloatArray:
        """(68, 2) px, iBUG's points."""
        return self.mesh[list(IBUG_68)]


class FaceNetworks:
    """The two networks."""

    def __init__(self, detector: Path, landmarks: Path) -> None:
        """Load them.

        Raises:
            MissingDependencyError: ``ai-edge-litert`` is not installed.
        """
        self._detector, self._landmarks = LiteNetwork(detector), LiteNetwork(landmarks)

    def find(self, image: Image, head: FloatArray, eyes: FloatArray, min_score: float) -> Face | None:
        """The face of a head, ``None`` where none is seen.

        Args:
            head: (K, 2) px, points of the head as the body network places them.
            eyes: (2, 2) px, the right and the left of them.
            min_score: below it there is no face.
        """
        rough = _square(head.astype(np.float64), eyes.astype(np.float64), 3.0)
        found = self._detected(image, rough)
        if found is None:
            return None
        square = _square(found[2:], found[_EYES], 2.0, raised=0.1)
        matrix = crops.rotated_square(*square, _CROP_PX)
        crop = crops.warp(image, matrix, (_CROP_PX, _CROP_PX))
        mesh, logit = self._landmarks(crop[None].astype(np.float32) / 255.0)
        score = float(1.0 / (1.0 + np.exp(-np.clip(logit.item(), -80.0, 80.0))))
        if score < min_score:
            return None
        return Face(crops.apply(crops.invert(matrix), mesh.reshape(NUM_POINTS, 3)[:, :2]), score)

    def _detected(self, image: Image, square: Square) -> Doubles | None:
        """Box corners, eyes, nose, mouth and ears (8, 2) px of the surest face in a square."""
        matrix = crops.rotated_square(*square, _DETECTED.side)
        crop = crops.warp(image, matrix, (_DETECTED.side, _DETECTED.side))
        outputs = self._detector(crop[None].astype(np.float32) / 127.5 - 1.0)
        logits, raw = sorted(outputs, key=lambda output: output.shape[-1])
        found, _ = ssd.suppress(*ssd.decode_boxes(raw[0], logits[0], _MIN_DETECTION, _DETECTED))
        if len(found) == 0:
            return None
        return crops.apply(crops.invert(matrix), found[0]).astype(np.float64)


def _square(points: Doubles, eyes: Doubles, scale: float, raised: float = 0.0) -> Square:
    """The square of ``scale`` times the box of some points, level with the eyes."""
    across = eyes[1] - eyes[0]
    up = np.array([across[1], -across[0]])
    unit = up / max(float(np.linalg.norm(up)), 1e-6)
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = high - low
    return Square(
        (low + high) / 2.0 + raised * height * unit, unit, max(scale * float(max(width, height)), 1.0)
    )
