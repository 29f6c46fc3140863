"""A number that knows what each independent part of the data does to it.

*Units* are what is independent of each other: songs, sources, or clips where each has its own song; windows of a clip
and clips of a song always stay together. Units are dealt into G *blocks*; leaving out one block at a time shifts the
value by ``s_g``, and the jackknife variance is ``(G - 1) / G sum (s_g - mean s)^2`` (Quenouille 1949, Tukey 1958).
Efron & Stein (1981) show that it is never too small in the mean, for any symmetric statistic, smooth or not; that is
why every interval of this package rests on it.

What was left out of one side does not meddle with what was left out of the other, so the shifts of two sides add where
their units belong together (same music) and their variances add where they do not. Differences of two systems made for
the same clips are differences of their shifts: what is hard for both cancels.

Legend: N rows (windows or clips), U units, G blocks of the prediction, H blocks of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from evaluation.stats.intervals import Interval

__all__ = [
    "BLOCKS",
    "MIN_UNITS",
    "BlockEstimate",
    "Blocks",
    "Design",
    "Units",
    "distance_to",
    "leave_out",
    "too_few",
]

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
Units = Sequence[Rows]
"""Rows of each unit."""

BLOCKS = 20
"""As many as a small test set has songs; Student's t with 19 degrees of freedom is 7 % wider than the normal."""

MIN_UNITS = 6
"""Fewer units give no interval: with 5 even a difference without exception has p = 2 / 2^5 > 0.05."""


@dataclass(frozen=True)
class BlockEstimate:
    """A value and what it becomes without each block.

    Attributes:
        value: estimate of the truth, without bias as far as the method goes.
        shifts: (G,) value without block g of the prediction, minus the value; NaN where the block has no part in it.
        reference_shifts: (H,) the same for blocks of the reference that are independent of those of the prediction;
            empty where the reference takes no part, or is left out together with the prediction (paired).
        bias: bound of the bias that may be left in ``value``, in either direction.
        stretch: what intervals are widened by, 1 or more, where so few units cannot show the tails of the metric.
    """

    value: float
    shifts: Floats
    reference_shifts: Floats
    bias: float = 0.0
    stretch: float = 1.0

    @cached_property
    def _spread(self) -> _Spread:
        return _spread_of(self.shifts, self.reference_shifts)

    @property
    def deviation(self) -> float:
        """Standard error of ``value``."""
        return float(self._spread.deviation)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of ``deviation`` (Welch & Satterthwaite); fewer where a few blocks make most of it."""
        return float(self._spread.freedom)

    @property
    def skewness(self) -> float:
        """Of the distribution of ``value``, from its shifts; 0 where it does not vary."""
        return float(self._spread.skewness)

    def minus(self, other: BlockEstimate) -> BlockEstimate:
        """The difference of two systems, made for the same units and held against the same reference.

        Example:
            >>> one = BlockEstimate(3.0, np.array([0.1, -0.1]), np.zeros(0))
            >>> one.minus(one).deviation
            0.0
        """
        apart = self.shifts - other.shifts
        same = bool(_alike(self.value, np.asarray(other.value), apart))
        return BlockEstimate(
            0.0 if same else self.value - other.value,
            np.where(np.isfinite(apart), 0.0, apart) if same else apart,
            np.zeros_like(self.reference_shifts) if same else self.reference_shifts - other.reference_shifts,
            0.0 if same else self.bias + other.bias,
            max(self.stretch, other.stretch),
        )

    def interval(self, *, level: float = 0.95, minimum: float = -np.inf, maximum: float = np.inf) -> Interval:
        """Student's interval joined with Hall's (1992), which knows skewness; widened by the bias that may be left.

        Student's covers where tails are heavy, Hall's where the values lean to one side; their hull covers in both.

        Args:
            minimum, maximum: limits of the metric; nothing is given beyond them.

        Example:
            >>> shifts = np.array([0.2, -0.2, 0.1, -0.1, 0.3, -0.3])
            >>> found = BlockEstimate(1.0, shifts, np.zeros(0)).interval(minimum=0.0)
            >>> found.low, round(found.high, 2)
            (0.0, 2.24)
        """
        quantile = float(special.stdtrit(self.freedom, (1 + level) / 2))
        below, above = (
            max(abs(_unbent(end, self.skewness)), quantile) * self.stretch * self.deviation + self.bias
            for end in (quantile, -quantile)
        )
        value = min(max(self.value, minimum), maximum)
        low, high = (min(max(end, minimum), maximum) for end in (self.value - below, self.value + above))
        return Interval(value, low, high, "block-jackknife", level)

    def p_value(self) -> float:
        """Two-sided p of the truth being 0, the bias that may be left taken against it.

        It is below ``1 - level`` exactly where :meth:`interval` does not hold 0.

        Example:
            >>> BlockEstimate(0.0, np.zeros(6), np.zeros(0)).p_value()
            1.0
        """
        return float(_p_values(np.asarray(self.value), self._spread, self.bias, self.stretch))

    def p_values_against(self, others: Sequence[BlockEstimate]) -> Floats:
        """:meth:`p_value` of what :meth:`minus` gives for each of ``others``, all at once.

        Example:
            >>> one = BlockEstimate(3.0, np.array([0.1, -0.1, 0.2, -0.2]), np.zeros(0))
            >>> two = BlockEstimate(2.5, np.array([0.1, -0.2, 0.1, -0.1]), np.zeros(0))
            >>> one.p_values_against([two, one]).tolist() == [one.minus(two).p_value(), 1.0]
            True
        """
        values, bias, stretch = (
            np.array([getattr(other, name) for other in others]) for name in ("value", "bias", "stretch")
        )
        apart = self.shifts - np.stack([other.shifts for other in others])
        spread = _spread_of(
            apart, self.reference_shifts - np.stack([other.reference_shifts for other in others])
        )
        same = _alike(self.value, values, apart)
        difference = np.where(same, 0.0, self.value - values)
        return _p_values(
            difference, spread, np.where(same, 0.0, self.bias + bias), np.maximum(self.stretch, stretch)
        )


_ROUNDING = 1e-12
_STORED = 1e-6
"""Systems that differ by less than the one, or by this share of their value, are one: computed in another order, or
stored in another file of float32."""


def _alike(value: float, others: Floats, apart: Floats) -> npt.NDArray[np.bool_]:
    """(...,) whether a value and its shifts are those of others (..., G apart), but for rounding."""
    rounding = np.maximum(_ROUNDING, _STORED * np.maximum(abs(value), np.abs(others)))
    furthest = np.abs(np.nan_to_num(apart)).max(axis=-1, initial=0.0)
    return np.asarray((np.abs(value - others) <= rounding) & (furthest <= rounding))


@dataclass(frozen=True)
class _Spread:
    """How values vary by their shifts, one or many at once: see :class:`BlockEstimate`."""

    deviation: Floats
    freedom: Floats
    skewness: Floats


def _spread_of(shifts: Floats, reference_shifts: Floats) -> _Spread:
    """Of shifts (..., G) of the prediction and (..., H) of the reference."""
    parts = [_moments(shifts), _moments(reference_shifts)]
    variance = parts[0][0] + parts[1][0]
    varies = variance > 0
    of_parts = [np.where(own > 0, own**2 / freedom, 0.0) for own, freedom, _ in parts]
    still = float(max(shifts.shape[-1], reference_shifts.shape[-1]) - 1)
    freedom = np.divide(variance**2, sum(of_parts), out=np.full_like(variance, still), where=varies)
    third = parts[0][2] + parts[1][2]
    skewness = np.divide(third, variance**1.5, out=np.zeros_like(variance), where=varies)
    return _Spread(np.sqrt(variance), freedom, skewness)


def _moments(shifts: Floats) -> tuple[Floats, Floats, Floats]:
    """Jackknife variance, degrees of freedom and third cumulant of shifts (..., G); NaN takes no part.

    A variance of G values has the relative variance (kurtosis - 1) / G, and one of f degrees of freedom 2 / f.
    """
    there = np.isfinite(shifts)
    count = there.sum(axis=-1).astype(np.float64)
    of = np.maximum(count, 1.0)
    mean = np.where(there, shifts, 0.0).sum(axis=-1) / of
    apart = np.where(there, shifts - mean[..., None], 0.0)
    square = apart * apart
    second, third, fourth = (
        np.asarray(powers.sum(axis=-1) / of) for powers in (square, square * apart, square * square)
    )
    excess = np.divide(fourth, second**2, out=np.ones_like(second), where=second > 0) - 1.0
    freedom = np.divide(2.0 * count, excess, out=np.full_like(excess, np.inf), where=excess > 0)
    freedom = np.maximum(np.minimum(freedom, count - 1.0), 1.0)
    return np.maximum(count - 1.0, 0.0) * second, freedom, -((count - 1.0) ** 3) * third / of**2


def _p_values(value: Floats, spread: _Spread, bias: Floats | float, stretch: Floats | float) -> Floats:
    """Of values that vary so; see :meth:`BlockEstimate.p_value`."""
    clear = np.maximum(0.0, np.abs(value) - bias)
    varies = spread.deviation > 0
    ratio = np.divide(clear, stretch * spread.deviation, out=np.full_like(clear, np.inf), where=varies)
    signed = np.copysign(np.where(varies, ratio, 0.0), value)
    furthest = np.minimum(ratio, np.copysign(1.0, signed) * _bent(signed, spread.skewness))
    # what stats.t.sf comes down to
    p = np.minimum(1.0, 2 * special.stdtr(spread.freedom, -furthest))
    return np.asarray(np.where(clear == 0, 1.0, np.where(varies, p, 0.0)))


def _bent(ratio: Floats, skewness: Floats) -> Floats:
    """Hall's cubic, which takes the skewness out of Student's ratio."""
    return ratio + skewness * ratio**2 / 3 + skewness**2 * ratio**3 / 27 + skewness / 6


def _unbent(value: float, skewness: float) -> float:
    """The ratio whose :func:`_bent` is ``value``."""
    if abs(skewness) < 1e-6:
        return value
    return 3 / skewness * (float(np.cbrt(1 + skewness * (value - skewness / 6))) - 1)


@dataclass(frozen=True)
class Blocks:
    """Units of one side, dealt into blocks.

    Attributes:
        units: rows of each unit.
        block_of: (U,) block of each unit.
        count: number of blocks G.
    """

    units: Units
    block_of: Rows
    count: int

    @classmethod
    def dealt(cls, units: Units, order: Rows, count: int) -> Blocks:
        """Units in ``order``, as evenly as it goes."""
        block_of = np.empty(len(units), np.intp)
        for block, hand in enumerate(np.array_split(order, count)):
            block_of[hand] = block
        return cls(units, block_of, count)

    def rows(self, block: int) -> Rows:
        """Rows of one block."""
        return np.concatenate([self.units[int(unit)] for unit in np.flatnonzero(self.block_of == block)])

    def unit_of_row(self, total: int) -> Rows:
        """(N,) unit of each of ``total`` rows; -1 for rows of no unit."""
        found = np.full(total, -1, np.intp)
        for unit, rows in enumerate(self.units):
            found[rows] = unit
        return found

    def without(self, values: Floats) -> Floats:
        """(1 + G, ...) sum of (U, ...) values over all units, and over those outside each block.

        Example:
            >>> blocks = Blocks([np.array([0]), np.array([1])], np.array([0, 1]), 2)
            >>> blocks.without(np.array([2.0, 3.0])).tolist()
            [5.0, 3.0, 2.0]
        """
        parts = np.zeros((self.count, *values.shape[1:]))
        np.add.at(parts, self.block_of, values)
        total = parts.sum(axis=0)
        return np.concatenate([total[None], total - parts])


@dataclass(frozen=True)
class Design:
    """Which rows of prediction and reference are independent of which.

    Attributes:
        paired: unit i of both sides belongs together (same music), and so do the blocks.
    """

    generated: Blocks
    reference: Blocks
    paired: bool

    @classmethod
    def of(
        cls,
        units: Units,
        reference_units: Units,
        rng: np.random.Generator,
        *,
        paired: bool = False,
        blocks: int = BLOCKS,
    ) -> Design:
        """Deal both sides at random, a block of the one as large as a block of the other.

        The smaller side has ``blocks`` blocks, or as many as it has units.

        Raises:
            ValueError: fewer than six units on a side, or ``paired`` with different numbers of units.

        Example:
            >>> units = [np.array([row]) for row in range(60)]
            >>> design = Design.of(units[:30], units, np.random.default_rng(0))
            >>> design.generated.count, design.reference.count
            (20, 40)
        """
        sizes = len(units), len(reference_units)
        if paired and sizes[0] != sizes[1]:
            raise ValueError(f"paired sets need the same units, there are {sizes[0]} and {sizes[1]}")
        if reason := too_few(min(sizes)):
            raise ValueError(reason)
        count = min(blocks, *sizes)
        order = rng.permutation(max(sizes))
        dealt = [
            Blocks.dealt(side, order[order < len(side)], round(count * len(side) / min(sizes)))
            for side in (units, reference_units)
        ]
        return cls(dealt[0], dealt[1], paired)


def leave_out(statistic: Callable[[Rows, Rows], float], design: Design) -> BlockEstimate:
    """Any statistic of rows of both sides, computed again without each block.

    Its truth is its mean over many draws of as many clips as there are here: no bias is removed.

    Args:
        statistic: of rows of the prediction and rows of the reference.

    Example:
        >>> units = [np.array([row]) for row in range(6)]
        >>> design = Design.of(units, units, np.random.default_rng(0))
        >>> found = leave_out(lambda rows, real: float(rows.mean() - real.mean()), design)
        >>> found.value, round(found.deviation, 2)
        (0.0, 1.08)
    """
    sides = design.generated, design.reference
    every = [np.concatenate(list(side.units)) for side in sides]
    value = statistic(every[0], every[1])
    left, right = (
        [
            np.concatenate([side.units[int(unit)] for unit in np.flatnonzero(side.block_of != block)])
            for block in range(side.count)
        ]
        for side in sides
    )
    if design.paired:
        both = [statistic(*pair) for pair in zip(left, right, strict=True)]
        return BlockEstimate(value, np.array(both) - value, np.zeros(0))
    mine, real = [statistic(rows, every[1]) for rows in left], [statistic(every[0], rows) for rows in right]
    return BlockEstimate(value, np.array(mine) - value, np.array(real) - value)


def distance_to(value: BlockEstimate, target: BlockEstimate, *, paired: bool) -> BlockEstimate:
    """``|value - target|``: how far a system is from what is true of the reference.

    Args:
        value: of the prediction, by blocks of the prediction.
        target: of the reference, by blocks of the reference.
        paired: both were left out together.

    Example:
        >>> noise, none = np.array([0.1, -0.1]), np.zeros(0)
        >>> one, two = BlockEstimate(3.0, noise, none), BlockEstimate(4.0, noise, none)
        >>> distance_to(one, two, paired=True).deviation
        0.0
    """
    gap = value.value - target.value
    if paired:
        return BlockEstimate(abs(gap), np.abs(gap + value.shifts - target.shifts) - abs(gap), np.zeros(0))
    mine, real = np.abs(gap + value.shifts) - abs(gap), np.abs(gap - target.shifts) - abs(gap)
    return BlockEstimate(abs(gap), mine, real)


def too_few(units: int, *, least: int = MIN_UNITS, what: str = "independent clips or songs") -> str | None:
    """Why so few units give no interval, or nothing.

    Example:
        >>> too_few(4)
        'an interval needs at least 6 independent clips or songs, there are 4'
    """
    return None if units >= least else f"an interval needs at least {least} {what}, there are {units}"
