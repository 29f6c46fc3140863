"""Where in the clips a number comes from: the metric second by second, of both sides.

Clips are not of one length: a second that less than half of them reach is left out, so that the end of a course is not
that of a few.

Legend: N videos, S seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.metrics.tables import Tables
from evaluation.result import Course

__all__ = ["course_of", "mean_course"]

Floats = npt.NDArray[np.float64]


def mean_course(rows: Sequence[Floats]) -> tuple[list[float | None], list[int]]:
    """The mean over the clips at each second that at least half of them reach, and how many have a value there.

    Args:
        rows: N arrays (S,) of clips that have any; NaN where a second has no value.

    Example:
        >>> mean_course([np.array([0.0, 1.0, 2.0]), np.array([0.0, 3.0]), np.array([np.nan])])
        ([0.0, 2.0], [2, 2])
    """
    lengths = sorted((len(row) for row in rows if len(row)), reverse=True)
    if not lengths:
        return [], []
    reached = lengths[(len(lengths) + 1) // 2 - 1]
    values: list[float | None] = []
    counts: list[int] = []
    for second in range(reached):
        there = [float(row[second]) for row in rows if len(row) > second and np.isfinite(row[second])]
        values.append(float(np.mean(there)) if there else None)
        counts.append(len(there))
    return values, counts


def course_of(tables: Tables, name: str) -> Course | None:
    """How the score called ``name`` goes on through the videos; ``None`` where nobody looked at seconds."""
    mine = _rows(tables.videos.get("prediction"), name)
    values, counts = mean_course(mine)
    if not values:
        return None
    real, _ = mean_course(_rows(tables.videos.get("reference"), name))
    return Course(values=values, n=counts, reference=real[: len(values)] or None)


def _rows(table: FeatureTable | None, name: str) -> tuple[Floats, ...]:
    return () if table is None else table.ragged.get(f"kept/{name}", ())
