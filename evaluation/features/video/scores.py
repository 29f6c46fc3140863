"""What a dimension says about one video, and how videos become one number.

Per-video units are upstream's: imaging quality 0..100, the other five 0..1. Dataset numbers are 0..1
throughout, and a table shows 100 times them. Upstream weights subject and background consistency by frame
pairs, so that a long bad video counts more than a short one; on several GPUs its subject consistency silently
becomes the plain mean of the videos. Both means are kept here, and :attr:`DatasetScore.value` is the one a
single process reports.

A dimension that cannot be measured is ``None`` with a reason. It never becomes a number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DIMENSIONS", "PAIR_WEIGHTED", "DatasetScore", "VideoScore", "dataset_score"]

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

_PER_VIDEO_SCALE = {"imaging_quality": 100.0}


@dataclass(frozen=True)
class VideoScore:
    """One dimension of one video.

    Attributes:
        value: the score in upstream's per-video unit, ``None`` where it is undefined.
        reason: why ``value`` is ``None``.
        num_frames: frames the video has.
        num_samples: what ``value`` is the mean of: frames (IQ, AQ), pairs of frames (SC, BC, TF) or predicted
            frames (MS).
    """

    dimension: str
    value: float | None
    num_frames: int
    num_samples: int
    reason: str | None = None

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


@dataclass(frozen=True)
class DatasetScore:
    """One dimension over a set of videos, 0..1.

    Attributes:
        value: what upstream reports from one process.
        video_mean: every video counts the same.
        sample_mean: every frame (or pair of frames) counts the same.
        num_videos: videos that have a score.
        missing: how many videos have none; nothing stands in for them.
    """

    dimension: str
    value: float | None
    video_mean: float | None
    sample_mean: float | None
    num_videos: int
    missing: int


def dataset_score(scores: Sequence[VideoScore]) -> DatasetScore:
    """Average the scores of one dimension over videos.

    Args:
        scores: all of one dimension; those without a value are counted and left out.

    Raises:
        ValueError: ``scores`` is empty or mixes dimensions.

    Example:
        >>> short = VideoScore("subject_consistency", 1.0, 2, 1)
        >>> long = VideoScore("subject_consistency", 0.5, 4, 3)
        >>> total = dataset_score([short, long])
        >>> total.value, total.video_mean
        (0.625, 0.75)
    """
    names = {score.dimension for score in scores}
    if len(names) != 1:
        raise ValueError(f"scores of exactly one dimension are averaged, got {sorted(names) or 'none'}")
    dimension = names.pop()
    scale = _PER_VIDEO_SCALE.get(dimension, 1.0)
    defined = [(score.value, score.num_samples) for score in scores if score.value is not None]
    missing = len(scores) - len(defined)
    if not defined:
        return DatasetScore(dimension, None, None, None, 0, missing)
    video_mean = math.fsum(value for value, _ in defined) / len(defined) / scale
    weight = sum(samples for _, samples in defined)
    sample_mean = math.fsum(value * samples for value, samples in defined) / weight / scale
    value = sample_mean if dimension in PAIR_WEIGHTED else video_mean
    return DatasetScore(dimension, value, video_mean, sample_mean, len(defined), missing)
