"""Subject and background consistency: how much each frame looks like the first and like the one before.

For features e_t (DINO ViT-B/16 for the subject, CLIP ViT-B/32 for the background)

    score = mean over t >= 1 of (max(0, cos(e_{t-1}, e_t)) + max(0, cos(e_0, e_t))) / 2

Over a data set both are weighted by frame pairs (:mod:`evaluation.features.video.scores`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.scores import VideoScore

if TYPE_CHECKING:
    import torch

__all__ = [
    "Consistency",
    "Encoder",
    "background_consistency",
    "encoded",
    "pair_similarities",
    "subject_consistency",
]

Encoder = Callable[["torch.Tensor"], "torch.Tensor"]
"""Normalised pictures (B, 3, h, w) to features (B, D)."""


def pair_similarities(
    features: npt.NDArray[np.floating], first: npt.NDArray[np.floating], previous: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Similarity of each frame with the first frame and the one before it, 0..1.

    Args:
        features: (B, D) of consecutive frames.
        first: (D,) of the first frame of the video.
        previous: (D,) of the frame before ``features[0]``.

    Returns:
        (B,); a feature of zeros is similar to nothing (0), as upstream has it.

    Example:
        >>> pair_similarities(np.eye(2), np.array([1.0, 0.0]), np.array([1.0, 0.0])).tolist()
        [1.0, 0.0]
    """
    rows = np.concatenate([first[None], previous[None], features]).astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    start, chain = rows[0], rows[1:]
    to_previous = np.sum(chain[1:] * chain[:-1], axis=1)
    to_first = chain[1:] @ start
    return np.asarray((np.maximum(to_previous, 0.0) + np.maximum(to_first, 0.0)) / 2)


class Consistency:
    """Update with chunks of one video in order, then compute. Holds two feature vectors.

    Args:
        dimension: ``"subject_consistency"`` or ``"background_consistency"``.
        features_of: a chunk to its features (B, D).
    """

    def __init__(self, dimension: str, features_of: Callable[[FrameChunk], npt.NDArray[np.floating]]) -> None:
        self.dimension = dimension
        self._features_of = features_of
        self._ends: tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None = None
        self._total = 0.0
        self._frames = 0

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""
        self.update_features(self._features_of(chunk))

    def update_features(self, features: npt.NDArray[np.floating]) -> None:
        """Add the features (B, D) of the next frames."""
        self._frames += len(features)
        if self._ends is None:
            self._ends, features = (features[0], features[0]), features[1:]
        first, previous = self._ends
        if len(features):
            self._total += float(pair_similarities(features, first, previous).sum())
            self._ends = first, features[-1]

    def compute(self) -> VideoScore:
        """The score so far; undefined under two frames or when a feature is not a number."""
        if self._frames < 2:
            return VideoScore.undefined(self.dimension, self._frames, "needs at least 2 frames")
        return VideoScore.of(self.dimension, self._total, self._frames - 1, self._frames)


def subject_consistency(encode: Encoder, batch: int = 4) -> Consistency:
    """Consistency of DINO features of whole frames, ``batch`` pictures per call."""
    from evaluation.features.video.preprocess import subject_input

    return Consistency(
        "subject_consistency", lambda chunk: encoded(encode, chunk.transformed(subject_input), batch)
    )


def background_consistency(encode: Encoder, batch: int = 4) -> Consistency:
    """Consistency of CLIP features of centre crops, ``batch`` pictures per call."""
    return Consistency("background_consistency", lambda chunk: encoded(encode, chunk.clip_input, batch))


def encoded(encode: Encoder, pictures: torch.Tensor, batch: int) -> npt.NDArray[np.float32]:
    """Features (B, D) of pictures, ``batch`` at a time, back in main memory."""
    import torch

    with torch.inference_mode():
        features = [encode(part).float().cpu() for part in torch.split(pictures, batch)]
    return np.asarray(torch.cat(features).numpy())
