"""Aesthetic quality: LAION's linear head on CLIP ViT-L/14 image features.

    AQ = mean over frames of (w . e_t / |e_t| + b) / 10

with e_t the 768 image features. The head file (``sa_0_4_vit_l_14_linear.pth``) holds 769 numbers: about 4 kB
is its right size.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.features.video.consistency import Encoder, encoded
from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.scores import VideoScore
from madata.errors import WeightsError

__all__ = ["AestheticQuality", "Head", "aesthetic_ratings", "load_aesthetic_head"]

Head = tuple[npt.NDArray[np.floating], float]
"""Weight (D,) and bias of the linear head."""


def aesthetic_ratings(features: npt.NDArray[np.floating], head: Head) -> npt.NDArray[np.float64]:
    """Rating of each frame, about 0..1.

    Args:
        features: (B, D) image features, not normalised.

    Returns:
        (B,).

    Example:
        >>> aesthetic_ratings(np.array([[3.0, 4.0]]), (np.array([5.0, 0.0]), 2.0)).tolist()
        [0.5]
    """
    weight, bias = head
    rows = features.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray((rows @ weight.astype(np.float64) + bias) / 10.0)


class AestheticQuality:
    """Update with chunks of one video, then compute. Holds one sum.

    Args:
        encode: CLIP's pictures (B, 3, 224, 224) to image features (B, D).
        batch: pictures per call of ``encode``.
    """

    dimension = "aesthetic_quality"

    def __init__(self, encode: Encoder, head: Head, batch: int = 4) -> None:
        self._encode = encode
        self._head = head
        self._batch = batch
        self._total = 0.0
        self._frames = 0

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""
        self.update_features(encoded(self._encode, chunk.clip_input, self._batch))

    def update_features(self, features: npt.NDArray[np.floating]) -> None:
        """Add the image features (B, D) of the next frames."""
        self._total += float(aesthetic_ratings(features, self._head).sum())
        self._frames += len(features)

    def compute(self) -> VideoScore:
        """The score so far; undefined without frames or when a feature is not a number."""
        if not self._frames:
            return VideoScore.undefined(self.dimension, 0, "has no frames")
        return VideoScore.of(self.dimension, self._total, self._frames, self._frames)


def load_aesthetic_head(path: Path) -> Head:
    """Load ``sa_0_4_vit_l_14_linear.pth``.

    Raises:
        WeightsError: the file is absent or is not a head for 768 features.
    """
    from evaluation.features.video.networks.checkpoints import read_state_dict

    state = read_state_dict(path)
    shapes = {name: math.prod(tensor.shape) for name, tensor in state.items()}
    if shapes != {"weight": 768, "bias": 1}:
        raise WeightsError(f"{path}: not an aesthetic head (weight of 768, bias of 1), it holds {shapes}")
    return state["weight"].float().numpy().reshape(-1), float(state["bias"])
