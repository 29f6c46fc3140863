"""Still pictures for reports and previews."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError

__all__ = ["encode_jpeg", "encode_png"]


def encode_jpeg(image: npt.NDArray[np.uint8], quality: int = 85) -> bytes:
    """JPEG bytes of an image.

    Args:
        image: (H, W, 3) RGB or (H, W) grey.
        quality: 1 to 100.
    """
    import cv2

    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode_png(image: npt.NDArray[np.uint8]) -> bytes:
    """PNG bytes of an image, (H, W, 3) RGB or (H, W) grey."""
    return _encode(image, ".png", [])


def _encode(image: npt.NDArray[np.uint8], suffix: str, options: list[int]) -> bytes:
    import cv2

    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or image.size == 0
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        raise MediaError(
            f"expected a uint8 image (H, W, 3) or (H, W), got {image.dtype} {image.shape}", reason="bad_frame"
        )
    pixels = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise MediaError(
            f"an image of shape {image.shape} could not be encoded as {suffix}", reason="bad_frame"
        )
    return bytes(data)
