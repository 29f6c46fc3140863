"""A metric in the making: its value, its interval, its noise floor.

What is independent of each other are songs and sources (:mod:`evaluation.inputs.sources`), so that windows of a clip
and clips of a song never count as so many. An interval comes from leaving out blocks of them
(:mod:`evaluation.stats.jackknife`). That of a FID is of infinitely many clips: it has the bias of few clips removed and
therefore lies below the plain value, which holds that bias.

Legend: N rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.inputs.sources import rows_of_sources
from evaluation.metrics.spec import Direction, MetricSpec, Side
from evaluation.metrics.tables import Column, Tables
from evaluation.protocol import Protocol
from evaluation.result import Metric
from evaluation.stats.estimate import noise_floor
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import BLOCKS, BlockEstimate, Blocks, Design, Units, leave_out, too_few
from evaluation.stats.means import mean_estimate, mean_interval, units_with_value

__all__ = [
    "ClipSources",
    "Estimate",
    "RowStatistic",
    "Rows",
    "block_estimate",
    "clip_sources",
    "column_of",
    "estimate_of",
    "on_units",
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
        # Results have always stated the published direction where there is no value; they must re-score to the same.
        kind = "official" if self.value is None else protocol.kind
        return Metric(
            name=spec.name,
            track=spec.track,
            value=self.value if finite else None,
            reason=None if finite else reason,
            unit=spec.unit,
            higher_is_better=_HIGHER[spec.direction_in(kind)],
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


def on_units(
    statistic: RowStatistic, first: Units, second: Units
) -> Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]:
    """A statistic of rows as one of numbers of units."""

    def of_units(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> float:
        rows, real = (
            np.concatenate([units[int(unit)] for unit in chosen])
            for units, chosen in ((first, left), (second, right))
        )
        return statistic(rows, real)

    return of_units


@dataclass(frozen=True)
class ClipSources:
    """How the rows of two sides were drawn.

    Attributes:
        prediction, reference: rows of each song or source.
        paired: song i of both sides is the same.
    """

    prediction: Units
    reference: Units
    paired: bool
    protocol: Protocol

    @classmethod
    def of(cls, clip_ids: Sequence[str], reference_ids: Sequence[str], protocol: Protocol) -> ClipSources:
        """From the clips of the rows; sides with the same songs in the same order belong together."""
        mine, real = rows_of_sources(clip_ids), rows_of_sources(reference_ids)
        return cls(list(mine.values()), list(real.values()), list(mine) == list(real), protocol)

    def rng(self, name: str) -> np.random.Generator:
        """A stream for each purpose, so that no number depends on which others are asked for."""
        return np.random.default_rng([self.protocol.statistics.seed, zlib.crc32(name.encode())])

    @property
    def design(self) -> Design:
        """Blocks of both sides.

        Raises:
            ValueError: too few songs or sources.
        """
        return Design.of(self.prediction, self.reference, self.rng("blocks"), paired=self.paired)

    @property
    def halved(self) -> ClipSources:
        """Two disjoint halves of the reference, the one in the place of the prediction."""
        order, half = self.rng("halves").permutation(len(self.reference)), len(self.reference) // 2
        first, second = (
            [self.reference[int(unit)] for unit in part] for part in (order[:half], order[half:])
        )
        return ClipSources(first, second, False, self.protocol)

    @property
    def splits(self) -> int:
        """Pairs of random halves behind a FID: one for every 50 of the protocol's resamples."""
        return max(2, self.protocol.statistics.resamples // 50)

    def blocks(self) -> Blocks:
        """Blocks of the prediction, for metrics that look at no reference.

        Raises:
            ValueError: too few songs or sources.
        """
        count = len(self.prediction)
        if reason := too_few(count):
            raise ValueError(reason)
        return Blocks.dealt(self.prediction, self.rng("blocks").permutation(count), min(BLOCKS, count))

    def interval(
        self,
        estimate: Estimate,
        found: Callable[[], Interval],
        *,
        limit: bool = False,
    ) -> None:
        """Give ``estimate`` an interval, or the reason why there is none.

        Args:
            limit: it is that of infinitely many clips, and need not hold the value of so few.
        """
        try:
            interval = found()
        except ValueError as error:
            estimate.cautions.append(f"no interval: {error}")
            return
        low, high = interval.low, interval.high
        if not limit and estimate.value is not None:
            low, high = min(low, estimate.value), max(high, estimate.value)
        estimate.set_interval(low, high, interval.method)
        self.count_songs(estimate, self.prediction)

    def count_songs(self, estimate: Estimate, units: Units) -> None:
        """Say where an interval rests on fewer songs or sources than there are clips."""
        if len(units) < sum(len(rows) for rows in units):
            estimate.cautions.append(
                f"the interval rests on {len(units)} independent clips, songs or sources"
            )

    def floor(self, estimate: Estimate, statistic: RowStatistic) -> None:
        """Give ``estimate`` the value of a statistic of reference rows between two parts of the reference."""
        try:
            found = noise_floor(
                on_units(statistic, self.reference, self.reference),
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

    def mean(self, estimate: Estimate, column: Column, bounds: tuple[float, float]) -> None:
        """Give ``estimate`` the mean over the rows that have a value, with its interval within ``bounds``."""
        there = np.isfinite(column.values)
        estimate.n = int(there.sum())
        if not there.any():
            estimate.reason = "no clip has a value"
            return
        estimate.value = column.mean()
        limits = {"minimum": bounds[0], "maximum": bounds[1]}
        try:
            found = mean_interval(column.values, self.prediction, weights=column.weights, **limits)
        except ValueError as error:
            estimate.cautions.append(f"no interval: {error}")
            return
        low, high = min(found.low, estimate.value), max(found.high, estimate.value)
        estimate.set_interval(low, high, found.method)
        self.count_songs(estimate, units_with_value(column.values, self.prediction))


def clip_sources(tables: Tables) -> ClipSources:
    """How the motion of both sides was drawn."""
    prediction, reference = tables.motion("prediction"), tables.motion("reference")
    return ClipSources.of(prediction.clip_ids, reference.clip_ids, tables.protocol)


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
    tables.shared(clip_sources).mean(estimate, found, spec.bounds)
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
