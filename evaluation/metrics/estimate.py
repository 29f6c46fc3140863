"""A metric in the making: its value, its interval from resampled clips, its noise floor.

Whole clips are resampled, so that windows of one clip never count as independent. The interval of a distance
has the bias of finite n removed and therefore lies below the plain value, which holds that bias.

Legend: N rows, C clips.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.metrics.spec import Direction, MetricSpec, Side
from evaluation.metrics.tables import Column, Tables
from evaluation.protocol import Protocol
from evaluation.result import Metric
from evaluation.stats.estimate import noise_floor
from evaluation.stats.intervals import half_sampling_interval, mean_interval

__all__ = [
    "Estimate",
    "Resampling",
    "RowStatistic",
    "Rows",
    "clip_groups",
    "column_of",
    "estimate_of",
    "on_clips",
    "resampling",
    "row_statistic",
    "sized",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
RowStatistic = Callable[[Rows, Rows], float]

_HIGHER: dict[Direction, bool | None] = {"higher": True, "lower": False, "reference": None, "none": None}


@dataclass
class Estimate:
    """What :class:`~evaluation.result.Metric` needs besides the spec."""

    n: int = 0
    value: float | None = None
    reason: str | None = None
    n_reference: int | None = None
    ci95: tuple[float, float] | None = None
    ci_method: str | None = None
    noise_floor: float | None = None
    noise_floor_n: int | None = None
    reference: float | None = None
    reference_ci95: tuple[float, float] | None = None
    cautions: list[str] = field(default_factory=list)

    def set_interval(self, low: float, high: float, method: str) -> None:
        """Take an interval, unless it is not finite."""
        if np.isfinite(low) and np.isfinite(high):
            self.ci95, self.ci_method = (float(low), float(high)), method
        else:
            self.cautions.append(f"no interval: {method} gave one that is not finite")

    def finish(self, spec: MetricSpec, protocol: Protocol) -> Metric:
        """The metric: a finite value, or a reason."""
        finite = self.value is not None and bool(np.isfinite(self.value))
        reason = self.reason or ("not computed" if self.value is None else "the value is not finite")
        return Metric(
            name=spec.name,
            track=spec.track,
            value=self.value if finite else None,
            reason=None if finite else reason,
            unit=spec.unit,
            higher_is_better=_HIGHER[spec.direction_in(protocol.kind)],
            n=self.n,
            n_reference=self.n_reference,
            ci95=self.ci95 if finite else None,
            ci_method=self.ci_method if finite else None,
            noise_floor=self.noise_floor,
            noise_floor_n=self.noise_floor_n,
            reference=self.reference,
            reference_ci95=self.reference_ci95,
            caution="; ".join(self.cautions) or None,
            version=spec.version,
        )


def clip_groups(features: FeatureTable) -> list[Rows]:
    """Rows of each clip, clips in order of their first row."""
    rows: dict[str, list[int]] = {}
    for row, clip in enumerate(features.clip_ids):
        rows.setdefault(clip, []).append(row)
    return [np.array(members, np.intp) for members in rows.values()]


def on_clips(
    statistic: RowStatistic, prediction: list[Rows], reference: list[Rows]
) -> Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]:
    """A statistic of rows as one of clip numbers."""

    def of_clips(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
        left = np.concatenate([prediction[int(clip)] for clip in first])
        right = np.concatenate([reference[int(clip)] for clip in second])
        return statistic(left, right)

    return of_clips


@dataclass(frozen=True)
class Resampling:
    """Resampling of two sides, clip by clip.

    Attributes:
        prediction, reference: rows of each clip.
        paired: clip i of both sides belongs together.
    """

    prediction: list[Rows]
    reference: list[Rows]
    paired: bool
    protocol: Protocol

    def rng(self, name: str) -> np.random.Generator:
        """A stream for each purpose, so that no number depends on which others are asked for."""
        return np.random.default_rng([self.protocol.statistics.seed, zlib.crc32(name.encode())])

    def interval(
        self, estimate: Estimate, statistic: RowStatistic, bounds: tuple[float, float] = (-np.inf, np.inf)
    ) -> None:
        """Give ``estimate`` the half-sampling interval of a statistic of two sets of rows, within its bounds."""
        try:
            found = half_sampling_interval(
                on_clips(statistic, self.prediction, self.reference),
                np.arange(len(self.prediction), dtype=np.float64),
                np.arange(len(self.reference), dtype=np.float64),
                self.rng("halves"),
                replicates=self.protocol.statistics.resamples,
                minimum=bounds[0],
                paired=self.paired,
            )
        except ValueError as error:
            estimate.cautions.append(f"no interval: {error}")
            return
        estimate.set_interval(min(found.low, bounds[1]), min(found.high, bounds[1]), found.method)

    def floor(self, estimate: Estimate, statistic: RowStatistic) -> None:
        """Give ``estimate`` the value of a statistic of reference rows between two parts of the reference."""
        try:
            found = noise_floor(
                on_clips(statistic, self.reference, self.reference),
                np.arange(len(self.reference), dtype=np.float64),
                len(self.prediction),
                self.rng("floor"),
                repeats=self.protocol.statistics.floor_repeats,
            )
        except ValueError as error:
            estimate.cautions.append(f"no noise floor: {error}")
            return
        if not np.isfinite(found.value):
            return
        estimate.noise_floor, estimate.noise_floor_n = found.value, found.size
        if not found.size == len(self.prediction) == len(self.reference):
            estimate.cautions.append(f"the noise floor is that of two parts of {found.size} reference clips")

    def mean(self, estimate: Estimate, values: Floats, name: str, bounds: tuple[float, float]) -> None:
        """Give ``estimate`` the mean over the rows that have a value, with its interval within ``bounds``.

        The bootstrap draws clips; windows of a clip enter through the linearised ratio of sums to counts.
        """
        there = np.isfinite(values)
        estimate.n = int(there.sum())
        if not there.any():
            estimate.reason = "no clip has a value"
            return
        mean = float(values[there].mean())
        estimate.value = mean
        sums = np.array([values[rows][there[rows]].sum() for rows in self.prediction])
        sizes = np.array([there[rows].sum() for rows in self.prediction])
        kept = sizes > 0
        influence = mean + (sums - mean * sizes)[kept] * kept.sum() / sizes.sum()
        set_mean_interval(estimate, influence, self.rng(name), bounds)


def set_mean_interval(
    estimate: Estimate, influence: Floats, rng: np.random.Generator, bounds: tuple[float, float]
) -> None:
    """Give ``estimate`` the bootstrap interval of the mean of ``influence`` (C,), within ``bounds``."""
    try:
        found = mean_interval(influence, rng)
    except ValueError as error:
        estimate.cautions.append(f"no interval: {error}")
        return
    estimate.set_interval(max(found.low, bounds[0]), min(found.high, bounds[1]), found.method)


def resampling(tables: Tables) -> Resampling:
    """Resampling of the motion of both sides; clips of equal names in equal order belong together."""
    prediction, reference = tables.motion("prediction"), tables.motion("reference")
    paired = list(dict.fromkeys(prediction.clip_ids)) == list(dict.fromkeys(reference.clip_ids))
    return Resampling(clip_groups(prediction), clip_groups(reference), paired, tables.protocol)


def sized(tables: Tables) -> Estimate:
    """An estimate of the motion of two sets with their sizes, and with a reason where they are too small."""
    prediction, reference = tables.motion("prediction"), tables.motion("reference")
    estimate = Estimate(len(prediction), n_reference=len(reference))
    least = tables.protocol.statistics.min_n
    if min(len(prediction), len(reference)) < least:
        sizes = f"{len(prediction)} predictions and {len(reference)} references"
        estimate.reason = f"needs at least {least} clips on each side, there are {sizes}"
    return estimate


def column_of(spec: MetricSpec, tables: Tables, side: Side) -> Column | None:
    """The metric of single clips of one side; ``None`` where they have none.

    Raises:
        ValueError: the feature table does not hold what it is made of.
    """
    if spec.values is not None:
        return spec.values(tables, side)
    if spec.per_clip is None:
        return None
    scalars = tables.motion(side).scalars
    if spec.name not in scalars:
        raise ValueError(f"the features hold no column {spec.name}: they were measured without it")
    return Column(scalars[spec.name])


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
    tables.shared(resampling).mean(estimate, values, spec.name, spec.bounds)
    absent = int(np.isnan(values).sum())
    if absent and tables.protocol.kind == "official":
        estimate.value = None
        estimate.reason = f"upstream prints nan: {absent} of {len(values)} clips have no value"
    elif absent:
        estimate.cautions.append(f"{absent} of {len(values)} rows have {spec.absent} and are left out")
    beside = column_of(spec, tables, "reference")
    if beside is not None and np.isfinite(beside.values).any():
        estimate.reference = float(np.nanmean(beside.values))
    return estimate


def of_sets(spec: MetricSpec, tables: Tables) -> Estimate:
    """A metric of two tables: its interval from resampled clips, its noise floor from two parts of the reference."""
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
    drawn = tables.shared(resampling)
    drawn.interval(estimate, between, spec.bounds)
    drawn.floor(estimate, within)
    return estimate


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
