"""From the stored picture to the one a player shows, and on to the picture of a clip.

A file stores a picture of ``stored`` pixels, the shape of one pixel (sample aspect ratio) and an orientation
(display matrix). The shown picture has square pixels: the side along which a pixel is long is stretched, nothing is
ever shrunk, then the picture is turned.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["Crop", "Fit", "Framing", "Orientation", "frame_clip", "orientation_of_matrix", "shown_size"]

Fit = Literal["pad", "crop"]
Size = tuple[int, int]


@dataclass(frozen=True)
class Orientation:
    """Mirror the stored picture left to right if ``mirrored``, then turn it ``turns`` quarters counter-clockwise."""

    turns: int = 0
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height change places."""
        return self.turns % 2 == 1

    def size(self, size: Size) -> Size:
        """Size (w, h) after turning; it is its own inverse."""
        return (size[1], size[0]) if self.swaps_sides else size

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn an image (H, W, ...) into its shown orientation, C-contiguous."""
        if self.mirrored:
            image = image[:, ::-1]
        return np.ascontiguousarray(np.rot90(image, self.turns))


def orientation_of_matrix(matrix: bytes) -> Orientation:
    """Read a display matrix (36 bytes: nine native 32-bit integers, 16.16 fixed point in its first two columns).

    Angles are rounded to the nearest quarter turn; a matrix that is not invertible means no change.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
    determinant = a * d - b * c
    if determinant == 0:
        return Orientation()
    # (x, y) -> (a x + c y, b x + d y) with y pointing down; a mirror negates the x column first
    mirrored = determinant < 0
    along_x, along_y = (-a, -b) if mirrored else (a, b)
    clockwise = round(np.degrees(np.arctan2(along_y, along_x)) / 90)
    return Orientation(turns=-clockwise % 4, mirrored=mirrored)


def shown_size(stored: Size, pixel_aspect: Fraction | None, orientation: Orientation) -> Size:
    """Size (w, h) of the picture a player shows.

    A pixel aspect that moves no side by a whole pixel is the rounding noise of some encoder and is ignored.
    """
    width, height = stored
    if pixel_aspect is not None and pixel_aspect > 0:
        stretched = (width * max(pixel_aspect, Fraction(1)), height / min(pixel_aspect, Fraction(1)))
        if stretched[0] - width >= 1 or stretched[1] - height >= 1:
            width, height = round(stretched[0]), round(stretched[1])
    return orientation.size((width, height))


@dataclass(frozen=True)
class Crop:
    """The part of a shown picture that is used, px from its upper left corner."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.width, self.height


@dataclass(frozen=True)
class Framing:
    """How a shown picture becomes the picture of a clip; all sizes are (w, h) in shown orientation.

    Attributes:
        scaled: the whole picture is scaled to this size first.
        out: size of the clip, both sides even.
        offset: where the corner of what is used lies in the clip; negative values cut.
        crop: what of the scaled picture is used; ``None`` is all of it.
    """

    scaled: Size
    out: Size
    offset: Size
    crop: Crop | None = None

    def points(self, xy: npt.NDArray[np.floating[Any]], shown: Size) -> FloatArray:
        """Points (..., 2) px of the shown picture as px of the clip."""
        corner = (self.crop.left, self.crop.top) if self.crop is not None else (0, 0)
        scale = np.array(self.scaled) / np.array(shown)
        placed: FloatArray = (xy * scale + (np.array(self.offset) - corner)).astype(np.float32)
        return placed

    def place(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """A picture (H, W) or (H, W, 3) of size ``scaled`` in the frame of ``out``, black where it does not reach."""
        (width, height), (left, top) = self.out, self.offset
        cut = picture[max(0, -top) : max(0, -top) + height, max(0, -left) : max(0, -left) + width]
        if cut.shape[:2] == (height, width):
            return np.ascontiguousarray(cut)
        canvas = np.zeros((height, width, *picture.shape[2:]), np.uint8)
        rows, columns = cut.shape[:2]
        canvas[max(0, top) : max(0, top) + rows, max(0, left) : max(0, left) + columns] = cut
        return canvas


def frame_clip(
    shown: Size,
    *,
    long_side: int | None = None,
    size: Size | None = None,
    fit: Fit = "pad",
    crop: Crop | None = None,
) -> Framing:
    """Decide the size of a clip.

    Args:
        shown: size of the shown source picture.
        long_side: largest side allowed; a smaller picture is never enlarged.
        size: exact size instead; the picture is centred in it.
        fit: with ``size``, ``"pad"`` keeps all of the picture and adds black, ``"crop"`` fills the frame.
        crop: what of the picture is used, e.g. without its bars.
    """
    if crop is not None:
        inner = frame_clip(crop.size, long_side=long_side, size=size, fit=fit)
        return _cropped(shown, crop, inner)
    if size is not None:
        pick = min if fit == "pad" else max
        factor = pick(Fraction(size[0], shown[0]), Fraction(size[1], shown[1]))
        scaled = (max(1, round(shown[0] * factor)), max(1, round(shown[1] * factor)))
        # offsets are even so that they fall between chroma samples
        offset = (_even((size[0] - scaled[0]) // 2), _even((size[1] - scaled[1]) // 2))
        return Framing(scaled, size, offset)
    if long_side is not None and max(shown) > long_side:
        factor = Fraction(long_side, max(shown))
        scaled = (max(2, _even(round(shown[0] * factor))), max(2, _even(round(shown[1] * factor))))
        return Framing(scaled, scaled, (0, 0))
    # an odd last row or column is cut off: scaling by one pixel would blur the whole picture
    out = (max(2, _even(shown[0])), max(2, _even(shown[1])))
    return Framing(shown, out, (0, 0))


def _cropped(shown: Size, crop: Crop, inner: Framing) -> Framing:
    """The framing of a whole picture that shows a part of it as ``inner`` does: what is scaled alone has hard edges."""
    factors = [Fraction(inner.scaled[0], crop.width), Fraction(inner.scaled[1], crop.height)]
    scaled = [round(side * factor) for side, factor in zip(shown, factors, strict=True)]
    # even, so that it falls between chroma samples, and rather inside the part than beside it
    places = [
        min(-_even(-round(start * factor)), _even(whole - used))
        for start, factor, whole, used in zip(
            (crop.left, crop.top), factors, scaled, inner.scaled, strict=True
        )
    ]
    return Framing((scaled[0], scaled[1]), inner.out, inner.offset, Crop(places[0], places[1], *inner.scaled))


def _even(value: int) -> int:
    return value - value % 2
