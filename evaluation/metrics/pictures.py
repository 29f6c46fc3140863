"""Means of what was seen in the pictures of every video, with their intervals: what metrics of pictures share.

Intervals rest on songs and sources, so that videos of one source never count as so many.

Legend: N videos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.metrics.courses import course_of
from evaluation.metrics.estimate import ClipSources, Estimate
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables, why_none

__all__ = ["Reading", "completed", "mean_of_videos", "video_column"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """How a metric is read off the scores of a video.

    Attributes:
        name: of the metric.
        source: the score it is made of.
        convert: from the unit of the score to that of the metric.
        weighted: frames (or pairs of frames) weigh, so that a long video counts more; else where the protocol pools.
        bounds: of its interval.
        beside: the same number of the real videos stands beside it.
        caution: what a reader must know.
    """

    name: str
    source: str
    convert: Callable[[Floats], Floats] = np.asarray
    weighted: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)
    beside: bool = True
    caution: str = ""


def completed(spec: MetricSpec) -> MetricSpec:
    """A spec with ``per_video`` as one that is read off the scores of every video, and any other as it is."""
    if spec.per_video is None or spec.values is not None:
        return spec
    reading = Reading(spec.name, spec.name, bounds=spec.bounds)
    return replace(
        spec,
        scores=(spec.name,),
        values=lambda tables, side: video_column(tables, side, reading),
        estimate=spec.estimate or (lambda tables: mean_of_videos(tables, reading, floor=bool(spec.panel))),
    )


def video_column(tables: Tables, side: Side, reading: Reading) -> RowValues:
    """The metric of every video of a side."""
    table = tables.videos.get(side)
    if table is None:
        return RowValues(np.empty(0))
    pooled = tables.protocol.pairs is not None and tables.protocol.pairs.pooled
    weights = table.samples(reading.source).astype(np.float64) if pooled or reading.weighted else None
    return RowValues(reading.convert(table.score(reading.source)), weights)


def mean_of_videos(tables: Tables, reading: Reading, *, floor: bool = False) -> Estimate:
    """The mean over videos, its interval, and beside it the same of the real videos.

    Args:
        floor: with a noise floor, the distance between the means of two parts of the real videos.
    """
    if reading.source in tables.missing:
        return Estimate(reason=tables.missing[reading.source])
    table, column = tables.videos.get("prediction"), video_column(tables, "prediction", reading)
    estimate = _mean(column, reading, tables, table)
    if not estimate.n:
        estimate.reason = _why_no_value(table, reading.source)
        return estimate
    if (count := len(column.values)) > estimate.n:
        estimate.cautions.append(f"{count - estimate.n} of {count} videos have no value")
    if reading.caution:
        estimate.cautions.append(reading.caution)
    beside = tables.videos.get("reference") if reading.beside else None
    others = video_column(tables, "reference", reading)
    real = _mean(others, reading, tables, beside)
    if real.n:
        estimate.n_reference, estimate.reference, estimate.reference_ci95 = real.n, real.value, real.ci95
    estimate.by_second = course_of(tables, reading.source)
    if floor and table is not None and beside is not None:
        ClipSources.of(table.clip_ids, beside.clip_ids, tables.protocol).floor_of_mean(estimate, others)
    return estimate


def _mean(column: RowValues, reading: Reading, tables: Tables, table: FeatureTable | None) -> Estimate:
    estimate = Estimate()
    if table is None:
        return estimate
    clips = table.clip_ids
    ClipSources.of(clips, clips, tables.protocol).mean(estimate, column, reading.bounds)
    return estimate


def _why_no_value(table: FeatureTable | None, name: str) -> str:
    """The most frequent reason, and how many videos share it."""
    stated = table.reasons(name) if table is not None else ()
    return why_none(stated, "video") or "no video was measured"
