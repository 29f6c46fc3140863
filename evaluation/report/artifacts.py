"""The files a scored run leaves: its result, the samples of single clips, and the features behind every number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.features.store import write_run
from evaluation.features.table import RunFeatures
from evaluation.metrics.measure import Measurement
from evaluation.report.html import html_of_result
from evaluation.result import Artefact, Result, seal, write_result
from madata.files import sha256_file
from madata.manifest import write_table

__all__ = [
    "FEATURES_FILE",
    "RESULT_FILE",
    "SAMPLES_FILE",
    "Scored",
    "write_beside",
    "write_samples",
    "write_scored",
]

RESULT_FILE, SAMPLES_FILE, FEATURES_FILE = "result.json", "samples.parquet", "features.npz"

_SAMPLE_COLUMNS = {
    "clip_id": "string",
    "window": "int64",
    "start_s": "float64",
    "seed": "int64",
    "sha256": "string",
    "metric": "string",
    "value": "float64",
}


@dataclass(frozen=True)
class Scored:
    """A result with what it rests on. A notebook shows the result as a table."""

    result: Result
    features: RunFeatures
    measurement: Measurement

    def _repr_html_(self) -> str:
        return html_of_result(self.result)


def write_scored(scored: Scored, out: Path | str) -> Result:
    """Write the result, its samples and its features into ``out``; return the result with their hashes."""
    out = Path(out)
    write_run(out / FEATURES_FILE, scored.features)
    write_samples(out / SAMPLES_FILE, _sample_rows(scored))
    return write_beside(scored.result, out, {"features": FEATURES_FILE, "samples": SAMPLES_FILE})


def write_beside(result: Result, out: Path, files: dict[str, str]) -> Result:
    """Write ``result`` into ``out``, with the hashes of the files there (kind -> name) it rests on."""
    artefacts = {kind: Artefact(file=name, sha256=sha256_file(out / name)) for kind, name in files.items()}
    result = seal(result.model_copy(update={"artefacts": artefacts}))
    write_result(out / RESULT_FILE, result)
    return result


def write_samples(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a long table of samples: clip_id, window, start_s, seed, sha256, metric, value."""
    write_table(path, rows, _SAMPLE_COLUMNS)


def _sample_rows(scored: Scored) -> list[dict[str, Any]]:
    """One row for each number of each window, and of each video, in a long table."""
    features, measurement = scored.features, scored.measurement
    rows: list[dict[str, Any]] = []
    if (motion := features.prediction) is not None:
        windows = zip(motion.clip_ids, motion.numbers.tolist(), motion.starts_s.tolist(), strict=True)
        rows += _samples(scored, windows, sorted(measurement.samples.items()))
    if (videos := features.videos.get("prediction")) is not None:
        whole = ((clip, 0, 0.0) for clip in videos.clip_ids)
        rows += _samples(scored, whole, sorted(measurement.video_samples.items()))
    return rows


def _samples(
    scored: Scored, stretches: Iterable[tuple[str, int, float]], columns: Sequence[tuple[str, Any]]
) -> list[dict[str, Any]]:
    files = scored.result.dataset.files
    return [
        {
            "clip_id": clip,
            "window": window,
            "start_s": start_s,
            "seed": None,
            "sha256": files[clip].prediction,
            "metric": name,
            "value": float(values[row]) if np.isfinite(values[row]) else None,
        }
        for row, (clip, window, start_s) in enumerate(stretches)
        for name, values in columns
    ]
