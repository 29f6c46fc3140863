"""Where Hallo2 moves what: the body of the picture in place of the face.

Upstream draws the face's region, and three soft masks: what does not belong to the face, the face without the lips, the
lips. For dance the region is the body's, the second mask the body, the first what is not, and the third nothing. They
are made as upstream makes its own: brought to 64 x 64, blurred over 51, stretched to 0..1, then scaled to every level
of the denoiser (64, 32, 16 and 8 at 512 px).
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from madata.errors import MadanceError
from madata.formats import is_a
from madata.types import FloatArray

__all__ = ["find_mask", "level_masks", "read_mask", "region_of"]

Image = npt.NDArray[np.uint8]

_SOFT_PX = 64
_BLUR_PX = 51
_SHOWN = 0.5
_LATENT_PX = 8


def region_of(mask: FloatArray) -> Image:
    """(H, W) 0 or 255 where the body is, of its share (H, W) at each pixel.

    Raises:
        MadanceError: there is no body.
    """
    region = np.where(mask >= _SHOWN, 255, 0).astype(np.uint8)
    if not region.any():
        raise MadanceError(
            "no person was found in the reference picture: use one that shows the whole person, or give a mask "
            "(--set mask=FILE, white where the person is)"
        )
    return region


def level_masks(region: Image, levels: int) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    """Places of a level -> (places,) background, body and lips, 0..1.

    Args:
        region: (H, W) of :func:`region_of`; sides of multiples of 8 times 2 to the levels.
    """
    from PIL import Image as Pillow

    soft = cv2.GaussianBlur(cv2.resize(region, (_SOFT_PX, _SOFT_PX)), (_BLUR_PX, _BLUR_PX), 0)
    low, high = int(soft.min()), int(soft.max())
    body = np.round((soft.astype(np.float64) - low) * 255 / max(high - low, 1)).astype(np.uint8)
    found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for level in range(levels):
        step = _LATENT_PX * 2**level
        size = (region.shape[1] // step, region.shape[0] // step)
        kinds = (255 - body, body, np.zeros_like(body))
        scaled = (Pillow.fromarray(kind).resize(size, Pillow.Resampling.BILINEAR) for kind in kinds)
        background, person, lips = (
            torch.from_numpy(np.asarray(kind, np.float32) / 255).flatten() for kind in scaled
        )
        found[size[0] * size[1]] = (background, person, lips)
    return found


def find_mask(given: Path, clip_id: str) -> Path:
    """The mask of a clip: ``given`` itself, or the file of its name in that folder.

    Raises:
        MadanceError: the folder holds none.
    """
    if given.is_file():
        return given
    found = [path for path in sorted(given.glob(f"{escape(clip_id)}.*")) if is_a(path, "video", "picture")]
    if not found:
        raise MadanceError(f"{given}: holds no mask {clip_id}.png")
    return found[0]


def read_mask(path: Path, size: tuple[int, int]) -> FloatArray:
    """(H, W) 0..1 of a picture that is white where the person is, or of all frames of a video together.

    Raises:
        MediaError: the file cannot be read.
    """
    from madata.video import Decoder
    from madata.video.stills import read_still

    if not is_a(path, "video"):
        shown = cv2.resize(read_still(path), size, interpolation=cv2.INTER_AREA)
        return np.asarray(shown.mean(-1) / 255, np.float32)
    union = np.zeros((size[1], size[0]), np.float32)
    with Decoder(path) as decoder:
        for frame in decoder:
            np.maximum(union, frame.scaled(size, "gray").astype(np.float32) / 255, out=union)
    return union
