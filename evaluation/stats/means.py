"""Means over clips, where clips of a song and windows of a clip hang together.

**Truth.** The mean over the windows of infinitely many songs. The estimate is the plain (or weighted) mean of all rows
that have a value, a ratio of sums over units.

Legend: N rows, U units, G blocks.
"""

from __future__ import annotations

import numpy as np

from evaluation.stats.jackknife import Array, Blocks, Estimate, Rows, Units

__all__ = ["mean_estimate", "units_with_value"]


def units_with_value(values: Array, units: Units) -> list[Rows]:
    """Of each unit the rows that have a value; units without any are left out.

    Example:
        >>> units = [np.array([0, 1]), np.array([2])]
        >>> [rows.tolist() for rows in units_with_value(np.array([1.0, np.nan, np.nan]), units)]
        [[0]]
    """
    kept = [rows[np.isfinite(values[rows])] for rows in units]
    return [rows for rows in kept if len(rows)]


def mean_estimate(values: Array, blocks: Blocks, weights: Array | None = None) -> Estimate:
    """Mean of the rows of all units, and without each block.

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
    return Estimate(float(found[0]), found[1:] - found[0], np.zeros(0))
