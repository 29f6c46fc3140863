"""All metrics of a protocol, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.features.table import Features
from evaluation.measure.clips import beats, row_scores, scalars
from evaluation.measure.distances import distances
from evaluation.measure.draft import METRICS, Statistics
from evaluation.protocol import Protocol
from evaluation.result import Metric
from madata.errors import ConfigError

__all__ = ["Measurement", "check_metrics", "measure", "metrics_of"]


@dataclass(frozen=True)
class Measurement:
    """The numbers of one run.

    Attributes:
        samples: name -> (N,) value of every row of the prediction, NaN where a row has none.
        notes: what a reader should know: columns dropped, rows left out.
    """

    metrics: list[Metric]
    samples: dict[str, npt.NDArray[np.float64]]
    notes: list[str]


def check_metrics(protocol: Protocol) -> None:
    """Refuse a protocol that asks for what this build does not have.

    Raises:
        ConfigError: naming the metric.
    """
    for name, version in protocol.metrics.items():
        if name not in METRICS or METRICS[name].version != version:
            known = f"version {METRICS[name].version}" if name in METRICS else "no such metric"
            raise ConfigError(
                f"protocol {protocol.name} asks for {name} version {version}; this build has {known}"
            )


def metrics_of(protocol: Protocol, track: Literal["motion", "appearance"]) -> list[str]:
    """Names of the protocol's metrics of one track, in its order."""
    return [name for name in protocol.metrics if METRICS[name].track == track]


def measure(prediction: Features, reference: Features, protocol: Protocol) -> Measurement:
    """Every metric of motion of ``protocol`` between two sides.

    Raises:
        ConfigError: the protocol asks for a metric, or a version of one, that this build does not have.
    """
    check_metrics(protocol)
    statistics = Statistics.of(prediction, reference, protocol)
    notes: list[str] = []
    samples, real = row_scores(prediction, protocol), row_scores(reference, protocol)
    drafts, nearest = distances(prediction, reference, statistics, notes)
    drafts |= beats(prediction, reference, statistics, notes) | scalars(samples, real, statistics)
    if nearest is not None:
        samples["nearest_real"] = nearest
    return Measurement([drafts[name].finish(name) for name in metrics_of(protocol, "motion")], samples, notes)
