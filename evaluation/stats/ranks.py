"""Ranks of several systems by one metric, as far as they are resolved.

A rank is a number of comparisons. System i is surely behind those that are shown to be better, and surely before those
that are shown to be worse; between lies its rank interval (Mogstad et al. 2024), with Holm's correction over all pairs.
The probability of being best, and how well two halves of the songs agree, come from the same shifts of blocks that the
intervals come from: nothing is measured again.

Legend: K systems, G blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.stats.jackknife import BlockEstimate, Floats

__all__ = ["Ranking", "Standing", "holm", "rank_systems"]

_SIGNIFICANT = 0.05
_DRAWS = 4000
_HALVES = 200


@dataclass(frozen=True)
class Standing:
    """The place of one system.

    Attributes:
        first, last: 95 % rank interval, 1 is best.
        best: probability of being the best.
        groups: numbers of the groups it is in, from 1; systems of one group cannot be told apart.
    """

    first: int
    last: int
    best: float
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Ranking:
    """Ranks by one metric.

    Attributes:
        standings: system -> its place, the best value first.
        same_best: share of random halvings of the songs after which both halves have the same best system.
        agreement: mean Kendall's tau between the orders of the two halves.
    """

    standings: Mapping[str, Standing]
    same_best: float
    agreement: float


def rank_systems(
    estimates: Mapping[str, BlockEstimate], rng: np.random.Generator, *, higher_is_better: bool
) -> Ranking:
    """Rank systems that were made for the same units and held against the same reference.

    Args:
        estimates: system -> its metric, all of one design and seed; two or more.

    Raises:
        ValueError: fewer than two systems, or estimates of different designs.

    Example:
        >>> noise = np.array([0.1, -0.1, 0.2, -0.2, 0.1, -0.1])
        >>> one, two = (BlockEstimate(value, noise, np.zeros(0)) for value in (1.0, 5.0))
        >>> found = rank_systems({"b": two, "a": one}, np.random.default_rng(0), higher_is_better=False)
        >>> list(found.standings), found.standings["a"].last, found.standings["a"].best
        (['a', 'b'], 1, 1.0)
    """
    if len(estimates) < 2:
        raise ValueError(f"a ranking needs two systems or more, there are {len(estimates)}")
    if len({(len(one.shifts), len(one.reference_shifts)) for one in estimates.values()}) > 1:
        raise ValueError("systems are ranked on the same clips against the same reference only")
    sign = 1.0 if higher_is_better else -1.0
    names = sorted(estimates, key=lambda name: -sign * estimates[name].value)
    ordered = [estimates[name] for name in names]
    ahead = _ahead(ordered, sign)
    best = _best(ordered, sign, rng)
    groups = _groups(ahead)
    standings = {
        name: Standing(
            1 + int(ahead[:, place].sum()),
            len(names) - int(ahead[place].sum()),
            float(best[place]),
            tuple(number for number, group in enumerate(groups, 1) if place in group),
        )
        for place, name in enumerate(names)
    }
    return Ranking(standings, *_halves(ordered, sign, rng))


def _ahead(ordered: Sequence[BlockEstimate], sign: float) -> npt.NDArray[np.bool_]:
    """(K, K) whether the one is shown to be better than the other."""
    p_values = {
        f"{place} {place + 1 + behind}": p
        for place, one in enumerate(ordered[:-1])
        for behind, p in enumerate(one.p_values_against(ordered[place + 1 :]).tolist())
    }
    ahead = np.zeros((len(ordered), len(ordered)), bool)
    for name, p in holm(p_values).items():
        if p < _SIGNIFICANT:
            i, j = map(int, name.split())
            better = sign * (ordered[i].value - ordered[j].value) > 0
            ahead[(i, j) if better else (j, i)] = True
    return ahead


def _groups(ahead: npt.NDArray[np.bool_]) -> list[range]:
    """Longest runs of neighbours none of which is shown to be better than another."""
    apart = ahead | ahead.T
    found: list[range] = []
    for start in range(len(apart)):
        stop = start + 1
        while stop < len(apart) and not apart[start:stop, stop].any():
            stop += 1
        if not found or stop > found[-1].stop:
            found.append(range(start, stop))
    return found


def _best(ordered: Sequence[BlockEstimate], sign: float, rng: np.random.Generator) -> Floats:
    """(K,) probability of being the best: values drawn with the shifts of common blocks."""
    drawn = np.tile([one.value for one in ordered], (_DRAWS, 1))
    for parts in ([one.shifts for one in ordered], [one.reference_shifts for one in ordered]):
        shifts = np.nan_to_num(np.array(parts)) * np.array([[one.stretch] for one in ordered])
        count = shifts.shape[1]
        if count > 1:
            centred = (shifts - shifts.mean(axis=1, keepdims=True)) * np.sqrt((count - 1) / count)
            tails = np.sqrt((count - 1) / rng.chisquare(count - 1, size=(_DRAWS, 1)))
            drawn += tails * (rng.normal(size=(_DRAWS, count)) @ centred.T)
    drawn += rng.uniform(-1, 1, size=drawn.shape) * np.array([one.bias for one in ordered])
    top = drawn == drawn.max(axis=1, keepdims=True) if sign > 0 else drawn == drawn.min(axis=1, keepdims=True)
    return np.asarray((top / top.sum(axis=1, keepdims=True)).mean(axis=0))


def _halves(ordered: Sequence[BlockEstimate], sign: float, rng: np.random.Generator) -> tuple[float, float]:
    """How often both halves of the blocks have one best system, and the mean agreement (tau-b) of their orders."""
    shifts = np.nan_to_num(np.array([one.shifts for one in ordered]))
    count = shifts.shape[1]
    influence = -(count - 1) * (shifts - shifts.mean(axis=1, keepdims=True))
    values = np.array([one.value for one in ordered])
    first = np.array([rng.permutation(count) < count // 2 for _ in range(_HALVES)])
    halves = [
        sign * (values + (part @ influence.T) / part.sum(axis=1, keepdims=True)) for part in (first, ~first)
    ]
    same = halves[0].argmax(axis=1) == halves[1].argmax(axis=1)
    # one draw at a time: all pairs of 300 systems in all draws would take gigabytes
    return float(same.mean()), float(np.mean([_tau_b(*draw) for draw in zip(*halves, strict=True)]))


def _tau_b(first: Floats, second: Floats) -> float:
    """Kendall's agreement of two orders, (K,) values each; 1 where one of them has no order."""
    one, two = (half[:, None] > half for half in (first, second))
    resolved = math.sqrt(np.count_nonzero(one) * np.count_nonzero(two))
    alike, against = np.count_nonzero(one & two), np.count_nonzero(one & two.T)
    return (alike - against) / resolved if resolved > 0 else 1.0


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for the number of metrics looked at (Holm 1979), under the same names.

    Example:
        >>> holm({"fid_k": 0.01, "fid_g": 0.04, "bas": 0.03})
        {'fid_k': 0.03, 'fid_g': 0.06, 'bas': 0.06}
    """
    ordered = sorted(p_values, key=lambda name: p_values[name])
    corrected: dict[str, float] = {}
    largest = 0.0
    for rank, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
