"""Peak signal-to-noise ratio of 8-bit pictures: 20 log10(255 / sqrt(mse)), in dB.

The mean is over all pixels and channels, of exact integer differences. Subtracting the bytes themselves wraps
around; scripts that did so reported 1 to 18 dB too much.
"""

from __future__ import annotations

import math

from evaluation.features.video.frames import UInt8Array

__all__ = ["SAME_PICTURE_DB", "psnr_db"]

SAME_PICTURE_DB = 100.0
"""What both published protocols give for a picture that equals its reference; the true value is infinite."""


def psnr_db(reference: UInt8Array, prediction: UInt8Array, same_below: float = 0.0) -> float:
    """PSNR of one picture.

    Args:
        reference, prediction: (H, W, 3) uint8.
        same_below: mean squared error, of pictures in 0..1, under which they count as the same.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((8, 8, 3), np.uint8)
        >>> psnr_db(black, black + 255), psnr_db(black, black)
        (0.0, 100.0)
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"pictures of one shape are compared, got {reference.shape} and {prediction.shape}")
    import cv2

    squares = cv2.norm(reference, prediction, cv2.NORM_L2SQR)
    error = float(squares) / reference.size / 255.0**2
    if error == 0.0 or error < same_below:
        return SAME_PICTURE_DB
    return 10.0 * math.log10(1.0 / error)
