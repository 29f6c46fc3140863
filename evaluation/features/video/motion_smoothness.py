"""Motion smoothness: how well a frame interpolator predicts every second frame.

AMT-S is shown frames (0, 2), (2, 4), ... and asked for the one between:

    MS = (255 - mean over odd t of mean |f_t - floor(255 * prediction_t)|) / 255

The prediction is cut down to bytes, not rounded, and a frame after the last even one is ignored. Where
upstream is unsound the score is undefined: under three frames (upstream aborts the whole run), and for
pictures whose padded side is under 128 px, where AMT's correlation pyramid divides by zero and upstream
scores the resulting NaN as black. A frozen video scores 1: read it beside the ground truth and a frozen
frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from evaluation.features.video.frames import FrameChunk, UInt8Array, planar
from evaluation.features.video.scores import VideoScore
from evaluation.features.video.temporal_flickering import mean_absolute_difference

if TYPE_CHECKING:
    import torch

__all__ = ["Interpolator", "MotionSmoothness"]

Interpolator = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""Pictures before and after, (B, 3, h, w) in 0..1 with sides multiples of 16, to the pictures between."""

_MULTIPLE = 16

_Triple = tuple["torch.Tensor", UInt8Array, "torch.Tensor"]


class MotionSmoothness:
    """Update with chunks of one video in order, then compute. Holds at most two frames.

    Args:
        interpolate: the network.
        minimum_side: smallest padded side in px for which it is sound.
        pairs_per_call: height and width of a frame to the number of pairs given to ``interpolate`` at once.
    """

    dimension = "motion_smoothness"

    def __init__(
        self,
        interpolate: Interpolator,
        minimum_side: int = 128,
        pairs_per_call: Callable[[int, int], int] = lambda height, width: 1,
    ) -> None:
        self._interpolate = interpolate
        self._minimum_side = minimum_side
        self._pairs_per_call = pairs_per_call
        self._before: torch.Tensor | None = None
        self._odd: UInt8Array | None = None
        self._total = 0.0
        self._predicted = 0
        self._frames = 0
        self._padded_side = math.inf

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""
        first = self._frames
        self._frames += len(chunk)
        self._padded_side = min(_MULTIPLE * math.ceil(side / _MULTIPLE) for side in chunk.size)
        if self._padded_side < self._minimum_side:
            return
        batch = self._pairs_per_call(*chunk.size)
        waiting: list[_Triple] = []
        for index, frame in enumerate(chunk.frames, start=first):
            if index % 2:
                self._odd = frame
                continue
            after = _end(frame, chunk.device)
            if self._before is not None and self._odd is not None:
                waiting.append((self._before, self._odd, after))
            self._before = after
            if len(waiting) == batch:
                self._compare(waiting)
                waiting = []
        if waiting:
            self._compare(waiting)

    def _compare(self, triples: list[_Triple]) -> None:
        import torch

        before = _joined([start for start, _, _ in triples])
        after = _joined([end for _, _, end in triples])
        height, width = triples[0][1].shape[:2]
        top, left = (after.shape[-2] - height) // 2, (after.shape[-1] - width) // 2
        with torch.inference_mode():
            between = self._interpolate(before, after)[..., top : top + height, left : left + width]
            if not bool(torch.isfinite(between.sum())):
                self._total = math.nan  # casting to bytes would turn it into black
            predicted = (between * 255.0).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        for (_, true, _), picture in zip(triples, predicted.cpu().numpy(), strict=True):
            self._total += mean_absolute_difference(true, picture)
        self._predicted += len(triples)

    def compute(self) -> VideoScore:
        """The score so far, or why there is none."""
        if self._padded_side < self._minimum_side:
            reason = (
                f"AMT is undefined for pictures whose side, padded to a multiple of {_MULTIPLE}, is under "
                f"{self._minimum_side} px (here {self._padded_side:.0f})"
            )
            return VideoScore.undefined(self.dimension, self._frames, reason)
        if not self._predicted:
            return VideoScore.undefined(self.dimension, self._frames, "needs at least 3 frames")
        total = self._predicted - self._total / 255.0
        return VideoScore.of(self.dimension, total, self._predicted, self._frames)


def _end(frame: UInt8Array, device: str) -> torch.Tensor:
    from evaluation.features.video.preprocess import pad_to_multiple

    return pad_to_multiple(planar(frame[None], device).div_(255.0), _MULTIPLE)


def _joined(pictures: list[torch.Tensor]) -> torch.Tensor:
    import torch

    return pictures[0] if len(pictures) == 1 else torch.cat(pictures)
