"""All metrics of a protocol, in its order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.features import Features
from evaluation.measure.clips import beats, row_scores, scalars
from evaluation.measure.distances import distances
from evaluation.measure.draft import METRICS, Statistics
from evaluation.protocol import Protocol
from evaluation.results import Metric
from madata.errors import ConfigError

__all__ = ["Measurement", "measure"]


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


def measure(prediction: Features, reference: Features, protocol: Protocol) -> Measurement:
    """Every metric of ``protocol`` between two sides.

    Raises:
        ConfigError: the protocol asks for a metric, or a version of one, that this build does not have.
    """
    for name, version in protocol.metrics.items():
        if name not in METRICS or METRICS[name].version != version:
            known = f"version {METRICS[name].version}" if name in METRICS else "no such metric"
            raise ConfigError(
                f"protocol {protocol.name} asks for {name} version {version}; this build has {known}"
            )
    statistics = Statistics.of(prediction, reference, protocol)
    notes: list[str] = []
    samples, real = row_scores(prediction, protocol), row_scores(reference, protocol)
    drafts, nearest = distances(prediction, reference, statistics, notes)
    drafts |= beats(prediction, reference, statistics, notes) | scalars(samples, real, statistics)
    if nearest is not None:
        samples["nearest_real"] = nearest
    return Measurement([drafts[name].finish(name) for name in protocol.metrics], samples, notes)
