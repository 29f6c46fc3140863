"""What a dimension says about one video, in the unit upstream gives it.

Imaging quality is 0..100, the other five 0..1; a data set's number is 0..1 throughout
(:mod:`evaluation.metrics.vbench`). A dimension that cannot be measured is ``None`` with a reason. It never becomes a
number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["DIMENSIONS", "PAIR_WEIGHTED", "VideoScore"]

DIMENSIONS = (
    "imaging_quality",
    "aesthetic_quality",
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "temporal_flickering",
)
"""The six dimensions in the order of the paper's Table 1 (IQ, AQ, SC, BC, MS, TF)."""

PAIR_WEIGHTED = frozenset({"subject_consistency", "background_consistency"})
"""Dimensions whose dataset number is weighted by frame pairs."""


@dataclass(frozen=True)
class VideoScore:
    """One dimension of one video.

    Attributes:
        value: the score in upstream's per-video unit, ``None`` where it is undefined.
        reason: why ``value`` is ``None``.
        num_frames: frames the video has.
        num_samples: what ``value`` is the mean of: frames (IQ, AQ), pairs of frames (SC, BC, TF) or predicted
            frames (MS).
        kept: (S * D,) what is kept of the video besides, D numbers for each of its seconds; ``None`` where nothing is.
    """

    dimension: str
    value: float | None
    num_frames: int
    num_samples: int
    reason: str | None = None
    kept: npt.NDArray[np.float64] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, dimension: str, total: float, num_samples: int, num_frames: int) -> VideoScore:
        """The mean of values that add up to ``total``; undefined when that is not a number."""
        value = total / num_samples
        if not math.isfinite(value):
            return cls.undefined(dimension, num_frames, "the network gave values that are not numbers")
        return cls(dimension, value, num_frames, num_samples)

    @classmethod
    def undefined(cls, dimension: str, num_frames: int, reason: str) -> VideoScore:
        """A score that does not exist, and why."""
        return cls(dimension, None, num_frames, 0, reason)
