"""Confidence intervals of distances between sets, of diversities and of means.

FID and its kin are biased upwards by about c / n, and resampling clips with replacement adds the same bias
again, so percentile intervals do not even hold the value they belong to. Here

* :func:`half_sampling_interval` draws halves without replacement. Their mean shows the bias (a half has
  twice as much), ``2 full - mean(halves)`` removes it, and their spread around their mean is that of the full
  sample;
* :func:`diversity_interval` is the jackknife of a mean over pairs, exact and in one pass;
* :func:`mean_interval` is the basic (pivotal) bootstrap.

Legend: N clips, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial.distance import cdist

__all__ = [
    "Array",
    "Interval",
    "Statistic",
    "distance_sums",
    "diversity_interval",
    "half_sampling_interval",
    "mean_interval",
    "pivot",
]

Array = npt.NDArray[np.floating[Any]]
Statistic = Callable[[Array, Array], float]

_BLOCK = 256


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        estimate: the value, bias removed where the method can.
        low, high: ends of the interval.
        method: ``half-sampling``, ``jackknife`` or ``basic-bootstrap``.
        level: confidence, 0.95 unless asked otherwise.
    """

    estimate: float
    low: float
    high: float
    method: str
    level: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the interval."""
        return self.low <= value <= self.high


def half_sampling_interval(
    statistic: Statistic,
    generated: Array,
    reference: Array,
    rng: np.random.Generator,
    *,
    replicates: int = 200,
    level: float = 0.95,
    minimum: float = -np.inf,
    paired: bool = False,
) -> Interval:
    """Bias-corrected pivotal interval of a distance between two sets, from random halves of both.

    Args:
        statistic: ``statistic(generated, reference)``, for example
            :func:`~evaluation.metrics.distances.frechet_distance`.
        generated, reference: (N, D) and (M, D), four clips or more in each.
        minimum: the smallest possible value (0 for a distance); estimate and ends are not given below it.
        paired: clip i of both sets belongs together (same music), so that the same half is drawn from both;
            needs N = M.

    Raises:
        ValueError: too few clips, or ``paired`` with sets of different size.

    Example:
        >>> from evaluation.metrics.distances import frechet_distance
        >>> rng = np.random.default_rng(0)
        >>> first, second = rng.normal(size=(2, 200, 3))
        >>> interval = half_sampling_interval(frechet_distance, first, second + 1, rng, minimum=0)
        >>> interval.holds(3.0)
        True
    """
    sizes = (len(generated), len(reference))
    if min(sizes) < 4:
        raise ValueError(f"halves need at least four clips in each set, there are {sizes[0]} and {sizes[1]}")
    if paired and sizes[0] != sizes[1]:
        raise ValueError(f"paired sets must be equally large, there are {sizes[0]} and {sizes[1]} clips")
    whole = statistic(generated, reference)
    halves = np.empty(replicates)
    for index in range(replicates):
        first = rng.permutation(sizes[0])[: sizes[0] // 2]
        second = first if paired else rng.permutation(sizes[1])[: sizes[1] // 2]
        halves[index] = statistic(generated[first], reference[second])
    estimate = 2.0 * whole - float(halves.mean())
    low, high = pivot(estimate, halves - halves.mean(), level)
    return Interval(max(estimate, minimum), max(low, minimum), max(high, minimum), "half-sampling", level)


def pivot(estimate: float, deviations: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
    """Ends of the basic (pivotal) interval: ``deviations`` of resamples, turned around ``estimate``."""
    below, above = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    return float(estimate - above), float(estimate - below)


def distance_sums(features: Array) -> npt.NDArray[np.float64]:
    """(N,) sum of the distances of each clip to all others, for the jackknife of a mean over pairs.

    Example:
        >>> distance_sums(np.array([[0.0], [1.0], [3.0]])).tolist()
        [4.0, 3.0, 5.0]
    """
    values = np.ascontiguousarray(features, np.float64)
    sums = np.zeros(len(values))
    for start in range(0, len(values), _BLOCK):
        for other in range(0, len(values), _BLOCK):
            block = cdist(values[start : start + _BLOCK], values[other : other + _BLOCK])
            sums[start : start + _BLOCK] += block.sum(axis=1)
    return sums


def diversity_interval(features: Array, *, level: float = 0.95) -> Interval:
    """Jackknife interval of :func:`~evaluation.metrics.distances.diversity`, which has no bias.

    Args:
        features: (N, D), three clips or more.

    Example:
        >>> interval = diversity_interval(np.random.default_rng(0).normal(size=(100, 3)))
        >>> interval.low < interval.estimate < interval.high
        True
    """
    count = len(features)
    if count < 3:
        raise ValueError(f"the jackknife needs at least three clips, there are {count}")
    sums = distance_sums(features)
    total = sums.sum() / 2.0
    value = total / (count * (count - 1) / 2)
    without = (total - sums) / ((count - 1) * (count - 2) / 2)
    deviation = np.sqrt((count - 1) / count * np.square(without - without.mean()).sum())
    reach = float(stats.t.ppf((1 + level) / 2, count - 1) * deviation)
    return Interval(float(value), float(value) - reach, float(value) + reach, "jackknife", level)


def mean_interval(
    scores: Array, rng: np.random.Generator, *, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """Basic bootstrap interval of the mean of one score per clip; NaN marks excluded clips.

    Raises:
        ValueError: fewer than two clips have a score.

    Example:
        >>> mean_interval(np.array([0.2, 0.3, np.nan, 0.4]), np.random.default_rng(0)).estimate.__round__(3)
        0.3
    """
    values = np.asarray(scores, np.float64)
    values = values[np.isfinite(values)]
    count = len(values)
    if count < 2:
        raise ValueError(f"an interval needs at least two clips with a score, there are {count}")
    drawn = values[rng.integers(count, size=(replicates, count))].mean(axis=1)
    mean = float(values.mean())
    low, high = pivot(mean, (drawn - mean) * np.sqrt(count / (count - 1)), level)
    return Interval(mean, low, high, "basic-bootstrap", level)
