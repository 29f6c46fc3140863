"""Temporal flickering: how little consecutive frames differ.

    TF = (255 - mean over t of mean |f_t - f_{t+1}|) / 255

Higher is smoother, and a frozen video scores a perfect 1: for dance this is close to "one minus motion", so
it is only ever read beside the ground truth and a frozen frame. Sums of byte differences are exact integers;
upstream averages in float32, which moves its score by up to 1.2e-8.
"""

from __future__ import annotations

from evaluation.features.video.frames import FrameChunk, UInt8Array
from evaluation.features.video.scores import VideoScore

__all__ = ["TemporalFlickering", "mean_absolute_difference"]


def mean_absolute_difference(first: UInt8Array, second: UInt8Array) -> float:
    """Mean of |first - second| over all pixels and channels, 0..255.

    Example:
        >>> import numpy as np
        >>> mean_absolute_difference(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8))
        51.0
    """
    import cv2

    rows = len(first)  # one channel is quicker than three
    return float(cv2.norm(first.reshape(rows, -1), second.reshape(rows, -1), cv2.NORM_L1)) / first.size


class TemporalFlickering:
    """Update with chunks of one video in order, then compute. Holds one frame."""

    dimension = "temporal_flickering"

    def __init__(self) -> None:
        self._last: UInt8Array | None = None
        self._total = 0.0
        self._frames = 0

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""
        previous = self._last
        for frame in chunk.frames:
            if previous is not None:
                self._total += mean_absolute_difference(previous, frame)
            previous = frame
        self._last = previous
        self._frames += len(chunk)

    @property
    def mean_difference(self) -> float | None:
        """Mean absolute difference of consecutive frames, 0..255: how much moves at all."""
        return self._total / (self._frames - 1) if self._frames > 1 else None

    def compute(self) -> VideoScore:
        """The score so far; undefined under two frames."""
        pairs = self._frames - 1
        if pairs < 1:
            return VideoScore.undefined(self.dimension, self._frames, "needs at least 2 frames")
        return VideoScore.of(self.dimension, pairs - self._total / 255.0, pairs, self._frames)
