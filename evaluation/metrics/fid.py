"""FID of motion: how far apart two sets of dances lie (``fid_k``, ``fid_g``), and its limit for many clips.

``FID = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr (S1 S2)^(1/2)`` of kinetic (k) or geometric (g) features. Published
definitions take the trace of a matrix root. The printed value is that of these few clips, and too large by what few
clips do; the interval is that of infinitely many (:mod:`evaluation.stats.frechet`), in the space in which the printed
value stands.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from evaluation.definitions import VARIANTS
from evaluation.metrics.distances import extrapolated_frechet, frechet_distance, official_frechet
from evaluation.metrics.estimate import ClipSources, Estimate, Rows, RowStatistic, clip_sources, sized
from evaluation.metrics.feature_space import FeatureSpace, Part, feature_space, sized_space
from evaluation.metrics.nearest import nearest_real
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.jackknife import BlockEstimate

__all__ = ["METRICS"]


def _value(space: FeatureSpace) -> float:
    variant = VARIANTS.get(space.protocol.definition)
    if variant is None:
        return frechet_distance(space.prediction, space.reference)
    return official_frechet(space.prediction, space.reference, variant.frechet)


def _fid(tables: Tables, part: Part) -> Estimate:
    """One FID; computed once for itself and for its limit."""
    estimate, space = sized_space(tables, part)
    if space is None:
        return estimate
    try:
        estimate.value = _value(space)
    except ValueError as error:
        estimate.reason = str(error)
    smaller, width = min(len(space.prediction), len(space.reference)), space.prediction.shape[1]
    if smaller <= width:
        estimate.cautions.append(
            f"n = {smaller} is not above the {width} features: the covariances are singular, and the value "
            "is far above that of many clips"
        )
    drawn = tables.shared(clip_sources)
    drawn.interval(estimate, lambda: _blocks(tables, drawn, part).interval(minimum=0.0), limit=True)
    drawn.floor(estimate, lambda first, second: frechet_distance(*space.within(first, second)))
    return estimate


def _between(space: FeatureSpace, rows: Rows, real: Rows) -> float:
    return frechet_distance(*space.between(rows, real))


def _blocks(tables: Tables, drawn: ClipSources, part: Part) -> BlockEstimate:
    space = tables.shared(feature_space, part)
    rng = drawn.rng("halves")
    return frechet_estimate(space.prediction, space.reference, drawn.design, rng, splits=drawn.splits)


def _statistic(tables: Tables, part: Part) -> RowStatistic:
    return partial(_between, tables.shared(feature_space, part))


def _limit(tables: Tables, part: Part) -> Estimate:
    """The value at 1/n = 0, with the interval of the FID, from which the bias of finite n is removed already."""
    whole, estimate = tables.shared(_fid, part), sized(tables)
    try:
        space = tables.shared(feature_space, part)
        if estimate.reason is None:
            rng = tables.shared(clip_sources).rng(f"fid_{part}_infinity")
            estimate.value = max(0.0, extrapolated_frechet(space.prediction, space.reference, rng))
            if whole.ci95 is not None:
                low, high = min(whole.ci95[0], estimate.value), max(whole.ci95[1], estimate.value)
                estimate.set_interval(low, high, whole.ci_method or "")
    except ValueError as error:
        estimate.reason = estimate.reason or str(error)
    return estimate


def _specs(part: Part, kind: str) -> tuple[MetricSpec, MetricSpec]:
    plain = MetricSpec(
        name=f"fid_{part}",
        version=1,
        label=f"FID_{part}",
        title=f"Fréchet distance of {kind} features",
        needs=frozenset({"keypoints"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        estimate=lambda tables: tables.shared(_fid, part),
        statistic=lambda tables: _statistic(tables, part),
        blocks=lambda tables, drawn: _blocks(tables, drawn, part),
        samples=nearest_real,
    )
    limit = replace(
        plain,
        name=f"fid_{part}_infinity",
        label=f"FID_{part},∞",
        title=f"FID_{part} extrapolated to infinitely many clips",
        estimate=lambda tables: _limit(tables, part),
        compared=False,
    )
    return plain, limit


METRICS = (*_specs("k", "kinetic"), *_specs("g", "geometric"))
