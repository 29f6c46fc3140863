"""DIV: how much the dances of a set differ from each other (``div_k``, ``div_g``).

The mean distance of all pairs of clips. Noise and glitches raise it as well, so that the nearer to the reference the
better; published scripts and the paper's tables say the higher the better.
"""

from __future__ import annotations

import numpy as np

from evaluation.metrics.distances import diversity
from evaluation.metrics.estimate import ClipSources, Estimate, RowStatistic, clip_sources
from evaluation.metrics.feature_space import Part, feature_space, sized_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.stats.jackknife import BlockEstimate
from evaluation.stats.pairs import diversity_estimate

__all__ = ["METRICS"]

_BOUNDS = (0.0, np.inf)


def _estimate(tables: Tables, part: Part) -> Estimate:
    estimate, space = sized_space(tables, part)
    if space is None:
        return estimate
    estimate.value, estimate.reference = diversity(space.prediction), diversity(space.reference)
    drawn = tables.shared(clip_sources)
    drawn.interval(
        estimate, lambda: diversity_estimate(space.prediction, drawn.blocks()).interval(minimum=0.0)
    )
    if estimate.ci95 is not None:
        real = diversity_estimate(space.reference, drawn.design.reference).interval(minimum=0.0)
        low, high = min(real.low, estimate.reference), max(real.high, estimate.reference)
        estimate.reference_ci95 = (low, high) if np.isfinite([low, high]).all() else None
    if tables.protocol.kind == "corrected" and estimate.value > estimate.reference:
        estimate.cautions.append("above the reference: noise and glitches raise it as well")
    return estimate


def _blocks(tables: Tables, drawn: ClipSources, part: Part) -> BlockEstimate:
    return diversity_estimate(tables.shared(feature_space, part).prediction, drawn.blocks())


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
        blocks=lambda tables, drawn: _blocks(tables, drawn, part),
        samples=nearest_real,
    )


METRICS = (_spec("k", "kinetic"), _spec("g", "geometric"))
