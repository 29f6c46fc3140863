"""Means over clips, where clips of a song and windows of a clip hang together.

**Truth.** The mean over the windows of infinitely many songs. The estimate is the plain (or weighted) mean of all rows
that have a value, a ratio of sums over units. Where all units say the same (no joint is missing), their spread says
nothing of what was not seen; then the interval of a share reaches as far as the share of units that say otherwise may
be (Clopper & Pearson 1934) times the most they could say. Where one says otherwise, its few degrees of freedom reach
further still. What is no share has no interval then: that six equal pictures could all have been negatives of each
other (SSIM -1) is true and of no use to anybody.

Legend: N rows, U units, G blocks.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import Array, BlockEstimate, Blocks, Rows, Units, too_few

__all__ = ["mean_estimate", "mean_interval", "units_with_value"]


def units_with_value(values: Array, units: Units) -> list[Rows]:
    """Of each unit the rows that have a value; units without any are left out.

    Example:
        >>> units = [np.array([0, 1]), np.array([2])]
        >>> [rows.tolist() for rows in units_with_value(np.array([1.0, np.nan, np.nan]), units)]
        [[0]]
    """
    kept = [rows[np.isfinite(values[rows])] for rows in units]
    return [rows for rows in kept if len(rows)]


def mean_estimate(values: Array, blocks: Blocks, weights: Array | None = None) -> BlockEstimate:
    """Mean of the rows of all units, and without each block; a block without any value has no shift (NaN).

    Args:
        values: (N,); NaN marks rows without a value, which do not count.
        weights: (N,) of each row; all alike where absent.

    Raises:
        ValueError: no row, or none outside one of the blocks, has a value.

    Example:
        >>> blocks = Blocks([np.array([0]), np.array([1]), np.array([2])], np.arange(3), 3)
        >>> mean_estimate(np.array([1.0, 2.0, 6.0]), blocks).shifts.tolist()
        [1.0, 0.5, -1.5]
    """
    there = np.isfinite(values)
    weight = there.astype(np.float64) if weights is None else np.where(there, weights, 0.0)
    filled = np.where(there, values, 0.0).astype(np.float64)
    sums = np.array([(filled[rows] * weight[rows]).sum() for rows in blocks.units])
    sizes = np.array([weight[rows].sum() for rows in blocks.units])
    total, size = blocks.without(sums), blocks.without(sizes)
    if (size <= 0).any():
        raise ValueError("an interval needs rows with a value in two blocks or more")
    found = total / size
    shifts = np.where(size[1:] < size[0], found[1:] - found[0], np.nan)
    return BlockEstimate(float(found[0]), shifts, np.zeros(0))


_ROUNDING = 1e-12
"""Of the size of the values: units that differ by less say the same."""


def mean_interval(
    values: Array,
    units: Units,
    *,
    weights: Array | None = None,
    level: float = 0.95,
    minimum: float = -np.inf,
    maximum: float = np.inf,
) -> Interval:
    """Interval of the mean of the rows that have a value.

    Args:
        values: (N,); NaN marks rows without a value.
        units: rows of each independent unit.
        weights: (N,) of each row.
        minimum, maximum: limits of the metric.

    Raises:
        ValueError: fewer than six units have a value, or all say the same and it is no share (limits 0 and 1).

    Example:
        >>> scores = np.array([0.2, 0.3, np.nan, 0.4, 0.1, 0.3, 0.3])
        >>> units = [np.array([row]) for row in range(7)]
        >>> found = mean_interval(scores, units, minimum=0.0, maximum=1.0)
        >>> round(found.low, 2), round(found.high, 2)
        (0.14, 0.38)
    """
    there = units_with_value(values, units)
    if reason := too_few(len(there), what="independent clips or songs with a value"):
        raise ValueError(reason)
    estimate = mean_estimate(values, Blocks.dealt(there, np.arange(len(there)), len(there)), weights)
    found = estimate.interval(level=level, minimum=minimum, maximum=maximum)
    own = np.array([values[rows].mean() for rows in there])
    if np.ptp(own) > _ROUNDING * np.abs(own).max():
        return found
    if (minimum, maximum) != (0.0, 1.0):
        raise ValueError(f"all {len(own)} have the same value: an interval needs some that differ")
    share, value = float(stats.beta.ppf((1 + level) / 2, 1, len(own))), float(own[0])
    low, high = value + share * (minimum - value), value + share * (maximum - value)
    return Interval(found.estimate, low, high, found.method, level)
