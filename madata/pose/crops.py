"""Cutting a person out of a picture for a keypoint network, and carrying its answer back.

An affine map is a (2, 3) matrix from picture px to crop px, both measured from the corner (see
:mod:`madata.pose.base`). Pictures are thinned out by area before a strong reduction, so that fine patterns
do not alias.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madata.pose.base import Image
from madata.types import FloatArray

__all__ = ["Affine", "Square", "apply", "box_crop", "invert", "rotated_square", "shrink", "warp"]

Affine = npt.NDArray[np.float64]


class Square(NamedTuple):
    """A turned square of a picture: its centre (2,) px, what lies at its top (2,), and its side in px."""

    centre: npt.NDArray[np.float64]
    up: npt.NDArray[np.float64]
    side: float


def rotated_square(centre: npt.ArrayLike, up: npt.ArrayLike, side: float, crop_px: int) -> Affine:
    """Map a square of ``side`` px round ``centre``, with ``up`` at its top, to ``crop_px`` px.

    Args:
        centre, up: (2,) px; ``up`` need not be a unit vector, a zero vector means upright.
    """
    direction = np.asarray(up, np.float64)
    length = float(np.hypot(*direction))
    cos, sin = (-direction[1] / length, direction[0] / length) if length > 0 else (1.0, 0.0)
    linear = crop_px / side * np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([linear, crop_px / 2.0 - linear @ np.asarray(centre, np.float64)])


def box_crop(box: npt.ArrayLike, crop_size: tuple[int, int], padding: float) -> Affine:
    """Map a box to an upright crop of ``crop_size`` (width, height), as ViTPose is trained.

    The box ``x0, y0, x1, y1`` px grows about its centre to the shape of the crop, then by ``padding``.
    "Unbiased data processing" (Huang et al., CVPR 2020): the edges of the grown box fall on the centres of
    the first and last px of the crop, not on its edges.
    """
    low, high = np.asarray(box, np.float64).reshape(2, 2)
    crop = np.array(crop_size, np.float64)
    size = crop * max(float(((high - low) / crop).max()), 1e-6) * padding
    scale = (crop - 1.0) / size
    return np.column_stack([np.diag(scale), 0.5 - scale * ((low + high - size) / 2.0)])


def invert(matrix: Affine) -> Affine:
    """The map back from crop px to picture px."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def apply(matrix: Affine, points: npt.ArrayLike) -> FloatArray:
    """Map points (..., 2)."""
    mapped = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return mapped.astype(np.float32)


def warp(image: Image, matrix: Affine, crop_size: tuple[int, int]) -> Image:
    """Sample the crop of ``crop_size`` (width, height) px; black beyond the edge of the picture."""
    import cv2

    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    linear, offset = matrix[:, :2], matrix[:, 2]
    if scale < 0.5:
        height, width = image.shape[:2]
        image = shrink(image, (max(1, round(width * 2 * scale)), max(1, round(height * 2 * scale))))
        linear = linear @ np.diag([width / image.shape[1], height / image.shape[0]])
    centres = np.column_stack([linear, offset + linear @ [0.5, 0.5] - 0.5])
    return np.asarray(cv2.warpAffine(image, centres, crop_size, flags=cv2.INTER_LINEAR), np.uint8)


def shrink(image: Image, size: tuple[int, int]) -> Image:
    """Resize to ``size`` (width, height) px, by area when that is smaller, bilinearly when larger."""
    import cv2

    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR), np.uint8
    )
