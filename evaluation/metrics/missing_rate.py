"""The share of keypoints that were not seen: no quality, but what every other number of the clip rests on."""

from __future__ import annotations

from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables

__all__ = ["METRICS"]


def _values(tables: Tables, side: Side) -> RowValues:
    return RowValues(
        tables.motion(side).scalars["missing_rate"]
    )  # found with every body, whoever asks for it


METRICS = (
    MetricSpec(
        name="missing_rate",
        version=1,
        label="Missing",
        title="Share of keypoints that are not seen",
        needs=frozenset({"keypoints"}),
        direction="none",
        bounds=(0.0, 1.0),
        values=_values,
    ),
)
