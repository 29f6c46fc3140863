"""How sure is a number: intervals, noise floor, comparison of two systems.

FID and its kin are biased upwards by about c / n, and resampling clips with replacement adds the same bias
again, so percentile intervals do not even hold the value they belong to. Here

* :func:`half_sampling_interval` draws halves without replacement. Their mean shows the bias (a half has
  twice as much), ``2 full - mean(halves)`` removes it, and their spread around their mean is that of the full
  sample;
* :func:`diversity_interval` is the jackknife of a mean over pairs, exact and in one pass;
* :func:`mean_interval` and :func:`paired_difference` are basic (pivotal) bootstraps;
* :func:`label_swap_test` asks whether two systems could have changed places, :func:`holm` corrects for
  several metrics.

Everything works on features or scores per clip: nothing is extracted again. Randomness comes in through
``rng`` alone.

Legend: N clips, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from evaluation.metrics.distances import distance_sums

__all__ = [
    "Interval",
    "NoiseFloor",
    "Statistic",
    "diversity_interval",
    "half_sampling_interval",
    "holm",
    "label_swap_test",
    "mean_interval",
    "noise_floor",
    "paired_difference",
]

Array = npt.NDArray[np.floating[Any]]
Statistic = Callable[[Array, Array], float]


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
    low, high = _pivot(estimate, halves - halves.mean(), level)
    return Interval(max(estimate, minimum), max(low, minimum), max(high, minimum), "half-sampling", level)


def _pivot(estimate: float, deviations: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
    below, above = np.quantile(deviations, [(1 - level) / 2, (1 + level) / 2])
    return float(estimate - above), float(estimate - below)


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
    low, high = _pivot(mean, (drawn - mean) * np.sqrt(count / (count - 1)), level)
    return Interval(mean, low, high, "basic-bootstrap", level)


@dataclass(frozen=True)
class NoiseFloor:
    """What a metric says of two disjoint parts of the same real set.

    Attributes:
        value, deviation: mean and standard deviation over random splits.
        size: clips in each part; equal to the number of generated clips where the reference is large enough.
    """

    value: float
    deviation: float
    size: int


def noise_floor(
    statistic: Statistic, reference: Array, size: int, rng: np.random.Generator, *, repeats: int = 20
) -> NoiseFloor:
    """Value of ``statistic`` between two disjoint random parts of the reference of ``size`` clips each.

    Args:
        size: the number of generated clips; cut to half of the reference where that is smaller.

    Raises:
        ValueError: fewer than four reference clips.

    Example:
        >>> from evaluation.metrics.distances import frechet_distance
        >>> rng = np.random.default_rng(0)
        >>> noise_floor(frechet_distance, rng.normal(size=(100, 3)), 80, rng).size
        50
    """
    size = min(size, len(reference) // 2)
    if size < 2:
        raise ValueError(f"a noise floor needs at least four reference clips, there are {len(reference)}")
    values = np.empty(repeats)
    for index in range(repeats):
        order = rng.permutation(len(reference))
        values[index] = statistic(reference[order[:size]], reference[order[size : 2 * size]])
    return NoiseFloor(float(values.mean()), float(values.std(ddof=1)) if repeats > 1 else float("nan"), size)


def paired_difference(
    statistic: Statistic,
    first: Array,
    second: Array,
    reference: Array,
    rng: np.random.Generator,
    *,
    replicates: int = 400,
    level: float = 0.95,
) -> Interval:
    """Basic bootstrap interval of ``statistic(first, reference) - statistic(second, reference)``.

    Both systems are resampled by the same clips, so what is hard for both cancels; the reference is
    resampled too. An interval that holds 0 is a tie.

    Args:
        first, second: (N, D), row i of both made for the same clip.
        reference: (M, D).

    Raises:
        ValueError: the two systems have different clips.

    Example:
        >>> from evaluation.metrics.distances import frechet_distance
        >>> rng = np.random.default_rng(0)
        >>> real, shared = rng.normal(size=(2, 100, 3))
        >>> paired_difference(frechet_distance, shared + 1, shared, real, rng, replicates=100).low > 0
        True
    """
    _check_same_clips(first, second)
    count, size = len(first), len(reference)
    value = statistic(first, reference) - statistic(second, reference)
    drawn = np.empty(replicates)
    for index in range(replicates):
        clips, real = rng.integers(count, size=count), reference[rng.integers(size, size=size)]
        drawn[index] = statistic(first[clips], real) - statistic(second[clips], real)
    low, high = _pivot(value, drawn - value, level)
    return Interval(value, low, high, "basic-bootstrap", level)


def label_swap_test(
    statistic: Statistic,
    first: Array,
    second: Array,
    reference: Array,
    rng: np.random.Generator,
    *,
    permutations: int = 500,
) -> float:
    """Two-sided p-value: how often is the difference as large when the two systems change places?

    Args:
        first, second: (N, D), row i of both made for the same clip.
        reference: (M, D).

    Returns:
        (1 + number of permutations as extreme) / (1 + permutations): never 0.

    Example:
        >>> from evaluation.metrics.distances import frechet_distance
        >>> rng = np.random.default_rng(0)
        >>> real, shared = rng.normal(size=(2, 100, 3))
        >>> label_swap_test(frechet_distance, shared + 1, shared, real, rng, permutations=99)
        0.01
    """
    _check_same_clips(first, second)
    value = abs(statistic(first, reference) - statistic(second, reference))
    extreme = 0
    for _ in range(permutations):
        swap = rng.random(len(first)) < 0.5
        left, right = first.copy(), second.copy()
        left[swap], right[swap] = second[swap], first[swap]
        extreme += abs(statistic(left, reference) - statistic(right, reference)) >= value * (1 - 1e-12)
    return (1 + extreme) / (1 + permutations)


def _check_same_clips(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise ValueError(
            f"both systems must have the same clips and features, got {first.shape} and {second.shape}"
        )


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
