"""DIV: how much the dances of a set differ from each other (``div_k``, ``div_g``).

The mean distance of all pairs of clips. Noise and glitches raise it as well, so that the nearer to the reference the
better; published scripts and the paper's tables say the higher the better.
"""

from __future__ import annotations

import numpy as np

from evaluation.metrics.distances import diversity
from evaluation.metrics.estimate import Estimate, RowStatistic, resampling, sized
from evaluation.metrics.feature_space import Part, feature_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.stats.intervals import diversity_interval

__all__ = ["METRICS"]

_BOUNDS = (0.0, np.inf)


def _estimate(tables: Tables, part: Part) -> Estimate:
    estimate = sized(tables)
    if estimate.reason is not None:
        return estimate
    try:
        space = tables.shared(feature_space, part)
    except ValueError as error:
        estimate.reason = str(error)
        return estimate
    estimate.value, estimate.reference = diversity(space.prediction), diversity(space.reference)
    drawn = tables.shared(resampling)
    if len(drawn.prediction) == len(space.prediction):
        try:
            own, real = diversity_interval(space.prediction), diversity_interval(space.reference)
            estimate.set_interval(max(own.low, 0.0), own.high, own.method)
            if np.isfinite(real.low):
                estimate.reference_ci95 = (max(real.low, 0.0), real.high)
        except ValueError as error:
            estimate.cautions.append(f"no interval: {error}")
    else:
        drawn.interval(estimate, lambda rows, real: diversity(space.prediction[rows]), _BOUNDS)
    if tables.protocol.kind == "corrected" and estimate.value > estimate.reference:
        estimate.cautions.append("above the reference: noise and glitches raise it as well")
    return estimate


def _statistic(tables: Tables, part: Part) -> RowStatistic:
    space = tables.shared(feature_space, part)
    return lambda rows, real: diversity(space.between(rows, real)[0])


def _spec(part: Part, kind: str) -> MetricSpec:
    return MetricSpec(
        name=f"div_{part}",
        version=1,
        label=f"DIV_{part}",
        title=f"Diversity of {kind} features",
        needs=frozenset({"keypoints"}),
        direction="reference",
        published_direction="higher",
        bounds=_BOUNDS,
        decimals=2,
        estimate=lambda tables: _estimate(tables, part),
        statistic=lambda tables: _statistic(tables, part),
        samples=nearest_real,
    )


METRICS = (_spec("k", "kinetic"), _spec("g", "geometric"))
