"""Body masks for replacing a person in a video: grown, then made blocky so that they do not tell the silhouette.

Masks are (H, W) uint8, 0 or 1. Source: Wan2.2 animate preprocessing (dilation 7, 3 iterations).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, MadanceError

__all__ = ["dilate", "fill_grid"]

Mask = npt.NDArray[np.uint8]


def dilate(mask: Mask, kernel_px: int = 7, iterations: int = 3) -> Mask:
    """The mask grown by a square of ``kernel_px``, ``iterations`` times."""
    import cv2

    _check(mask)
    if kernel_px < 1 or iterations < 0:
        raise ConfigError(f"expected a kernel >= 1 px and iterations >= 0, got {kernel_px} and {iterations}")
    grown = cv2.dilate(mask, np.ones((kernel_px, kernel_px), np.uint8), iterations=iterations)
    return np.asarray(grown, np.uint8)


def fill_grid(mask: Mask, columns: int = 10, rows: int = 20) -> Mask:
    """Every cell of a grid over the mask's box filled when the mask touches it.

    The box is cut into about ``columns`` x ``rows`` cells; its last column and row of px stay as they are. An
    empty mask stays empty.
    """
    _check(mask)
    if columns < 1 or rows < 1:
        raise ConfigError(f"a grid needs at least one column and row, got {columns} x {rows}")
    filled = mask.copy()
    y, x = np.nonzero(mask)
    if len(y) == 0:
        return filled
    left, right, top, bottom = int(x.min()), int(x.max()), int(y.min()), int(y.max())
    width, height = max((right - left) // columns, 1), max((bottom - top) // rows, 1)
    for start_x in range(left, right, width):
        for start_y in range(top, bottom, height):
            cell = filled[start_y : min(start_y + height, bottom), start_x : min(start_x + width, right)]
            if cell.any():
                cell[:] = 1
    return filled


def _check(mask: Mask) -> None:
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise MadanceError(f"expected an (H, W) uint8 mask, got {mask.shape} {mask.dtype}")
