"""Precision, recall, density and coverage of two sets of dances (Naeem et al. 2020).

Precision and density: are generated dances near real ones? Recall and coverage: are real dances near generated ones?
All four come from one computation of nearest neighbours in kinetic and geometric features together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.distances import Manifold, manifold_scores
from evaluation.metrics.estimate import Estimate, Rows, RowStatistic, resampling, sized
from evaluation.metrics.feature_space import joint_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables

__all__ = ["METRICS"]

_NEIGHBOURS = 5

Manifolds = Callable[[Rows, Rows], Manifold]


def _between(tables: Tables) -> Manifolds:
    return _manifolds(*tables.shared(joint_space))


def _within(tables: Tables) -> Manifolds:
    real = tables.shared(joint_space)[1]
    return _manifolds(real, real)


def _manifolds(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Manifolds:
    """All four of rows of two sets; all four meet the same resamples, so that each is computed once."""
    known: dict[tuple[bytes, bytes], Manifold] = {}

    def of_rows(rows: Rows, real: Rows) -> Manifold:
        key = (rows.tobytes(), real.tobytes())
        if key not in known:
            known[key] = manifold_scores(first[rows], second[real], neighbours=_NEIGHBOURS)
        return known[key]

    return of_rows


def _estimate(tables: Tables, name: str, bounds: tuple[float, float]) -> Estimate:
    estimate = sized(tables)
    if estimate.reason is not None:
        return estimate
    size, size_reference = estimate.n, estimate.n_reference or 0
    if min(size, size_reference) <= _NEIGHBOURS:
        estimate.reason = f"needs more than {_NEIGHBOURS} clips on each side"
        return estimate
    try:
        between, within = _statistic(tables, name), _one(tables.shared(_within), name)
        estimate.value = between(np.arange(size), np.arange(size_reference))
    except ValueError as error:
        estimate.reason = str(error)
        return estimate
    drawn = tables.shared(resampling)
    drawn.interval(estimate, between, bounds)
    drawn.floor(estimate, within)
    return estimate


def _statistic(tables: Tables, name: str) -> RowStatistic:
    return _one(tables.shared(_between), name)


def _one(manifolds: Manifolds, name: str) -> RowStatistic:
    return lambda rows, real: float(getattr(manifolds(rows, real), name))


def _spec(name: str, title: str, highest: float = 1.0) -> MetricSpec:
    bounds = (0.0, highest)
    return MetricSpec(
        name=name,
        version=1,
        label=name.capitalize(),
        title=title,
        needs=frozenset({"keypoints"}),
        direction="higher",
        bounds=bounds,
        estimate=lambda tables: _estimate(tables, name, bounds),
        statistic=lambda tables: _statistic(tables, name),
        samples=nearest_real,
        compared=False,
    )


METRICS = (
    _spec("precision", "Share of dances near real ones"),
    _spec("recall", "Share of real dances near generated ones"),
    _spec("density", "How densely real dances surround generated ones", np.inf),
    _spec("coverage", "Share of real dances with a generated one nearby"),
)
