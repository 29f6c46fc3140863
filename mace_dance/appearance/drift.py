"""Colour drift of long videos: measured always, corrected when asked.

Each segment starts from re-encoded frames of the one before, and each time colours move and contrast falls. Colours
are compared in CIE L*a*b* (D65; L* 0..100), where a distance of 2.3 is just noticeable.

Drift of a segment against the first: the distance of the mean colours, and the ratio of the spreads of L*. Correction
is one affine map per channel, ``y = (x - mean) gain + target mean`` with ``gain = target spread / spread`` held within
0.5..2, so that a segment of another brightness is not torn apart. Its target:

- ``reference``: the reference picture (without its black bars), so that nothing can drift for ever;
- ``previous``: the frames that both segments have made. They show the same thing, so the map is what the join did to
  the colours and nothing else; an error adds up over many segments.

The corrected frames are what the next segment is conditioned on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["ColourMatch", "ColourStatistics", "Drift", "colour_statistics", "drift", "match_colour"]

ColourMatch = Literal["none", "reference", "previous"]

_LEAST_SPREAD = 1e-3
_GAIN = (0.5, 2.0)


@dataclass(frozen=True)
class ColourStatistics:
    """Mean and standard deviation of L*, a*, b* over all pixels of some frames."""

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


@dataclass(frozen=True)
class Drift:
    """How far a segment is from the first.

    Attributes:
        delta_e: distance of the mean colours in L*a*b*.
        contrast: spread of L* over that of the first; 1 is no change.
    """

    delta_e: float
    contrast: float


def colour_statistics(frames: Iterable[FloatArray]) -> ColourStatistics:
    """Statistics of RGB frames (H, W, 3) with values 0..1.

    Raises:
        ValueError: there is no frame.
    """
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for frame in frames:
        pixels = _to_lab(frame).reshape(-1, 3).astype(np.float64)
        total += pixels.sum(axis=0)
        squares += (pixels**2).sum(axis=0)
        count += len(pixels)
    if not count:
        raise ValueError("no frames to take colour statistics of")
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return ColourStatistics(_triple(mean), _triple(spread))


def drift(segment: ColourStatistics, first: ColourStatistics) -> Drift:
    """Distance and contrast of ``segment`` against ``first``."""
    delta_e = float(np.linalg.norm(np.subtract(segment.mean, first.mean)))
    return Drift(delta_e, max(segment.spread[0], _LEAST_SPREAD) / max(first.spread[0], _LEAST_SPREAD))


def match_colour(frame: FloatArray, of: ColourStatistics, target: ColourStatistics) -> FloatArray:
    """Map an RGB frame (H, W, 3) in 0..1 so that statistics ``of`` become ``target``; the result is cut to 0..1."""
    gain = np.clip(np.maximum(target.spread, _LEAST_SPREAD) / np.maximum(of.spread, _LEAST_SPREAD), *_GAIN)
    lab = (_to_lab(frame) - np.asarray(of.mean)) * gain + np.asarray(target.mean)
    return _to_rgb(lab.astype(np.float32))


def _to_lab(frame: FloatArray) -> FloatArray:
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame, np.float32), cv2.COLOR_RGB2Lab), np.float32)


def _to_rgb(lab: FloatArray) -> FloatArray:
    import cv2

    return np.clip(np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), np.float32), 0, 1)


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third
