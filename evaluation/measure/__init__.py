"""From the features of two sides to the numbers of a protocol, each with its interval and its noise floor.

:func:`measure` sees nothing but :class:`~evaluation.features.table.Features` and the protocol: what it makes of a
features file tomorrow is what it made of the files today, to the last bit.
"""

from evaluation.measure.clips import row_scores
from evaluation.measure.distances import scaled_sides
from evaluation.measure.draft import METRICS, MetricKind, clip_groups
from evaluation.measure.run import Measurement, check_metrics, measure, metrics_of

__all__ = [
    "METRICS",
    "Measurement",
    "MetricKind",
    "check_metrics",
    "clip_groups",
    "measure",
    "metrics_of",
    "row_scores",
    "scaled_sides",
]
