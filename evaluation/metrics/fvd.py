"""FVD: how far apart the I3D logits of generated and of real videos lie (Unterthiner et al. 2018).

One clip per video, its first frames. With few videos it says more about their number than about their quality: n is
part of every result.

Legend: N videos, D = 400 logits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics.distances import frechet_distance
from evaluation.metrics.estimate import ClipSources, Estimate, RowStatistic
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import Tables
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.jackknife import BlockEstimate

__all__ = ["METRICS"]

_FEW_VIDEOS = 256
"""Under this many videos in either set it is not to be compared with published values."""


def _logits(tables: Tables, side: Side) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The videos that have logits, and these (n, D)."""
    table = tables.videos.get(side)
    if table is None or not table.logits.shape[1]:
        return [], np.empty((0, 0))
    there = np.flatnonzero(np.isfinite(table.logits).all(axis=1))
    return [table.clip_ids[row] for row in there], table.logits[there].astype(np.float64)


def _estimate(tables: Tables) -> Estimate:
    if "fvd" in tables.missing:
        return Estimate(reason=tables.missing["fvd"])
    (clips, first), (real, second) = (_logits(tables, side) for side in ("prediction", "reference"))
    estimate = Estimate(len(first), n_reference=len(second))
    protocol = tables.protocol
    least, frames = max(2, protocol.statistics.min_n), protocol.pairs.fvd.frames if protocol.pairs else 0
    if min(len(first), len(second)) < least:
        estimate.reason = (
            f"FVD needs {least} videos of {frames} frames or more on each side, there are {len(first)} "
            f"generated and {len(second)} real"
        )
        return estimate
    drawn = ClipSources.of(clips, real, protocol)
    estimate.value = frechet_distance(first, second)
    drawn.interval(estimate, lambda: _blocks(tables, drawn).interval(minimum=0.0), limit=True)
    drawn.floor(estimate, lambda a, b: frechet_distance(second[a], second[b]))
    if min(len(first), len(second)) < _FEW_VIDEOS:
        estimate.cautions.append(
            f"{min(len(first), len(second))} videos: under {_FEW_VIDEOS}, FVD says more about their number than "
            "about their quality"
        )
    return estimate


def _blocks(tables: Tables, drawn: ClipSources) -> BlockEstimate:
    """Of the videos that have logits, whose songs or sources ``drawn`` holds."""
    (_, first), (_, second) = (_logits(tables, side) for side in ("prediction", "reference"))
    return frechet_estimate(first, second, drawn.design, drawn.rng("halves"), splits=drawn.splits)


def _statistic(tables: Tables) -> RowStatistic:
    """Of rows of videos; a row without logits must not be drawn."""
    first, second = (tables.videos[side].logits.astype(np.float64) for side in ("prediction", "reference"))
    return lambda rows, real: frechet_distance(first[rows], second[real])


METRICS = (
    MetricSpec(
        name="fvd",
        version=1,
        label="FVD",
        title="Fréchet video distance",
        needs=frozenset({"pairs"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        scores=("fvd",),
        estimate=_estimate,
        statistic=_statistic,
        blocks=_blocks,
    ),
)
