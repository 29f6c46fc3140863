"""Where Hallo2 moves what: the body of the picture, or the face as upstream has it.

Upstream draws the face's region, and three soft masks: what does not belong to the face, the face without the lips, the
lips. For dance the region is the body's, the second mask the body, the first what is not, and the third nothing. They
are made as upstream makes its own: brought to 64 x 64, blurred (over 51, the lips over 31), stretched to 0..1, then
scaled to every level of the denoiser (64, 32, 16 and 8 at 512 px).
"""

from __future__ import annotations

from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from madata.errors import MadanceError
from madata.formats import is_a
from madata.types import FloatArray

if TYPE_CHECKING:
    from madata.video.geometry import Fit

__all__ = ["face_regions", "find_face", "find_mask", "level_masks", "read_mask", "region_of"]

Image = npt.NDArray[np.uint8]

_SOFT_PX = 64
_BLUR_PX, _LIPS_BLUR_PX = 51, 31
_SHOWN = 0.5
_LATENT_PX = 8
_LIPS = slice(48, 60)  # the outer ring of the 68 points
_FOREHEAD = 0.19
"""What of a face lies above the brows, where the 68 points end, in heights of their box: median of 53 faces of four
videos, by the oval of the mesh (0.12-0.21 from the first decile to the last)."""
_FACE_SIDES, _LIPS_SIDES = 1.2, 2.0
"""Upstream's, over the sides of the face's oval and of the lips (``get_face_mask``, ``get_lip_mask``)."""


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


def find_face(picture: Image, size: tuple[int, int]) -> tuple[Image, Image]:
    """The face and the lips of the person of a picture; see :func:`face_regions`.

    Args:
        picture: (H, W, 3) RGB.
        size: (width, height) px it is letterboxed to.

    Raises:
        MadanceError: there is nobody, or no face is seen.
        WeightsError: a network of the backend ``wholebody`` is not on this machine.
    """
    from mace_dance.appearance.pose_video import ReferencePose

    face = ReferencePose.from_image(picture).on_canvas(size).points.face[0]
    if not (face[:, 2] > 0).all():
        raise MadanceError(
            "no face was found in the reference picture: use one that shows it from the front, give masks "
            "(--set mask=FILE --set lips_mask=FILE, white where face and lips are), or move the body "
            "(--set region=body)"
        )
    return face_regions(face[:, :2], size)


def face_regions(points: npt.ArrayLike, size: tuple[int, int]) -> tuple[Image, Image]:
    """The boxes of a face and of its lips, each (H, W) 0 or 255, as large as upstream makes them.

    Args:
        points: (68, 2) px, iBUG's order.
        size: (width, height) px of the picture; what lies outside is cut off.
    """
    face = np.asarray(points, np.float64)
    low, high = face.min(0), face.max(0)
    forehead = np.array([0.0, _FOREHEAD * (high - low)[1]])
    lips = face[_LIPS]
    return (
        _box(low - forehead, high, _FACE_SIDES, size),
        _box(lips.min(0), lips.max(0), _LIPS_SIDES, size),
    )


def level_masks(
    region: Image, levels: int, lips: Image | None = None
) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
    """Places of a level -> (places,) background, body (or face) without the lips, and lips, 0..1.

    Args:
        region: (H, W) of :func:`region_of`; sides of multiples of 8 times 2 to the levels.
        lips: as ``region``; ``None`` where they are not told from it.
    """
    from PIL import Image as Pillow

    whole = _softened(region, _BLUR_PX)
    mouth = np.zeros_like(whole) if lips is None else _softened(lips, _LIPS_BLUR_PX)
    found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for level in range(levels):
        step = _LATENT_PX * 2**level
        size = (region.shape[1] // step, region.shape[0] // step)
        kinds = (255 - whole, whole - np.minimum(mouth, whole), mouth)
        scaled = (Pillow.fromarray(kind).resize(size, Pillow.Resampling.BILINEAR) for kind in kinds)
        background, person, moved_lips = (
            torch.from_numpy(np.asarray(kind, np.float32) / 255).flatten() for kind in scaled
        )
        found[size[0] * size[1]] = (background, person, moved_lips)
    return found


def _softened(region: Image, blur_px: int) -> Image:
    """(64, 64) 0..255."""
    soft = cv2.GaussianBlur(cv2.resize(region, (_SOFT_PX, _SOFT_PX)), (blur_px, blur_px), 0)
    low, high = int(soft.min()), int(soft.max())
    stretched = (soft.astype(np.float64) - low) * 255 / max(high - low, 1)
    return np.asarray(np.round(stretched), np.uint8)


def _box(low: FloatArray, high: FloatArray, sides: float, size: tuple[int, int]) -> Image:
    """White in a box whose sides are ``sides`` times as long, about the same middle."""
    half = (high - low) * sides / 2
    (left, top), (right, bottom) = (
        np.clip(np.round((low + high) / 2 + shift), 0, size).astype(int) for shift in (-half, half)
    )
    shown = np.zeros((size[1], size[0]), np.uint8)
    shown[top:bottom, left:right] = 255
    return shown


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


def read_mask(path: Path, size: tuple[int, int], fit: Fit = "pad") -> FloatArray:
    """(H, W) 0..1 of a picture that is white where something moves, or of all frames of a video together.

    Args:
        size: (width, height) px of the clip.
        fit: how a mask of another shape is brought to it, as the picture below it is.

    Raises:
        MediaError: the file cannot be read.
        MadanceError: it is white nowhere.
    """
    from madata.video import Decoder
    from madata.video.geometry import frame_clip
    from madata.video.stills import read_still

    if not is_a(path, "video"):
        still = read_still(path)
        framing = frame_clip((still.shape[1], still.shape[0]), size=size, fit=fit)
        shown = framing.place(cv2.resize(still, framing.scaled, interpolation=cv2.INTER_AREA))
        union = np.asarray(shown.mean(-1) / 255, np.float32)
    else:
        union = np.zeros((size[1], size[0]), np.float32)
        with Decoder(path) as decoder:
            framing = frame_clip(decoder.info.size, size=size, fit=fit)
            for frame in decoder:
                shown = framing.place(frame.scaled(framing.scaled, "gray"))
                np.maximum(union, shown.astype(np.float32) / 255, out=union)
    if union.max() < _SHOWN:
        raise MadanceError(f"{path}: is white nowhere: paint what the sound moves white, the rest black")
    return union
