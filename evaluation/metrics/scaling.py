"""Bringing features of different size to one scale before distances are taken.

Published: ``(x - mean) / (std + epsilon)``, in MACE-Dance's 2D script each set by its own statistics,
elsewhere by those of the reference, always including columns that do not vary. :func:`fit_scale` is the
corrected form: by the reference alone, columns without variance dropped and listed.

Legend: N clips of the reference, M clips of the prediction, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.definitions import Scaling

__all__ = ["Scale", "fit_scale", "scale_officially"]

Array = npt.NDArray[np.floating[Any]]
Features = npt.NDArray[np.float64]


def scale_officially(reference: Array, prediction: Array, scaling: Scaling) -> tuple[Array, Array]:
    """Normalise two sets as a published script does.

    Args:
        reference: (N, D) float32.
        prediction: (M, D) float32.

    Returns:
        Both sets, float32. A reference column without variance gives values up to 1e10, as it does upstream;
        its last bits then matter, so sums are taken in the order of the library upstream used.

    Example:
        >>> half = Scaling(own=False, library="torch", epsilon=0.0)
        >>> first, second = np.float32([[0], [2], [4]]), np.float32([[6]])
        >>> [features.ravel().tolist() for features in scale_officially(first, second, half)]
        [[-1.0, 0.0, 1.0], [2.0]]
    """
    mean, deviation = _statistics(reference, scaling)
    own = _statistics(prediction, scaling) if scaling.own else (mean, deviation)
    epsilon = np.asarray(scaling.epsilon, reference.dtype)
    return (reference - mean) / (deviation + epsilon), (prediction - own[0]) / (own[1] + epsilon)


def _statistics(features: Array, scaling: Scaling) -> tuple[Array, Array]:
    if scaling.library == "numpy":
        return features.mean(axis=0), features.std(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = features.std(axis=0, ddof=1, dtype=np.float64).astype(features.dtype)
    mean: Array = _torch_sum(features) / np.asarray(len(features), features.dtype)
    return mean, deviation


_LANES = 32
_STREAMS = 4


def _torch_sum(features: Array) -> Array:
    """Sum over clips with torch's order of additions, which decides the last bit of a mean.

    Columns in full blocks of ``_LANES`` are added by cascade; the rest in four interleaved cascades.
    """
    blocked = features.shape[1] // _LANES * _LANES
    rest, whole = features[:, blocked:], len(features) // _STREAMS * _STREAMS
    parts = [_cascade_sum(rest[start:whole:_STREAMS]) for start in range(_STREAMS)]
    for row in rest[whole:]:
        parts[0] = parts[0] + row
    return np.concatenate([_cascade_sum(features[:, :blocked]), parts[0] + parts[1] + parts[2] + parts[3]])


def _cascade_sum(rows: Array, levels: int = 4) -> Array:
    """Add rows into a low level that is emptied into the next one at every power of a fixed step."""
    power = max(4, int(np.ceil(np.log2(max(len(rows), 1)))) // levels)
    step = 1 << power
    sums = np.zeros((levels, rows.shape[1]), rows.dtype)
    for count, row in enumerate(rows, start=1):
        sums[0] += row
        level = 1
        while level < levels and count % (step**level) == 0:
            sums[level] += sums[level - 1]
            sums[level - 1] = 0
            level += 1
    total: Array = sums[0]
    for level in range(1, levels):
        total = total + sums[level]
    return total


@dataclass(frozen=True)
class Scale:
    """Normalisation by the reference alone.

    Attributes:
        mean, deviation: (D',) of the columns kept.
        kept: (D',) column numbers.
        dropped: columns that do not vary in the reference, or are not observed in at least two of its clips.
    """

    mean: Features
    deviation: Features
    kept: npt.NDArray[np.intp]
    dropped: tuple[int, ...]

    def apply(self, features: Array) -> Features:
        """(M, D) -> (M, D'); a value that was not observed becomes 0, the mean of the reference."""
        scaled = (features[:, self.kept].astype(np.float64) - self.mean) / self.deviation
        return np.where(np.isnan(scaled), 0.0, scaled)


def fit_scale(reference: Array, *, min_relative_deviation: float = 1e-6) -> Scale:
    """Learn mean and deviation of every column of the reference; drop and list columns that do not vary.

    Args:
        reference: (N, D); NaN marks what was not observed.
        min_relative_deviation: a deviation below this fraction of the size of the column counts as none.

    Raises:
        ValueError: fewer than two clips, or no column varies.

    Example:
        >>> scale = fit_scale(np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> scale.dropped, scale.apply(np.array([[1.0, 9.0]])).tolist()
        ((1,), [[0.0]])
    """
    if reference.ndim != 2 or len(reference) < 2:
        raise ValueError(f"expected at least two reference clips (N, D), got {reference.shape}")
    values = reference.astype(np.float64)
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    mean = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    spread = np.where(seen, np.square(values - mean), 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    deviation = np.sqrt(spread)
    size = np.sqrt(np.square(mean) + spread)
    keep = (count >= 2) & (deviation > min_relative_deviation * np.maximum(size, 1e-12))
    if not keep.any():
        raise ValueError("no feature varies over the reference clips: are they all the same?")
    kept = np.flatnonzero(keep)
    return Scale(mean[kept], deviation[kept], kept, tuple(np.flatnonzero(~keep).tolist()))
