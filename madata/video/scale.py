"""Scaling decoded pictures; pictures of high dynamic range come out in standard range.

PQ and HLG code light up to 10 000 or 1000 cd/m2 in the wide primaries of BT.2020. To networks and players that take
them for ordinary pictures they are grey and pale. They are brought to BT.709 as a screen shows it (BT.1886): reference
white, 203 cd/m2 (ITU-R BT.2408; three quarters of the signal in HLG), becomes white, everything darker keeps its light
and its colour, what is brighter becomes white, and colours outside BT.709 are cut off at its edge. This is done at the
scaled size, which costs a thumbnail next to nothing.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["Scaler", "is_high_range", "is_rgb"]

_PQ, _HLG = 16, 18
_WHITE = 203.0
"""cd/m2 of reference white."""
_CODES = 4096
_GAMMA = 2.4
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Of BT.2020's red, green and blue."""
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""From linear BT.2020 (ITU-R BT.2087)."""


def is_high_range(picture: VideoFrame) -> bool:
    """Whether a picture is tagged as PQ or HLG."""
    return picture.color_trc in (_PQ, _HLG)


def is_rgb(picture: VideoFrame) -> bool:
    """Whether a picture stores red, green and blue."""
    return bool(picture.format.is_rgb) or picture.format.name == "pal8"


class Scaler:
    """Scales pictures of one kind to one size; keep one for each size."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._scale, self._convert = VideoReformatter(), VideoReformatter()

    def __call__(
        self, picture: VideoFrame, size: tuple[int, int], pixel_format: str, **options: Any
    ) -> VideoFrame:
        """``picture`` at ``size`` (width, height) px as stored, in ``pixel_format``.

        Args:
            options: of PyAV's ``VideoReformatter.reformat``.
        """
        import av

        # one thread: the sources are what is processed in parallel
        if is_high_range(picture):
            transfer = picture.color_trc
            codes = self._scale.reformat(
                picture, *size, "gbrp12le", interpolation=options.get("interpolation"), threads=1
            )
            picture = av.VideoFrame.from_ndarray(
                _standard(codes.to_ndarray().astype(np.uint16, copy=False), transfer), "rgb24"
            )
            return self._convert.reformat(picture, format=pixel_format, threads=1, **options)
        return self._scale.reformat(picture, *size, pixel_format, threads=1, **options)


def _standard(codes: npt.NDArray[np.uint16], transfer: int) -> npt.NDArray[np.uint8]:
    """8-bit BT.709 of 12-bit codes (H, W, 3) in BT.2020."""
    light = _light(transfer)[codes]
    if transfer == _HLG:
        # the system gamma of a screen of 1000 cd/m2
        light *= np.maximum(light @ _LUMINANCE, 1e-6)[..., None] ** 0.2 * np.float32(1000 / _WHITE)
    shown = light @ _TO_BT709.T
    np.clip(shown, 0, 1, out=shown)
    # evenly spaced in the root, so that dark levels have entries enough
    places = (np.sqrt(shown) * (_CODES - 1) + 0.5).astype(np.uint16)
    levels: npt.NDArray[np.uint8] = _screen()[places]
    return levels


@cache
def _light(transfer: int) -> FloatArray:
    """Light of each code: of the screen in reference whites (PQ), of the scene up to 1 (HLG)."""
    code = np.linspace(0, 1, _CODES)
    if transfer == _PQ:
        root = code ** (32 / 2523)
        linear = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        light = linear ** (16384 / 2610) * 10_000 / _WHITE
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return light.astype(np.float32)


@cache
def _screen() -> npt.NDArray[np.uint8]:
    """The 8-bit level of the square of each entry's place."""
    return (255 * np.linspace(0, 1, _CODES) ** (2 / _GAMMA)).round().astype(np.uint8)
