"""Means over pairs of clips: the kernel distance (KID) and the diversity (DIV), from matrices made once.

**Truths.** ``KID = E k(x, x') + E k(y, y') - 2 E k(x, y)`` with the kernel ``(x.y / D + 1)^3``, and
``DIV = E |x - x'|``, where all the x and y are independent draws: of infinitely many songs, one clip each. Windows of
one clip, clips of one song, and a dance beside the real dance to the same music are no independent draws; the printed
values hold such pairs, these estimates leave them out, and are then without bias at every n.

The cubic kernel has long tails where a few directions hold most of the variance (one factor drives all features): the
pairs that make the truth are not in 20 clips, and nothing in these says how far they reach. Then the interval is
stretched, by a measure that was found by simulation (``benchmarks/coverage.py``, "all as one") and goes away as 1/n.

A kernel matrix is made once, in slices, and summed by blocks: what is left is (G, G), from which the value without each
block follows exactly. Nothing is resampled.

Legend: N, M rows, D features, U units, G blocks of the prediction, H of the reference.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist

from evaluation.stats.jackknife import Array, BlockEstimate, Blocks, Design, Floats, Rows

__all__ = ["diversity_estimate", "kernel_estimate"]

_SLICE = 256
_DIRECTIONS, _LONGEST, _UNITS = 8.0, 1.5, 20
"""With so many units a variance in fewer directions stretches an interval, by as much of its length at most."""

_Kernel = Callable[[Floats, Floats], Floats]


def kernel_estimate(generated: Array, reference: Array, design: Design) -> BlockEstimate:
    """Squared kernel distance of the populations behind two sets, without bias: also below 0 for equal ones.

    Args:
        generated, reference: (N, D) and (M, D) features.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> real, made = rng.normal(size=(2, 40, 20))
        >>> units = [np.array([row]) for row in range(40)]
        >>> kernel_estimate(made + 1, real, Design.of(units, units, rng)).interval().low > 0
        True
    """
    first, second = np.asarray(generated, np.float64), np.asarray(reference, np.float64)
    mine, real = design.generated, design.reference
    within = _Pairs.of(first, first, mine, mine, _cubic, apart=True)
    beside = _Pairs.of(second, second, real, real, _cubic, apart=True)
    across = _Pairs.of(first, second, mine, real, _cubic, apart=design.paired)
    stretch = _stretch(_unit_means(first, mine), _unit_means(second, real))
    if design.paired:
        both = within.without_both() + beside.without_both() - 2 * across.without_both()
        return BlockEstimate(float(both[0]), both[1:] - both[0], np.zeros(0), stretch=stretch)
    left = within.without_both() + beside.whole() - 2 * across.without_first()
    right = within.whole() + beside.without_both() - 2 * across.without_second()
    return BlockEstimate(float(left[0]), left[1:] - left[0], right[1:] - right[0], stretch=stretch)


def diversity_estimate(features: Array, blocks: Blocks) -> BlockEstimate:
    """Mean distance of two clips of different units.

    Args:
        features: (N, D).

    Example:
        >>> units = [np.array([row]) for row in range(6)]
        >>> blocks = Blocks(units, np.arange(6), 6)
        >>> round(diversity_estimate(np.eye(6), blocks).value, 4)
        1.4142
    """
    values = np.asarray(features, np.float64)
    found = _Pairs.of(values, values, blocks, blocks, cdist, apart=True).without_both()
    return BlockEstimate(float(found[0]), found[1:] - found[0], np.zeros(0))


def _unit_means(features: Floats, blocks: Blocks) -> Floats:
    return np.stack([features[rows].mean(axis=0) for rows in blocks.units])


def _stretch(*sides: Floats) -> float:
    """What a kernel distance of (U, D) units is stretched by: the more, the fewer directions and units there are.

    The number of directions is ``(tr S)^2 / tr S^2`` of both sides, the latter from pairs of different units alone: few
    clips do not make it smaller.
    """
    spread = together = 0.0
    for units in sides:
        away, count = units - units.mean(axis=0), len(units)
        squares = np.square(away).sum(axis=1)
        spread += (squares.sum() / count) ** 2
        together += (np.square(away.T @ away).sum() - np.square(squares).sum()) / (count * (count - 1))
    if together <= 0:
        return 1.0
    fewest = min(map(len, sides))
    return 1.0 + _UNITS / fewest * min(_LONGEST, float(_DIRECTIONS * together / spread) ** 2)


def _cubic(first: Floats, second: Floats) -> Floats:
    return np.asarray((first @ second.T / first.shape[1] + 1.0) ** 3)


class _Pairs:
    """Sums of a kernel over pairs of rows, and their numbers, by blocks: (G, H) each."""

    def __init__(self, sums: Floats, counts: Floats) -> None:
        self.sums, self.counts = sums, counts

    @classmethod
    def of(
        cls, first: Floats, second: Floats, left: Blocks, right: Blocks, kernel: _Kernel, *, apart: bool
    ) -> _Pairs:
        """Over all pairs; ``apart`` leaves out those of one unit (of units of one number)."""
        sums, counts = (np.zeros((left.count, right.count)) for _ in range(2))
        units = left.unit_of_row(len(first)), right.unit_of_row(len(second))
        columns = _indicator(units[1], right)
        for start in range(0, len(first), _SLICE):
            rows = slice(start, start + _SLICE)
            values = kernel(first[rows], second)
            there = np.ones_like(values)
            if apart:
                there[units[0][rows, None] == units[1]] = 0.0
                values *= there
            owners = _indicator(units[0][rows], left).T
            sums += owners @ (values @ columns)
            counts += owners @ (there @ columns)
        return cls(sums, counts)

    def whole(self) -> Floats:
        """(1,) mean over all pairs."""
        return np.array([self.sums.sum() / self.counts.sum()])

    def without_first(self) -> Floats:
        """(1 + G,) mean, and without the rows of each block of the first side."""
        return self._without(lambda values: values.sum(axis=1))

    def without_second(self) -> Floats:
        """(1 + H,) the same for the second side."""
        return self._without(lambda values: values.sum(axis=0))

    def without_both(self) -> Floats:
        """(1 + G,) the same for blocks of one number on both sides."""
        return self._without(lambda values: values.sum(axis=0) + values.sum(axis=1) - np.diagonal(values))

    def _without(self, share: Callable[[Floats], Floats]) -> Floats:
        total, pairs = self.sums.sum(), self.counts.sum()
        return np.concatenate([[total / pairs], (total - share(self.sums)) / (pairs - share(self.counts))])


def _indicator(unit_of_row: Rows, blocks: Blocks) -> Floats:
    """(N, G) 1 where the row is of the block."""
    found = np.zeros((len(unit_of_row), blocks.count))
    there = np.flatnonzero(unit_of_row >= 0)
    found[there, blocks.block_of[unit_of_row[there]]] = 1.0
    return found
