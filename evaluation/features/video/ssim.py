"""Structural similarity (Wang et al. 2004), in the two variants that are published for this task.

``grey_uniform``: grey pictures, uniform 7 x 7 windows, sample covariance (DisCo). ``colour_gaussian``: each
channel, Gaussian 11 x 11 windows of sigma 1.5, population covariance, the original paper's weights (cmvq).
They differ by up to 0.15 on the same pictures. Both are scikit-image's, borders left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from evaluation.features.video.frames import UInt8Array

__all__ = ["SsimVariant", "ssim"]

SsimVariant = Literal["grey_uniform", "colour_gaussian"]

_SMALLEST_SIDE: dict[SsimVariant, int] = {"grey_uniform": 7, "colour_gaussian": 11}


def ssim(reference: UInt8Array, prediction: UInt8Array, variant: SsimVariant) -> float:
    """SSIM of one picture, -1..1.

    Args:
        reference, prediction: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: the shapes differ, or a side is smaller than the window.

    Example:
        >>> import numpy as np
        >>> picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        >>> ssim(picture, picture, "grey_uniform")
        1.0
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"pictures of one shape are compared, got {reference.shape} and {prediction.shape}")
    if min(reference.shape[:2]) < _SMALLEST_SIDE[variant]:
        raise ValueError(f"{variant} needs sides of {_SMALLEST_SIDE[variant]} px, got {reference.shape[:2]}")
    from skimage import metrics

    similarity: Callable[..., float] = metrics.structural_similarity

    if variant == "colour_gaussian":
        rule = {"channel_axis": -1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        return float(similarity(reference, prediction, data_range=255, **rule))
    import cv2

    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (reference, prediction)]
    return float(similarity(*grey, data_range=255))
