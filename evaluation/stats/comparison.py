"""Two systems held against each other, clip by clip.

:func:`paired_difference` is a basic (pivotal) bootstrap of their difference; :func:`label_swap_test` asks whether they
could have changed places; :func:`holm` corrects for several metrics.

Legend: N clips, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation.stats.intervals import Array, Interval, Statistic, pivot

__all__ = ["holm", "label_swap_test", "paired_difference"]


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
    low, high = pivot(value, drawn - value, level)
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
