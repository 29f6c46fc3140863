"""FVD: how far apart the I3D logits of generated and of real videos lie (Unterthiner et al. 2018).

One clip per video, its first frames. With few videos it says more about their number than about their quality: n is
part of every result.

Legend: N videos, D = 400 logits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics.distances import frechet_distance
from evaluation.metrics.estimate import Estimate, Resampling, RowStatistic
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import Tables

__all__ = ["METRICS"]

_FEW_VIDEOS = 256
"""Under this many videos in either set it is not to be compared with published values."""


def _logits(tables: Tables, side: Side) -> dict[str, npt.NDArray[np.float32]]:
    """Clip -> (D,) of the videos that have some."""
    return {row.clip_id: row.logits for row in tables.videos.get(side, ()) if row.logits is not None}


def _estimate(tables: Tables) -> Estimate:
    if "fvd" in tables.missing:
        return Estimate(reason=tables.missing["fvd"])
    mine, real = (_logits(tables, side) for side in ("prediction", "reference"))
    estimate = Estimate(len(mine), n_reference=len(real))
    protocol = tables.protocol
    least, frames = max(2, protocol.statistics.min_n), protocol.pairs.fvd.frames if protocol.pairs else 0
    if min(len(mine), len(real)) < least:
        estimate.reason = (
            f"FVD needs {least} videos of {frames} frames or more on each side, there are {len(mine)} "
            f"generated and {len(real)} real"
        )
        return estimate
    first, second = (np.stack(list(side.values())).astype(np.float64) for side in (mine, real))
    drawn = Resampling(
        [np.array([row], np.intp) for row in range(len(first))],
        [np.array([row], np.intp) for row in range(len(second))],
        list(mine) == list(real),
        protocol,
    )
    estimate.value = frechet_distance(first, second)
    drawn.interval(estimate, lambda a, b: frechet_distance(first[a], second[b]), (0.0, np.inf))
    drawn.floor(estimate, lambda a, b: frechet_distance(second[a], second[b]))
    if min(len(mine), len(real)) < _FEW_VIDEOS:
        estimate.cautions.append(
            f"{min(len(mine), len(real))} videos: under {_FEW_VIDEOS}, FVD says more about their number than "
            "about their quality"
        )
    return estimate


def _statistic(tables: Tables) -> RowStatistic:
    """Of rows of videos; a row without logits must not be drawn."""
    width = next((len(logits) for logits in _logits(tables, "reference").values()), 0)
    first, second = (
        np.array(
            [np.full(width, np.nan) if row.logits is None else row.logits for row in tables.videos[side]],
            np.float64,
        )
        for side in ("prediction", "reference")
    )
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
    ),
)
