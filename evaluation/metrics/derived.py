"""What scoring and comparing derive from the spec of a metric, in whichever of its ways it is computed.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evaluation.metrics.estimate import ClipSources, Estimate, Rows, RowStatistic, clip_sources, sized
from evaluation.metrics.spec import Direction, MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables
from evaluation.protocol import Protocol
from evaluation.result import Metric
from evaluation.stats.jackknife import BlockEstimate, leave_out
from evaluation.stats.means import mean_estimate, mean_interval

__all__ = ["block_estimate", "column_of", "estimate_of", "finished", "row_statistic"]

_HIGHER: dict[Direction, bool | None] = {"higher": True, "lower": False, "reference": None, "none": None}


_BEYOND_REAL = (
    "better than the real clips beyond the noise of both: no dance is, so that something else is seen here "
    "(stillness, smoothness, noise)"
)


def finished(spec: MetricSpec, estimate: Estimate, protocol: Protocol) -> Metric:
    """The metric as a result states it: a finite value, or a reason."""
    finite = estimate.value is not None and bool(np.isfinite(estimate.value))
    reason = estimate.reason or ("not computed" if estimate.value is None else "the value is not finite")
    # Results have always stated the published direction where there is no value; they must re-score to the same.
    kind = "official" if estimate.value is None else protocol.kind
    cautions = list(estimate.cautions)
    if finite and _beyond_real(estimate, spec.direction_in(kind)):
        cautions.append(_BEYOND_REAL)
    return Metric(
        name=spec.name,
        track=spec.track,
        value=estimate.value if finite else None,
        reason=None if finite else reason,
        unit=spec.unit,
        higher_is_better=_HIGHER[spec.direction_in(kind)],
        n=estimate.n,
        n_reference=estimate.n_reference,
        ci95=estimate.ci95 if finite else None,
        ci_method=estimate.ci_method if finite else None,
        noise_floor=estimate.noise_floor,
        noise_floor_n=estimate.noise_floor_n,
        reference=estimate.reference,
        reference_ci95=estimate.reference_ci95,
        caution="; ".join(cautions) or None,
        version=spec.version,
        by_second=estimate.by_second if finite else None,
    )


def _beyond_real(estimate: Estimate, direction: Direction) -> bool:
    """Whether the whole interval is better than the value of the reference and its interval."""
    if estimate.ci95 is None or estimate.reference is None:
        return False
    low, high = estimate.reference_ci95 or (estimate.reference, estimate.reference)
    return (direction == "higher" and estimate.ci95[0] > high) or (
        direction == "lower" and estimate.ci95[1] < low
    )


def column_of(spec: MetricSpec, tables: Tables, side: Side) -> RowValues | None:
    """The metric of single clips of one side; ``None`` where they have none.

    Raises:
        ValueError: the feature table does not hold what it is made of.
    """
    if spec.values is not None:
        return spec.values(tables, side)
    if spec.per_clip is None:
        return None
    features = tables.motion(side)
    scalars = features.scalars
    if spec.name not in scalars:
        raise ValueError(f"the features hold no column {spec.name}: they were measured without it")
    return RowValues(scalars[spec.name], reasons=features.reasons(f"scalars/{spec.name}"))


def estimate_of(spec: MetricSpec, tables: Tables) -> Estimate:
    """A metric of one run; whatever prevents it becomes its reason."""
    if spec.track == "motion" and tables.prediction is None:
        return Estimate(reason=tables.no_motion)
    try:
        if spec.estimate is not None:
            found = spec.estimate(tables)
        elif spec.by_clip:
            found = mean_of_rows(spec, tables)
        else:
            found = of_sets(spec, tables)
    except ValueError as error:
        return Estimate(reason=str(error))
    if spec.caution and found.value is not None:
        found.cautions.append(spec.caution)
    return found


def mean_of_rows(spec: MetricSpec, tables: Tables) -> Estimate:
    """The mean of a metric of single clips; published scripts print nan where one clip has no value."""
    estimate = Estimate()
    found = column_of(spec, tables, "prediction")
    if found is None:
        return estimate
    values = found.values
    tables.shared(clip_sources).mean(estimate, found, spec.bounds)
    if not estimate.n and not any(found.reasons):
        estimate.reason = spec.absent
    absent = int(np.isnan(values).sum())
    if absent and tables.protocol.kind == "official":
        estimate.value = None
        estimate.reason = f"upstream prints nan: {absent} of {len(values)} clips have no value"
    elif absent:
        estimate.cautions.append(f"{absent} of {len(values)} rows have {spec.absent} and are left out")
    beside = column_of(spec, tables, "reference")
    if beside is not None and np.isfinite(beside.values).any():
        estimate.reference = float(np.nanmean(beside.values))
        estimate.reference_ci95 = _ends_of_reference(tables, beside, spec.bounds)
        if spec.panel and estimate.value is not None:
            # the others are older than this noise floor, and their results must re-score to the same
            tables.shared(clip_sources).floor_of_mean(estimate, beside)
    return estimate


def _ends_of_reference(
    tables: Tables, column: RowValues, bounds: tuple[float, float]
) -> tuple[float, float] | None:
    """The interval of the mean of the reference; nothing where it has too few songs."""
    units = tables.shared(clip_sources).reference
    try:
        found = mean_interval(
            column.values, units, weights=column.weights, minimum=bounds[0], maximum=bounds[1]
        )
    except ValueError:
        return None
    return found.low, found.high


def of_sets(spec: MetricSpec, tables: Tables) -> Estimate:
    """A metric of two tables: its interval from blocks left out, its noise floor from two parts of the reference."""
    estimate = sized(tables)
    if estimate.reason is not None:
        return estimate
    every = (np.arange(estimate.n), np.arange(estimate.n_reference or 0))
    try:
        between = row_statistic(spec, tables)
        within = row_statistic(spec, replace(tables, prediction=tables.reference, _known={}))
        if between is None or within is None:
            return estimate
        estimate.value = between(*every)
    except ValueError as error:
        estimate.reason = str(error)
        return estimate
    drawn = tables.shared(clip_sources)
    drawn.interval(
        estimate,
        lambda: leave_out(between, drawn.design).interval(minimum=spec.bounds[0], maximum=spec.bounds[1]),
    )
    drawn.floor(estimate, within)
    return estimate


def block_estimate(spec: MetricSpec, tables: Tables, drawn: ClipSources) -> BlockEstimate:
    """The metric with what each block of clips does to it, for comparing systems.

    Raises:
        ValueError: too few songs or sources, or the tables do not hold what it is made of.
    """
    if spec.blocks is not None:
        return spec.blocks(tables, drawn)
    if spec.by_clip:
        column = column_of(spec, tables, "prediction")
        if column is None:
            raise ValueError(f"{spec.name} has no value for single clips")
        return mean_estimate(column.values, drawn.blocks(), column.weights)
    statistic = row_statistic(spec, tables)
    if statistic is None:
        raise ValueError(f"{spec.name} is no number of sets or of single clips")
    return leave_out(statistic, drawn.design)


def row_statistic(spec: MetricSpec, tables: Tables) -> RowStatistic | None:
    """The metric as a function of rows of both sides, for whatever resamples them; ``None`` where it is none.

    Raises:
        ValueError: the tables do not hold what it is made of.
    """
    if spec.statistic is not None:
        return spec.statistic(tables)
    if spec.by_clip:
        column = column_of(spec, tables, "prediction")
        return None if column is None else lambda rows, real: column.mean(rows)
    if (function := spec.of_sets) is None:
        return None
    prediction, reference = tables.motion("prediction"), tables.motion("reference")

    def of_rows(rows: Rows, real: Rows) -> float:
        return guarded(spec, lambda: float(function(prediction.take(rows), reference.take(real))))

    return of_rows


def guarded(spec: MetricSpec, compute: Callable[[], float]) -> float:
    """What a metric of others gives.

    Raises:
        ValueError: it fails, with what it said.
    """
    try:
        return compute()
    except ValueError:
        raise
    except Exception as error:  # code of others: whatever it raises is theirs, and is said
        raise ValueError(f"{spec.name} failed: {type(error).__name__}: {error}") from error
