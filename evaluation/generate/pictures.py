"""Pictures as a system gets them: a PNG of the size it works at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import write_bytes
from madata.formats import is_a

if TYPE_CHECKING:
    from madata.video.geometry import Fit

__all__ = ["own_size", "picture_of", "write_picture"]

Size = tuple[int, int]
Image = npt.NDArray[np.uint8]

_LONGEST_SIDE_PX = 1280  # of a picture that comes without a size: the larger side of the published systems


def own_size(path: Path) -> Size:
    """Size (width, height) px of the clip that a picture asks for: its own, even, at most 1280 px long.

    Raises:
        MediaError: it cannot be read as a picture.
    """
    from madata.video.geometry import frame_clip

    return frame_clip(_still(path)[0], long_side=_LONGEST_SIDE_PX).out


def picture_of(source: Path) -> Image:
    """(H, W, 3) RGB of a picture, or of the first frame of a video.

    Raises:
        MediaError: it cannot be read.
    """
    shown, scaled = (_first_frame if is_a(source, "video") else _still)(source)
    return scaled(shown)


def write_picture(source: Path, target: Path, size: Size, fit: Fit) -> None:
    """Write a picture, or the first frame of a video, as a PNG of ``size`` (width, height).

    Args:
        fit: ``"pad"`` shows it whole with black beside it, ``"crop"`` covers the size and cuts off evenly.

    Raises:
        MediaError: it cannot be read.
    """
    from madata.video import encode_png
    from madata.video.geometry import frame_clip

    read = _first_frame if is_a(source, "video") else _still
    shown, scaled = read(source)
    framing = frame_clip(shown, size=size, fit=fit)
    as_it_is = frame_clip(shown, long_side=_LONGEST_SIDE_PX)
    if as_it_is.out == size:  # an odd last row is cut off rather than the whole picture scaled by a pixel
        framing = as_it_is
    left, top = framing.offset
    inside = scaled(framing.scaled)[max(0, -top) :, max(0, -left) :][: size[1], : size[0]]
    picture: Image = np.zeros((size[1], size[0], 3), np.uint8)
    corner = picture[max(0, top) :, max(0, left) :]
    height, width = min(len(corner), len(inside)), min(corner.shape[1], inside.shape[1])
    corner[:height, :width] = inside[:height, :width]
    write_bytes(target, encode_png(picture))


def _first_frame(video: Path) -> tuple[Size, Callable[[Size], Image]]:
    """Size as shown, and the first frame at any size."""
    from madata.video import Decoder

    with Decoder(video) as decoder:
        frame = next(iter(decoder), None)
        if frame is None or frame.damaged:
            raise MediaError(f"{video}: its first frame cannot be decoded", reason="damaged_frames")
        return decoder.info.size, frame.scaled


def _still(path: Path) -> tuple[Size, Callable[[Size], Image]]:
    """Size of a picture file, and a function that gives it at any size, RGB."""
    import cv2

    from madata.video.stills import read_still

    image = read_still(path)
    height, width = image.shape[:2]

    def scaled(size: Size) -> Image:
        shrinks = size[0] < width
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        return np.asarray(resized, np.uint8)

    return (width, height), scaled
