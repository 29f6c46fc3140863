"""What a metric says where there is nothing to say: the noise floor, two parts of one real set.

Legend: N clips, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.stats.jackknife import Array

__all__ = ["NoiseFloor", "estimate_noise_floor"]

Statistic = Callable[[Array, Array], float]


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


def estimate_noise_floor(
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
        >>> estimate_noise_floor(frechet_distance, rng.normal(size=(100, 3)), 80, rng).size
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
