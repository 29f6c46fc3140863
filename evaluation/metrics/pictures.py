"""Means of what was seen in the pictures of every video, with their intervals: what metrics of pictures share.

Intervals resample whole videos; a weighted mean enters the bootstrap through the linearised ratio of its sums.

Legend: N videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.features.video.scores import VideoScore
from evaluation.features.video_rows import VideoRow
from evaluation.metrics.estimate import Estimate, set_mean_interval
from evaluation.metrics.spec import Side
from evaluation.metrics.tables import Column, Tables

__all__ = ["Reading", "mean_of_videos", "video_column"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """How a metric is read off the scores of a video.

    Attributes:
        name: of the metric; names the stream of its bootstrap.
        source: the score it is made of.
        convert: from the unit of the score to that of the metric.
        weighted: frames (or pairs of frames) weigh, so that a long video counts more; else where the protocol pools.
        bounds: of its interval.
        beside: the same number of the real videos stands beside it.
        caution: what a reader must know.
    """

    name: str
    source: str
    convert: Callable[[float], float] = float
    weighted: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)
    beside: bool = True
    caution: str = ""


def video_column(tables: Tables, side: Side, reading: Reading) -> Column:
    """The metric of every video of a side."""
    scores = [row.scores.get(reading.source) for row in tables.videos.get(side, ())]
    values = [_value(score, reading) for score in scores]
    pooled = tables.protocol.pairs is not None and tables.protocol.pairs.pooled
    weights = None
    if pooled or reading.weighted:
        weights = np.array([score.num_samples if score else 0 for score in scores], np.float64)
    return Column(np.array(values, np.float64), weights)


def _value(score: VideoScore | None, reading: Reading) -> float:
    if score is None or score.value is None:
        return float("nan")
    return reading.convert(score.value)


def mean_of_videos(tables: Tables, reading: Reading) -> Estimate:
    """The mean over videos, its interval, and beside it the same of the real videos."""
    if reading.source in tables.missing:
        return Estimate(reason=tables.missing[reading.source])
    rows, column = tables.videos.get("prediction", ()), video_column(tables, "prediction", reading)
    estimate = _mean(column, reading, tables)
    if not estimate.n:
        estimate.reason = _why_none(rows, reading.source)
        return estimate
    if estimate.n < len(rows):
        estimate.cautions.append(f"{len(rows) - estimate.n} of {len(rows)} videos have no value")
    if reading.caution:
        estimate.cautions.append(reading.caution)
    real = (
        _mean(video_column(tables, "reference", reading), reading, tables) if reading.beside else Estimate()
    )
    if real.n:
        estimate.n_reference, estimate.reference, estimate.reference_ci95 = real.n, real.value, real.ci95
    return estimate


def _mean(column: Column, reading: Reading, tables: Tables) -> Estimate:
    there = np.isfinite(column.values)
    estimate = Estimate(int(there.sum()))
    if not estimate.n:
        return estimate
    values = column.values[there]
    weights = np.ones(len(values)) if column.weights is None else column.weights[there]
    mean = float((values * weights).sum() / weights.sum())
    estimate.value = mean
    influence = mean + weights * (values - mean) / weights.mean()
    rng = np.random.default_rng([tables.protocol.statistics.seed, *reading.name.encode()])
    set_mean_interval(estimate, influence, rng, reading.bounds)
    return estimate


def _why_none(rows: Sequence[VideoRow], name: str) -> str:
    """The most frequent reason, and how many videos share it."""
    reasons = Counter[str]()
    for row in rows:
        score = row.scores.get(name)
        if row.fault is not None:
            reasons[row.fault[1]] += 1
        elif score is not None and score.reason:
            reasons[score.reason] += 1
    if not reasons:
        return "no video was measured"
    text, count = reasons.most_common(1)[0]
    return text if count == len(rows) else f"no video has a value: {text} ({count} of {len(rows)})"
