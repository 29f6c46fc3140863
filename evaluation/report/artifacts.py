"""A scored run: what it is made of, what made the clips, and the files it leaves."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features.table import Features, write_features
from evaluation.features.video_rows import VideoRow, table_arrays
from evaluation.inputs.discovery import clip_records
from evaluation.metrics.measure import Measurement
from evaluation.options import Options
from evaluation.protocol import Protocol
from evaluation.result import Artefact, Environment, Generation, Result, System, labelled, seal, write_result
from madata.errors import MadanceError
from madata.files import sha256_file
from madata.manifest import write_table

__all__ = [
    "FEATURES_FILE",
    "RESULT_FILE",
    "SAMPLES_FILE",
    "Scored",
    "WatchedSides",
    "environment",
    "maker_of",
    "run_of",
    "write_samples",
    "write_scored",
]

RESULT_FILE, SAMPLES_FILE, FEATURES_FILE = "result.json", "samples.parquet", "features.npz"

_PACKAGES = ("madance", "numpy", "scipy", "librosa", "soundfile", "soxr", "av")
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
class WatchedSides:
    """What the pictures of both sides gave, and why some of it is missing.

    Attributes:
        missing: metric -> reason.
        no_motion: why there are no metrics of motion, where the protocol has some.
    """

    generated: list[VideoRow]
    reference: list[VideoRow]
    missing: Mapping[str, str]
    no_motion: str | None


@dataclass(frozen=True)
class Scored:
    """A result with what it rests on.

    Attributes:
        prediction, reference: features of motion; ``None`` where only pictures were looked at.
        videos: where pictures were looked at.
    """

    result: Result
    prediction: Features | None
    reference: Features | None
    protocol: Protocol
    measurement: Measurement
    videos: WatchedSides | None = None


def run_of(predictions: Path) -> tuple[Path, Path | None]:
    """The folder of the clips, and that of the run of ``madance generate`` they belong to."""
    if (predictions / "run.json").is_file() and (predictions / "clips").is_dir():
        return predictions / "clips", predictions
    if predictions.name == "clips" and (predictions.parent / "run.json").is_file():
        return predictions, predictions.parent
    return predictions, None


def maker_of(
    predictions: Path, run: Path | None, protocol: Protocol, options: Options
) -> tuple[System, Generation | None]:
    """What made the predictions: a run says so itself, of a folder only its name is known."""
    if run is None:
        return _maker_of_folder(predictions, protocol, options), None
    from evaluation.generate import describe_run

    return describe_run(run, options.system)


def _maker_of_folder(predictions: Path, protocol: Protocol, options: Options) -> System:
    """The records beside single clips say what made them; of other folders only the name is known.

    Raises:
        MadanceError: the clips are of several systems or models.
    """
    made = {(record["system"]["name"], record.get("label")) for record in clip_records(predictions)}
    if len(made) > 1:
        listed = ", ".join(sorted(labelled(*maker) for maker in made))
        raise MadanceError(f"{predictions}: its clips are by several systems ({listed}); score them apart")
    own, label = made.pop() if made else (predictions.resolve().name, None)
    return System(name=labelled(options.system or own, label), task=protocol.task)


def environment(*more: str) -> Environment:
    """This Python and the versions of the packages that numbers depend on, ``more`` among them."""
    packages = {}
    for name in (*_PACKAGES, *more):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages,
    )


def write_scored(scored: Scored, out: Path) -> Result:
    """Write the result, its samples and its features into ``out``; return the result with their hashes."""
    facts = {"protocol": scored.protocol.model_dump_json()}
    sides = {"prediction": scored.prediction, "reference": scored.reference}
    tables: dict[str, npt.NDArray[Any]] = {}
    if (videos := scored.videos) is not None:
        tables = table_arrays("generated", videos.generated) | table_arrays("reference", videos.reference)
        facts["missing"] = json.dumps([dict(videos.missing), videos.no_motion])
    features = {name: side for name, side in sides.items() if side is not None}
    write_features(out / FEATURES_FILE, features, tables, **facts)
    write_samples(out / SAMPLES_FILE, _sample_rows(scored))
    artefacts = {
        kind: Artefact(file=name, sha256=sha256_file(out / name))
        for kind, name in (("features", FEATURES_FILE), ("samples", SAMPLES_FILE))
    }
    result = seal(scored.result.model_copy(update={"artefacts": artefacts}))
    write_result(out / RESULT_FILE, result)
    return result


def write_samples(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a long table of samples: clip_id, window, start_s, seed, sha256, metric, value."""
    write_table(path, rows, _SAMPLE_COLUMNS)


def _sample_rows(scored: Scored) -> list[dict[str, Any]]:
    """One row for each number of each window, and of each video, in a long table."""
    side, videos = scored.prediction, scored.videos
    watched = scored.measurement.video_samples
    rows = []
    if side is not None:
        samples = scored.measurement.samples
        windows = zip(side.clip_ids, side.numbers, side.starts_s, strict=True)
        rows = [
            _sample(scored, clip, int(number), float(start_s), name, float(values[row]))
            for row, (clip, number, start_s) in enumerate(windows)
            for name, values in sorted(samples.items())
        ]
    clips = [row.clip_id for row in videos.generated] if videos is not None else []
    return rows + [
        _sample(scored, clip, 0, 0.0, name, float(values[row]))
        for row, clip in enumerate(clips)
        for name, values in sorted(watched.items())
    ]


def _sample(
    scored: Scored, clip: str, window: int, start_s: float, metric: str, value: float
) -> dict[str, Any]:
    return {
        "clip_id": clip,
        "window": window,
        "start_s": start_s,
        "seed": None,
        "sha256": scored.result.dataset.files[clip].prediction,
        "metric": metric,
        "value": value if np.isfinite(value) else None,
    }
