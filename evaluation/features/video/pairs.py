"""PSNR, SSIM and LPIPS of a predicted video against its reference, frame by frame, in one pass over both.

A video's number is the mean of its frames. Videos of different length are not compared, nor are pictures of
different size unless the protocol stretches them: the score is then undefined, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from evaluation.definitions import PairProtocol
from evaluation.features.video.frames import FrameChunk, UInt8Array
from evaluation.features.video.psnr import psnr_db
from evaluation.features.video.scores import VideoScore
from evaluation.features.video.ssim import ssim

if TYPE_CHECKING:
    import torch

__all__ = ["METRICS", "PairQuality", "score_pair"]

METRICS = ("psnr", "ssim", "lpips")

Perceptual = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


class PairQuality:
    """Update with matching chunks of both videos in order, then compute. Holds three sums.

    Args:
        lpips: pictures (B, 3, H, W) and references to distances (B,); without it LPIPS is undefined.
        batch: frames per call of ``lpips``; VGG keeps 0.5 GB for each of 1280x720.
    """

    def __init__(self, protocol: PairProtocol, lpips: Perceptual | None = None, batch: int = 1) -> None:
        self._protocol = protocol
        self._lpips = lpips
        self._batch = batch
        self._totals = dict.fromkeys(METRICS, 0.0)
        self._frames = 0
        self._problem: str | None = None
        self.resized = False

    def update(self, reference: FrameChunk, prediction: FrameChunk) -> None:
        """Add the next frames of both videos.

        Raises:
            ValueError: the chunks differ in length.
        """
        if len(reference) != len(prediction):
            raise ValueError(
                f"chunks of one length are compared, got {len(reference)} and {len(prediction)} frames"
            )
        prediction = self._fitted(reference, prediction)
        if self._problem:
            return
        rule = self._protocol
        for true, predicted in zip(reference.frames, prediction.frames, strict=True):
            self._totals["psnr"] += psnr_db(true, predicted, rule.same_below)
            self._totals["ssim"] += ssim(true, predicted, rule.ssim)
        if self._lpips is not None:
            self._totals["lpips"] += self._distance(self._lpips, reference, prediction)
        self._frames += len(reference)

    def _fitted(self, reference: FrameChunk, prediction: FrameChunk) -> FrameChunk:
        size, other = reference.size, prediction.size
        if size == other:
            return prediction
        if not self._protocol.resize:
            self._problem = (
                f"its pictures are {other[1]}x{other[0]} px and the reference's are {size[1]}x{size[0]}: "
                f"{self._protocol.name} compares equal sizes only"
            )
            return prediction
        self.resized = True
        return FrameChunk([_stretched(frame, size) for frame in prediction.frames], prediction.device)

    def _distance(self, lpips: Perceptual, reference: FrameChunk, prediction: FrameChunk) -> float:
        import torch

        lowest = self._protocol.lpips.lowest
        total = 0.0
        with torch.inference_mode():
            for start in range(0, len(reference), self._batch):
                predicted, true = (
                    chunk.planar(start, start + self._batch) / 255.0 * (1.0 - lowest) + lowest
                    for chunk in (prediction, reference)
                )
                total += float(lpips(predicted, true).double().sum())
        return total

    def refuse(self, reason: str) -> None:
        """Make every score of this video undefined."""
        self._problem = reason

    def compute(self) -> dict[str, VideoScore]:
        """PSNR (dB), SSIM and LPIPS of the frames so far."""
        problem = self._problem or (None if self._frames else "has no frames")
        if problem:
            return {name: VideoScore.undefined(name, self._frames, problem) for name in METRICS}
        scores = {
            name: VideoScore.of(name, total, self._frames, self._frames)
            for name, total in self._totals.items()
        }
        if self._lpips is None:
            scores["lpips"] = VideoScore.undefined("lpips", self._frames, "the weights of LPIPS are missing")
        return scores


def score_pair(
    reference: Iterable[FrameChunk], prediction: Iterable[FrameChunk], quality: PairQuality
) -> dict[str, VideoScore]:
    """Feed two videos, cut into equal chunks, to ``quality``; unequal lengths make its scores undefined."""
    for true, predicted in zip_longest(reference, prediction):
        if true is None or predicted is None or len(true) != len(predicted):
            quality.refuse("the prediction and its reference differ in their number of frames")
            break
        quality.update(true, predicted)
    return quality.compute()


def _stretched(frame: UInt8Array, size: tuple[int, ...]) -> UInt8Array:
    import cv2

    return np.asarray(cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
