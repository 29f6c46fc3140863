"""All metrics of a protocol, in its order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.metrics.cautions import motion_cautions
from evaluation.metrics.derived import column_of, estimate_of, finished
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.tables import Tables
from evaluation.result import Metric

__all__ = ["Measurement", "measure"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """The numbers of one run.

    Attributes:
        samples: name -> (N,) value of every row of the motion of the prediction, NaN where a row has none.
        video_samples: the same of every video of the prediction.
        notes: what a reader should know: columns dropped, rows left out.
    """

    metrics: list[Metric]
    samples: dict[str, Floats]
    video_samples: dict[str, Floats]
    notes: list[str]


def measure(tables: Tables) -> Measurement:
    """Every metric of the tables' protocol; equal tables give equal bits, today and from a features file tomorrow.

    Raises:
        ConfigError: the protocol asks for a metric, or a version of one, that is not here.
    """
    specs = check_metrics(tables.protocol)
    beside = motion_cautions(tables)
    metrics = []
    for spec in specs:
        estimate = estimate_of(spec, tables)
        if spec.track == "motion":
            estimate.cautions += beside
        metrics.append(finished(spec, estimate, tables.protocol))
    samples = {} if tables.prediction is None else dict(tables.prediction.scalars)
    videos: dict[str, Floats] = {}
    for spec in specs:
        if spec.track == "motion" and tables.prediction is None:
            continue
        try:
            column = column_of(spec, tables, "prediction")
        except ValueError:  # its metric says why
            column = None
        if column is not None:
            (videos if spec.track == "appearance" else samples)[spec.name] = column.values
        if spec.samples is not None:
            samples |= tables.shared(spec.samples)
    return Measurement(metrics, samples, videos, tables.notes)
