"""Imaging quality: what MUSIQ, trained on SPAQ's smartphone photographs, thinks of each frame, 0..100.

    IQ = mean over frames of MUSIQ(frame)

A picture whose longer side exceeds 512 px is first shrunk to it (mode ``longer``). Over a data set the mean
is divided by 100, so that all six dimensions share one scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.features.video.consistency import Encoder
from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.scores import VideoScore

if TYPE_CHECKING:
    from evaluation.features.video.preprocess import QualityMode

__all__ = ["ImagingQuality"]


class ImagingQuality:
    """Update with chunks of one video, then compute. Holds one sum.

    Args:
        rate: pictures (B, 3, h, w) in 0..1 to ratings (B,).
        mode: upstream's preprocessing mode.
        batch: pictures per call of ``rate``. One at a time is fastest on a CPU, a chunk at a time on a GPU.
    """

    dimension = "imaging_quality"

    def __init__(self, rate: Encoder, mode: QualityMode = "longer", batch: int = 1) -> None:
        self._rate = rate
        self._mode = mode
        self._batch = batch
        self._total = 0.0
        self._frames = 0

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""
        import torch

        from evaluation.features.video.preprocess import quality_input

        with torch.inference_mode():
            pictures = chunk.transformed(lambda planar: quality_input(planar, self._mode))
            for part in torch.split(pictures, self._batch):
                self._total += float(self._rate(part).double().sum())
        self._frames += len(chunk)

    def compute(self) -> VideoScore:
        """The score so far; undefined without frames or when a rating is not a number."""
        if not self._frames:
            return VideoScore.undefined(self.dimension, 0, "has no frames")
        return VideoScore.of(self.dimension, self._total, self._frames, self._frames)
