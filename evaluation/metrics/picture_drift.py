"""Does a video keep its colours and its sharpness to its end? What long generated videos lose, and no frame shows.

The first quarter of a video against its last: how far the mean colour has moved (CIE 1976 difference in L*a*b*), and
how much sharper or softer the picture has become (variance of the Laplacian of the grey picture). Lights of a stage
move colours too, so the value of the reference is the measure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

_SIDE = 256
"""Both are measured on a picture this wide at most, so that grain weighs the same at any size."""
_LEAST_FRAMES = 8


class _FrameNumbers:
    """Some numbers of every frame, compared between the first and the last quarter."""

    def __init__(self) -> None:
        self._rows: list[npt.NDArray[np.float64]] = []

    def update(self, frame: npt.NDArray[np.uint8]) -> None:
        import cv2

        height, width = frame.shape[:2]
        factor = min(1.0, _SIDE / max(height, width))
        if factor < 1:
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._rows.append(self.measure(frame))

    def measure(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        raise NotImplementedError

    def quarters(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Medians of the first and of the last quarter: a flash or a blurred turn is no drift."""
        if len(self._rows) < _LEAST_FRAMES:
            raise ValueError(f"fewer than {_LEAST_FRAMES} frames")
        rows, part = np.stack(self._rows), len(self._rows) // 4
        return np.median(rows[:part], axis=0), np.median(rows[-part:], axis=0)


class _Colour(_FrameNumbers):
    def measure(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        import cv2

        lab = cv2.cvtColor(frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
        return np.asarray(lab.reshape(-1, 3).mean(axis=0), np.float64)

    def compute(self) -> float:
        first, last = self.quarters()
        return float(np.linalg.norm(last - first))


class _Sharpness(_FrameNumbers):
    def measure(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        import cv2

        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        return np.array([cv2.Laplacian(grey, cv2.CV_64F).var()])

    def compute(self) -> float:
        first, last = self.quarters()
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
        per_video=_Colour,
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
        per_video=_Sharpness,
        absent="fewer than eight frames, or no detail",
    ),
)
