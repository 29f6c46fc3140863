"""KID of motion: the kernel distance of two sets of dances (``kid_k``, ``kid_g``), unbiased at every n.

The unbiased squared maximum mean discrepancy with the kernel ``(x.y / D + 1)^3`` (Binkowski et al. 2018); it lies
around 0, also below, for sets of one kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics.distances import kernel_distance
from evaluation.metrics.estimate import ClipSources, Estimate, RowStatistic, clip_sources
from evaluation.metrics.feature_space import Part, feature_space, sized_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.stats.jackknife import BlockEstimate
from evaluation.stats.pairs import kernel_estimate

__all__ = ["METRICS"]


def _kid(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    unused = np.random.default_rng(0)  # the deviation over subsets is not asked for
    return kernel_distance(first, second, unused, subset_size=1).value


def _estimate(tables: Tables, part: Part) -> Estimate:
    estimate, space = sized_space(tables, part)
    if space is None:
        return estimate
    try:
        estimate.value = _kid(space.prediction, space.reference)
    except ValueError as error:
        estimate.reason = str(error)
        return estimate
    drawn = tables.shared(clip_sources)
    drawn.interval(estimate, lambda: _blocks(tables, drawn, part).interval())
    drawn.floor(estimate, lambda first, second: _kid(*space.within(first, second)))
    return estimate


def _blocks(tables: Tables, drawn: ClipSources, part: Part) -> BlockEstimate:
    space = tables.shared(feature_space, part)
    return kernel_estimate(space.prediction, space.reference, drawn.design)


def _statistic(tables: Tables, part: Part) -> RowStatistic:
    space = tables.shared(feature_space, part)
    return lambda rows, real: _kid(*space.between(rows, real))


def _spec(part: Part, kind: str) -> MetricSpec:
    return MetricSpec(
        name=f"kid_{part}",
        version=1,
        label=f"KID_{part}",
        title=f"Kernel distance of {kind} features, unbiased",
        needs=frozenset({"keypoints"}),
        direction="lower",
        beside=f"fid_{part}",
        estimate=lambda tables: _estimate(tables, part),
        statistic=lambda tables: _statistic(tables, part),
        blocks=lambda tables, drawn: _blocks(tables, drawn, part),
        samples=nearest_real,
    )


METRICS = (_spec("k", "kinetic"), _spec("g", "geometric"))
