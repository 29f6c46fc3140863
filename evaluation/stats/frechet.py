"""The Frechet distance of two populations, from few clips, without the bias of few clips.

**Truth.** ``FID = |m1 - m2|^2 + tr S1 + tr S2 - 2 F(S1, S2)`` with the fidelity ``F = tr (S1^1/2 S2 S1^1/2)^1/2``, of
the means and covariances of infinitely many clips, on the scale the features stand in.

**Why the plug-in value fails.** ``|m1 - m2|^2`` and the traces have estimates without bias (the spread of the means is
subtracted), at any n. All the trouble is F: two sample covariances of h clips in D dimensions look into different
directions, and their fidelity is smaller than that of their populations by a factor kappa. With D = 66 and n = 20,
kappa is about 0.4: the plug-in FID prints 50 where the truth is 6, and a collapsed system, whose small traces hide
less, seems better than a perfect one.

**What is done.** The factor can be seen: two disjoint halves of *one* set have the true fidelity ``F(S, S) = tr S``, so
``kappa_AA = E F(A1, A2) / tr S_A``, and likewise kappa_RR. Between the sets it is taken as their geometric mean, as
Spearman (1904) corrects a correlation for attenuation:

    F* = F(A1, R2) sqrt( tr S_A tr S_R / (F(A1, A2) F(R1, R2)) )

averaged over random halves of equal size, never the same clips on both sides. F* is exact in the mean where the
covariances are proportional (nothing but shift and scale differs), of any shape, rank, tail or dependence of windows
within a song, because A1, A2, R1, R2 suffer alike. Where the shapes differ, what may be wrong is the part of the
mismatch ``sqrt(tr S_A tr S_R) - F*`` that attenuation hides; ``2 (1 - kappa)`` of it is added to both ends of the
interval. It goes away as 1/n.

The variance is the jackknife over blocks of units (:mod:`evaluation.stats.jackknife`). Leaving out a block changes one
half alone, so a split costs four fidelities and four more for each block, whatever the number of clips.

Legend: N, M rows, D features, h blocks in a half, r rows of a root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evaluation.stats.jackknife import Array, BlockEstimate, Blocks, Design, Floats, Rows

__all__ = ["Frechet", "frechet_estimate"]

_SPLITS = 8
_RIDGE = 1e-10
"""Relative to the mean variance: lets a singular covariance have a Cholesky root, and moves a fidelity by 1e-5."""


_ROUNDING, _TINY = 1e-13, 1e-200
"""Of the mean square: what is left of the variance of clips that are all alike is rounding, perhaps below 0."""
_STILL = 1e-12
"""A side that varies by so little of the other does not vary: rounding has no shape."""


@dataclass(frozen=True)
class Frechet(BlockEstimate):
    """FID of the populations.

    Attributes:
        attenuation: kappa, what halves see of the fidelity of their populations; 1 for infinitely many clips.
    """

    attenuation: float = 1.0


def frechet_estimate(
    generated: Array, reference: Array, design: Design, rng: np.random.Generator, *, splits: int = _SPLITS
) -> Frechet:
    """FID of the populations behind two sets, and what each block of clips does to it.

    Two systems with the same design and seed meet the same halves, so that their difference is that of the same clips.

    Args:
        generated, reference: (N, D) and (M, D) features.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> real, made = rng.normal(size=(2, 40, 20))
        >>> units = [np.array([row]) for row in range(40)]
        >>> found = frechet_estimate(made + 0.5, real, Design.of(units, units, rng), rng)
        >>> found.interval(minimum=0.0).holds(20 * 0.25)
        True
    """
    origin = np.asarray(reference, np.float64).mean(axis=0)
    first = _Side.of(generated - origin, design.generated)
    second = _Side.of(reference - origin, design.reference)
    seen = _Seen.of(first, second, rng, splits, design.paired)
    if design.paired:
        both = _distance(_gap(first, second, paired=True), first.trace, second.trace, *seen.both())
        value, shifts, others = both[0], both[1:] - both[0], np.zeros(0)
    else:
        mine = _distance(_gap(first, second), first.trace, second.trace[:1], *seen.of_prediction())
        real = _distance(_gap(second, first), first.trace[:1], second.trace, *seen.of_reference())
        value, shifts, others = mine[0], mine[1:] - mine[0], real[1:] - real[0]
    kappa, hidden = seen.hidden(first.trace[0], second.trace[0])
    return Frechet(float(value), shifts, others, 2.0 * (1.0 - kappa) * hidden, attenuation=kappa)


@dataclass(frozen=True)
class _Side:
    """Moments of one side; entry 0 is the whole, entry 1 + g is without block g.

    Attributes:
        rows: of each block.
        mean: (1 + G, D); ``spread`` (1 + G,) is the trace of the covariance of ``mean``, from units.
        trace: (1 + G,) of the covariance, without bias.
        sums, counts: (U, D) and (U,) sum and number of the rows of each unit.
    """

    features: Floats
    blocks: Blocks
    rows: list[Rows]
    mean: Floats
    spread: Floats
    trace: Floats
    sums: Floats
    counts: Floats

    @classmethod
    def of(cls, features: Floats, blocks: Blocks) -> _Side:
        """Moments of the rows of all units, and without each block."""
        units, without = blocks.units, blocks.without
        counts = np.array([len(rows) for rows in units], np.float64)
        sums = np.stack([features[rows].sum(axis=0) for rows in units])
        squares = np.array([np.square(features[rows]).sum() for rows in units])
        number, total = without(np.ones(len(units))), without(counts)
        mean = without(sums) / total[:, None]
        away = (
            without(np.square(sums).sum(axis=1))
            - 2 * (without(counts[:, None] * sums) * mean).sum(axis=1)
            + without(np.square(counts)) * np.square(mean).sum(axis=1)
        )
        spread = away / np.square(total) * number / (number - 1)
        trace = without(squares) / total - np.square(mean).sum(axis=1) + spread
        rows = [blocks.rows(block) for block in range(blocks.count)]
        return cls(features, blocks, rows, mean, spread, trace, sums, counts)

    def roots(self, chosen: Rows) -> Floats:
        """(1 + h, r, D) matrices R with S = R^T R, of the chosen blocks and of them without each."""
        parts = [self.features[self.rows[block]] for block in chosen]
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        rows = np.concatenate(parts)
        there = np.ones((1 + len(parts), len(rows)))
        there[1 + owner, np.arange(len(rows))] = 0.0
        counts = there.sum(axis=1)
        mean = there @ rows / counts[:, None]
        known = np.full(1 + len(parts), float(len(parts)))
        known[1:] -= 1
        scale = known / (known - 1) / counts
        width = rows.shape[1]
        if len(rows) <= width:
            away: Floats = (rows - mean[:, None]) * (there * np.sqrt(scale)[:, None])[..., None]
            return away
        moments = np.stack([part.T @ part for part in parts])
        whole = moments.sum(axis=0)
        products = np.concatenate([whole[None], whole - moments]) / counts[:, None, None]
        covariance = (products - mean[:, :, None] * mean[:, None, :]) * (known / (known - 1))[:, None, None]
        ridge = _TINY + sum(
            share * np.trace(matrix, axis1=1, axis2=2) / width
            for share, matrix in ((_RIDGE, covariance), (_ROUNDING, products))
        )
        lower = np.linalg.cholesky(covariance + ridge[:, None, None] * np.eye(width))
        return np.swapaxes(lower, 1, 2)


def _gap(first: _Side, second: _Side, *, paired: bool = False) -> Floats:
    """(1 + G,) ``|m1 - m2|^2`` without bias, and without each block of ``first`` (of both, where paired)."""
    if not paired:
        away = first.mean - second.mean[0]
        return np.asarray(np.square(away).sum(axis=1) - first.spread - second.spread[0])
    without, (a, b), (c, d) = first.blocks.without, (first.sums, second.sums), (first.counts, second.counts)
    products = (
        without((a * b).sum(axis=1))
        - (without(c[:, None] * b) * first.mean).sum(axis=1)
        - (without(d[:, None] * a) * second.mean).sum(axis=1)
        + without(c * d) * (first.mean * second.mean).sum(axis=1)
    )
    number = without(np.ones(len(a)))
    together = products / (without(c) * without(d)) * number / (number - 1)
    away = first.mean - second.mean
    return np.asarray(np.square(away).sum(axis=1) - first.spread - second.spread + 2 * together)


def _distance(
    gap: Floats, first: Floats, second: Floats, across: Floats, mine: Floats, real: Floats
) -> Floats:
    """FID from its parts: gap of means, two traces, fidelity of halves across, within the one, within the other."""
    return np.asarray(gap + first + second - 2.0 * _disattenuated(first, second, across, mine, real))


def _disattenuated(first: Floats, second: Floats, across: Floats, mine: Floats, real: Floats) -> Floats:
    """``F*`` of the module's head; 0 where a side does not vary."""
    seen = mine * real
    still = np.minimum(mine, real) <= _STILL * np.maximum(mine, real)
    ratio = np.maximum(first * second, 0.0) / np.where(still, 1.0, seen)
    return np.where(still, 0.0, across * np.sqrt(ratio))


@dataclass(frozen=True)
class _Seen:
    """Mean fidelities of halves over the splits; entry 0 is the whole, entry 1 + g is without block g.

    Attributes:
        across_first, across_second: (1 + G,) and (1 + H,) between the sides.
        within_first, within_second: within each side.
    """

    across_first: Floats
    across_second: Floats
    within_first: Floats
    within_second: Floats

    @classmethod
    def of(cls, first: _Side, second: _Side, rng: np.random.Generator, splits: int, paired: bool) -> _Seen:
        """Over ``splits`` random pairs of halves of equal size on both sides."""
        sizes = first.blocks.count, second.blocks.count
        half = min(sizes) // 2
        found = cls(*(np.zeros(1 + size) for size in (*sizes, *sizes)))
        for _ in range(splits):
            mine = rng.permutation(sizes[0])[: 2 * half]
            real = mine if paired else rng.permutation(sizes[1])[: 2 * half]
            (a1, a2), (r1, r2) = mine.reshape(2, half), real.reshape(2, half)
            made = first.roots(a1), first.roots(a2)
            true = second.roots(r1), second.roots(r2)
            share = 1.0 / splits
            _add(found.across_first, a1, _fidelity(made[0], true[1][:1]), share / 2)
            _add(found.across_first, a2, _fidelity(made[1], true[0][:1]), share / 2)
            _add(found.across_second, r2, _fidelity(true[1], made[0][:1]), share / 2)
            _add(found.across_second, r1, _fidelity(true[0], made[1][:1]), share / 2)
            for within, (one, two), sides in (
                (found.within_first, (a1, a2), made),
                (found.within_second, (r1, r2), true),
            ):
                _add(within, one, _fidelity(sides[0], sides[1][:1]), share / 2, shifts=share)
                _add(within, two, _fidelity(sides[1], sides[0][:1]), share / 2, shifts=share)
        return found

    def of_prediction(self) -> tuple[Floats, Floats, Floats]:
        """Across, within the prediction, within the reference, without blocks of the prediction."""
        return self.across_first, self.within_first, self.within_second[:1]

    def of_reference(self) -> tuple[Floats, Floats, Floats]:
        """The same without blocks of the reference."""
        return self.across_second, self.within_first[:1], self.within_second

    def both(self) -> tuple[Floats, Floats, Floats]:
        """The same without blocks of both at once: no fidelity sees a block on both of its sides."""
        return (
            self.across_first + self.across_second - self.across_first[0],
            self.within_first,
            self.within_second,
        )

    def hidden(self, first: float, second: float) -> tuple[float, float]:
        """Attenuation, and the mismatch of shapes as far as it was seen."""
        top = math.sqrt(max(first, 0.0) * max(second, 0.0))
        if top == 0:
            return 1.0, 0.0
        within = math.sqrt(float(self.within_first[0] * self.within_second[0]))
        fidelity = _disattenuated(
            np.array([first]), np.array([second]), *(part[:1] for part in self.of_prediction())
        )
        return min(1.0, within / top), max(0.0, top - float(fidelity[0]))


def _add(total: Floats, blocks: Rows, values: Floats, share: float, *, shifts: float | None = None) -> None:
    """Add the whole (entry 0 of ``values``) to every entry, and what leaving out a block changes to its own."""
    total += share * values[0]
    total[1 + blocks] += (share if shifts is None else shifts) * (values[1:] - values[0])


def _fidelity(first: Floats, second: Floats) -> Floats:
    """(B,) sum of the singular values of ``R1 R2^T``; both (B or 1, r, D)."""
    product = first @ np.swapaxes(second, 1, 2)
    turned = np.swapaxes(product, 1, 2)
    gram = product @ turned if product.shape[1] <= product.shape[2] else turned @ product
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0)).sum(axis=1))
