"""How far each dance is from the nearest real one (``nearest_real``): what finds copies, and single bad clips.

Kept for every clip wherever sets of dances are compared, whether a protocol asks for its mean or not.

Legend: N rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.metrics.distances import nearest_distance
from evaluation.metrics.estimate import sized
from evaluation.metrics.feature_space import joint_space
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables

__all__ = ["METRICS", "nearest_real"]


def nearest_real(tables: Tables) -> dict[str, npt.NDArray[np.float64]]:
    """(N,) distance of each row of the prediction to the nearest reference row; nothing where it cannot be told."""
    try:
        return {"nearest_real": _values(tables, "prediction").values}
    except ValueError:
        return {}


def _values(tables: Tables, side: Side) -> RowValues:
    if (reason := sized(tables).reason) is not None:
        raise ValueError(reason)
    prediction, real = tables.shared(joint_space)
    if side == "prediction":
        return RowValues(nearest_distance(prediction, real))
    others = [nearest_distance(real[[row]], np.delete(real, row, axis=0))[0] for row in range(len(real))]
    return RowValues(np.array(others, np.float64))


METRICS = (
    MetricSpec(
        name="nearest_real",
        version=1,
        label="Nearest real",
        title="Distance to the nearest real clip",
        needs=frozenset({"keypoints"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        values=_values,
    ),
)
