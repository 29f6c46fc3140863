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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.inputs.sources import rows_of_sources
from evaluation.metrics.tables import RowValues, Tables, why_none
from evaluation.protocol import Protocol
from evaluation.result import Course
from evaluation.stats.estimate import estimate_noise_floor
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import BLOCKS, Blocks, Design, Units, too_few
from evaluation.stats.means import mean_interval, units_with_value

__all__ = [
    "ClipSources",
    "Estimate",
    "RowStatistic",
    "Rows",
    "clip_sources",
    "on_units",
    "sized",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
RowStatistic = Callable[[Rows, Rows], float]


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
    by_second: Course | None = None

    def set_interval(self, low: float, high: float, method: str) -> None:
        """Take an interval, unless it is not finite."""
        if np.isfinite(low) and np.isfinite(high):
            self.ci95, self.ci_method = (float(low), float(high)), method
        else:
            self.cautions.append(f"no interval: {method} gave one that is not finite")


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

    def floor(
        self,
        estimate: Estimate,
        statistic: RowStatistic,
        what: str = "that of two parts of {} reference clips",
    ) -> None:
        """Give ``estimate`` the value of a statistic of reference rows between two parts of the reference.

        Args:
            what: the noise floor is, in words.
        """
        try:
            found = estimate_noise_floor(
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
            estimate.cautions.append(f"the noise floor is {what.format(found.size)}")

    def floor_of_mean(self, estimate: Estimate, column: RowValues) -> None:
        """Give ``estimate`` the distance between the means of two parts of the reference.

        Nothing where all rows are alike, as those of a reference that is held against itself.

        Args:
            column: of the reference.
        """
        there = column.values[np.isfinite(column.values)]
        if not there.size or there.min() == there.max():
            return
        self.floor(
            estimate,
            lambda rows, others: abs(column.mean(rows) - column.mean(others)),
            "how far the means of two parts of {} reference clips lie apart",
        )

    def mean(self, estimate: Estimate, column: RowValues, bounds: tuple[float, float]) -> None:
        """Give ``estimate`` the mean over the rows that have a value, with its interval within ``bounds``."""
        there = np.isfinite(column.values)
        estimate.n = int(there.sum())
        if not there.any():
            estimate.reason = why_none(column.reasons, "clip") or "no clip has a value"
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
