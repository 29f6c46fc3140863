"""The picture of the person as the backbone wants it: letterboxed for the VAE, squashed for CLIP.

Upstream Wan scales the picture into the video's frame, centres it on black, and gives CLIP that same letterboxed
frame squeezed to a square (bicubic, no antialiasing). A processor that crops the centre would show CLIP less of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.types import FloatArray

__all__ = ["CLIP_MEAN", "CLIP_STD", "clip_pixels", "content_box", "letterbox"]

Image = npt.NDArray[np.uint8]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def content_box(size: tuple[int, int], height: int, width: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) px that a picture of ``size`` (height, width) covers in its letterbox."""
    rows, columns = size
    if rows / columns > height / width:
        covered = int(height / rows * columns)
        return 0, (width - covered) // 2, height, covered
    covered = int(width / columns * rows)
    return (height - covered) // 2, 0, covered, width


def letterbox(image: Image, height: int, width: int) -> Image:
    """Scale ``image`` (H, W, 3) into ``height`` x ``width`` px, centred on black.

    Raises:
        MediaError: it is not a uint8 RGB picture, or so narrow that nothing of it would be left.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise MediaError(
            f"the reference picture is uint8 (H, W, 3), not {image.dtype} {image.shape}", reason="bad_frame"
        )
    top, left, rows, columns = content_box(image.shape[:2], height, width)
    if not rows or not columns:
        raise MediaError(
            f"the reference picture of {image.shape[1]}x{image.shape[0]} px is too narrow for a video of "
            f"{width}x{height} px",
            reason="bad_frame",
        )
    framed = np.zeros((height, width, 3), np.uint8)
    framed[top : top + rows, left : left + columns] = cv2.resize(
        image, (columns, rows), interpolation=cv2.INTER_LINEAR
    )
    return framed


def clip_pixels(
    framed: Image,
    size: int = 224,
    mean: Sequence[float] = CLIP_MEAN,
    std: Sequence[float] = CLIP_STD,
) -> FloatArray:
    """(3, size, size) normalised input of CLIP for a letterboxed picture (H, W, 3)."""
    import torch
    import torch.nn.functional as F

    pixels = torch.from_numpy(np.ascontiguousarray(framed.transpose(2, 0, 1))).float() / 127.5 - 1
    square = F.interpolate(pixels[None], size=(size, size), mode="bicubic", align_corners=False)[0]
    normal = (square * 0.5 + 0.5 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    values: FloatArray = normal.numpy()
    return values
