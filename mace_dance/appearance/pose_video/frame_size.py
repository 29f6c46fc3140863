"""Picture sizes: resize to an area, crop to a size.

``size`` is (width, height) px; pictures are (H, W, 3) uint8 RGB. Wan-Animate letterboxes the reference onto a canvas
of a given area (sides divisible by 16); the MACE-Dance release crops the centre instead.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.reference import content_box
from madata.errors import ConfigError, MadanceError

__all__ = ["centre_crop", "resize_by_area", "size_by_area"]

Image = npt.NDArray[np.uint8]


def size_by_area(size: tuple[int, int], area: int, divisor: int = 16) -> tuple[int, int]:
    """The size of about ``area`` px with the aspect ratio of ``size``, each side rounded down to ``divisor``.

    Raises:
        ConfigError: a side would become 0.
    """
    height = math.sqrt(area / (size[0] / size[1]))
    width = area / height
    rounded = int(width // divisor * divisor), int(height // divisor * divisor)
    if 0 in rounded:
        raise ConfigError(
            f"{size[0]}x{size[1]} cannot be brought to {area} px with sides divisible by {divisor}: "
            f"that gives {rounded[0]}x{rounded[1]}; ask for a larger area"
        )
    return rounded


def resize_by_area(image: Image, area: int, divisor: int = 16) -> Image:
    """The picture at about ``area`` px, letterboxed onto sides divisible by ``divisor``.

    Source: Wan2.2 ``resize_by_area``, whose search for an exact aspect ratio always fails, so that its fallback,
    rounding both sides down, is what it does.
    """
    import cv2

    _check(image)
    rows, columns = image.shape[:2]
    width, height = size_by_area((columns, rows), area, divisor)
    top, left, inner_rows, inner_columns = content_box((rows, columns), height, width)
    interpolation = cv2.INTER_AREA if width * height < columns * rows else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_rows, left : left + inner_columns] = cv2.resize(
        image, (inner_columns, inner_rows), interpolation=interpolation
    )
    return canvas


def centre_crop(image: Image, size: tuple[int, int]) -> Image:
    """The largest centred part of a picture with the aspect ratio of ``size``, resized (bicubic) to it."""
    from PIL import Image as Pillow

    _check(image)
    (width, height), (rows, columns) = size, image.shape[:2]
    if rows / columns < height / width:
        kept = max(int(rows / height * width), 1)
        left = (columns - kept) // 2
        part = image[:, left : left + kept]
    else:
        kept = max(int(columns / width * height), 1)
        top = (rows - kept) // 2
        part = image[top : top + kept]
    return np.asarray(Pillow.fromarray(part).resize((width, height), Pillow.Resampling.BICUBIC), np.uint8)


def _check(image: Image) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise MadanceError(f"expected an (H, W, 3) uint8 RGB picture, got {image.shape} {image.dtype}")
