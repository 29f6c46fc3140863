"""Does a video keep its colours and its sharpness to its end? What long generated videos lose, and no frame shows.

The first quarter of a video against its last: how far the mean colour has moved (CIE 1976 difference in L*a*b*), and
how much sharper or softer the picture has become (variance of the Laplacian of the grey picture). Lights of a stage
move colours too, so the value of the reference is the measure. Second by second, each against the first, the same
differences say where a long video falls apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_SIDE = 256
"""Both are measured on a picture this wide at most, so that grain weighs the same at any size."""
_LEAST_FRAMES = 8


class _Quarters:
    """Numbers of every frame; those of the first quarter are held against those of the last.

    Args:
        measure: (H, W, 3) frame -> its numbers.
        drift: of the numbers of both quarters.
    """

    def __init__(self, measure: Callable[[Image], Floats], drift: Callable[[Floats, Floats], float]) -> None:
        self._measure, self._drift = measure, drift
        self._rows: list[Floats] = []

    def update(self, frame: Image) -> None:
        import cv2

        height, width = frame.shape[:2]
        factor = min(1.0, _SIDE / max(height, width))
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._rows.append(self._measure(frame))

    def compute(self) -> float:
        if len(self._rows) < _LEAST_FRAMES:
            raise ValueError(f"fewer than {_LEAST_FRAMES} frames")
        rows, part = np.stack(self._rows), len(self._rows) // 4
        # medians: a flash or a blurred turn is no drift
        return self._drift(np.median(rows[:part], axis=0), np.median(rows[-part:], axis=0))

    def by_second(self, seconds: npt.NDArray[np.int64]) -> Floats:
        """(S,) how far each second has drifted from the first; NaN where no frame falls into it."""
        rows = np.stack(self._rows)
        found = np.full(int(seconds[-1]) + 1, np.nan)
        starts = np.searchsorted(seconds, np.arange(len(found) + 1))
        first = np.median(rows[: starts[1]], axis=0)
        for second, (start, stop) in enumerate(pairwise(starts.tolist())):
            if start < stop:
                with suppress(ValueError):
                    found[second] = self._drift(first, np.median(rows[start:stop], axis=0))
        return found


def _mean_colour(frame: Image) -> Floats:
    import cv2

    lab = cv2.cvtColor(frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return np.asarray(lab.reshape(-1, 3).mean(axis=0), np.float64)


def _sharpness(frame: Image) -> Floats:
    import cv2

    return np.array([cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var()])


def _apart(first: Floats, last: Floats) -> float:
    return float(np.linalg.norm(last - first))


def _log_ratio(first: Floats, last: Floats) -> float:
    if min(first[0], last[0]) <= 0:
        raise ValueError("an end of the video has no detail at all")
    return math.log(last[0] / first[0])


METRICS = (
    MetricSpec(
        name="colour_drift",
        version=1,
        label="Colour",
        title="Change of colour from the first to the last quarter",
        needs=frozenset({"pictures"}),
        direction="reference",
        unit="ΔE",
        bounds=(0.0, np.inf),
        decimals=2,
        panel="Drift",
        per_video=partial(_Quarters, _mean_colour, _apart),
        absent="fewer than eight frames",
    ),
    MetricSpec(
        name="sharpness_drift",
        version=1,
        label="Sharpness",
        title="ln of the sharpness of the last quarter over that of the first",
        needs=frozenset({"pictures"}),
        direction="reference",
        bounds=(-np.inf, np.inf),
        decimals=3,
        panel="Drift",
        per_video=partial(_Quarters, _sharpness, _log_ratio),
        absent="fewer than eight frames, or no detail",
    ),
)
