"""Precision, recall, density and coverage of two sets of dances (Naeem et al. 2020).

Precision and density: are generated dances near real ones? Recall and coverage: are real dances near generated ones?
All four come from one computation of nearest neighbours in kinetic and geometric features together.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from evaluation.metrics.distances import Manifold, manifold_scores
from evaluation.metrics.estimate import Estimate, Rows, clip_sources, sized
from evaluation.metrics.feature_space import joint_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import BlockEstimate
from evaluation.stats.manifold import NEIGHBOURS, density_interval, manifold_estimates, share_interval

__all__ = ["METRICS"]

_NAMES = ("precision", "recall", "density", "coverage")


def _estimate(tables: Tables, name: str) -> Estimate:
    estimate = sized(tables)
    if estimate.reason is not None:
        return estimate
    if min(estimate.n, estimate.n_reference or 0) <= NEIGHBOURS:
        estimate.reason = f"needs more than {NEIGHBOURS} clips on each side"
        return estimate
    try:
        estimate.value = float(getattr(tables.shared(_scores), name))
    except ValueError as error:
        estimate.reason = str(error)
        return estimate
    drawn = tables.shared(clip_sources)
    drawn.interval(estimate, lambda: _interval(tables, name))
    floor = tables.shared(_floors).get(name)
    if floor is not None:
        estimate.noise_floor, estimate.noise_floor_n = floor.noise_floor, floor.noise_floor_n
        estimate.cautions += floor.cautions
    return estimate


def _scores(tables: Tables) -> Manifold:
    made, real = tables.shared(joint_space)
    return manifold_scores(made, real, neighbours=NEIGHBOURS)


def _estimates(tables: Tables) -> dict[str, BlockEstimate]:
    return manifold_estimates(*tables.shared(joint_space), tables.shared(clip_sources).design)


def _interval(tables: Tables, name: str) -> Interval:
    drawn, found = tables.shared(clip_sources), tables.shared(_estimates)
    sizes = len(drawn.prediction), len(drawn.reference)
    if name == "density":
        return density_interval(found[name], found["precision"], *sizes)
    return share_interval(found[name], *sizes)


def _floors(tables: Tables) -> dict[str, Estimate]:
    """What all four make of two parts of the reference, from one computation for each pair of parts."""
    real = tables.shared(joint_space)[1]
    known: dict[bytes, Manifold] = {}

    def of_rows(name: str, rows: Rows, others: Rows) -> float:
        key = rows.tobytes() + others.tobytes()
        if key not in known:
            known[key] = manifold_scores(real[rows], real[others], neighbours=NEIGHBOURS)
        return float(getattr(known[key], name))

    found = {name: Estimate() for name in _NAMES}
    for name, estimate in found.items():
        tables.shared(clip_sources).floor(estimate, partial(of_rows, name))
    return found


def _spec(name: str, title: str, highest: float = 1.0) -> MetricSpec:
    return MetricSpec(
        name=name,
        version=1,
        label=name.capitalize(),
        title=title,
        needs=frozenset({"keypoints"}),
        direction="higher",
        bounds=(0.0, highest),
        estimate=lambda tables: _estimate(tables, name),
        samples=nearest_real,
        compared=False,
    )


METRICS = (
    _spec("precision", "Share of dances near real ones"),
    _spec("recall", "Share of real dances near generated ones"),
    _spec("density", "How densely real dances surround generated ones", np.inf),
    _spec("coverage", "Share of real dances with a generated one nearby"),
)
