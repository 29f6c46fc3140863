"""Pictures and motion of one protocol, put together into one result."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evaluation.features.table import Features, read_videos
from evaluation.metrics.measure import Measurement, measure
from evaluation.metrics.registry import metrics_of
from evaluation.metrics.tables import Tables
from evaluation.motion import score_motion
from evaluation.options import Options
from evaluation.problems import Refused
from evaluation.protocol import Protocol
from evaluation.report.artifacts import Scored, WatchedSides, environment, maker_of, run_of
from evaluation.result import Dataset, Problem, ProtocolRef, Result, seal
from evaluation.videos.run import watch_folders
from madata.errors import MediaError, MissingDependencyError, WeightsError

__all__ = ["rescore_videos", "score_videos"]

_PACKAGES = ("torch", "opencv-python-headless", "scikit-image")
_NO_REFERENCE = "metrics of motion compare with real clips: give --reference"


def score_videos(
    predictions: Path,
    reference: Path | None,
    protocol: Protocol,
    *,
    music: Path | None = None,
    options: Options,
) -> Scored:
    """Score a folder of videos, its pictures and, where the protocol has metrics of it, its motion.

    Args:
        reference: folder of real videos of the same stems, where there are some.
        music: of the motion half, see :func:`evaluation.motion.score_motion`.

    Raises:
        Refused: clips are missing and ``options`` does not let that pass; no video can be scored.
        MadanceError: a folder is absent or empty, or a reference is needed.
    """
    moves = bool(metrics_of(protocol, "motion"))  # names what this build has not before anything is looked at
    folder, run = run_of(predictions)
    watched = watch_folders(folder, reference, protocol, options)
    motion, no_motion = None, None
    if moves:
        motion, no_motion = _motion(predictions, reference, protocol, music, options, watched.no_motion)
    videos = WatchedSides(watched.generated, watched.reference, watched.missing, no_motion)
    measurement = measure(
        _tables(protocol, videos, motion.prediction if motion else None, motion.reference if motion else None)
    )
    system, generation = maker_of(folder, run, protocol, options)
    problems = _together(watched.problems, motion.result.errors if motion else [])
    dataset = _dataset(watched.dataset, motion.result.dataset if motion else None)
    partial = bool(dataset.missing or problems) or options.limit is not None
    result = Result(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        status="partial" if partial else "complete",
        errors=problems,
        warnings=[*watched.notes, *(motion.result.warnings if motion else [])],
        system=system,
        generation=generation,
        protocol=ProtocolRef(name=protocol.name, version=protocol.version, sha256=protocol.sha256),
        dataset=dataset,
        pose=motion.result.pose if motion else None,
        viewing=watched.viewing,
        metrics=measurement.metrics,
        environment=environment(*_PACKAGES),
    )
    return Scored(
        seal(result),
        motion.prediction if motion else None,
        motion.reference if motion else None,
        protocol,
        measurement,
        videos,
    )


def _motion(
    predictions: Path,
    reference: Path | None,
    protocol: Protocol,
    music: Path | None,
    options: Options,
    no_keypoints: str | None,
) -> tuple[Scored | None, str | None]:
    """The motion half, or why there is none. Its keypoints were found when the pictures were looked at."""
    if reference is None:
        return None, _NO_REFERENCE
    if no_keypoints is not None:
        return None, no_keypoints
    try:
        options = replace(options, allow_missing=True)
        return score_motion(predictions, reference, protocol, music=music, options=options), None
    except Refused as refused:
        first = refused.problems[0]
        return None, f"no clip has a motion that can be used; first: {first.message} [{first.reason}]"
    except (MissingDependencyError, WeightsError) as error:
        return None, str(error)


def _tables(
    protocol: Protocol, videos: WatchedSides, prediction: Features | None, reference: Features | None
) -> Tables:
    return Tables(
        protocol,
        prediction,
        reference,
        videos={"prediction": videos.generated, "reference": videos.reference},
        missing=videos.missing,
        no_motion=videos.no_motion or _NO_REFERENCE,
    )


def _together(first: list[Problem], second: list[Problem]) -> list[Problem]:
    """Problems of both halves; a file that could not be decoded is named once."""
    known = {(one.clip_id, one.side) for one in first}
    return [*first, *(one for one in second if (one.clip_id, one.side) not in known)]


def _dataset(watched: Dataset, motion: Dataset | None) -> Dataset:
    if motion is None:
        return watched
    missing = sorted({*watched.missing, *motion.missing})
    return motion.model_copy(update={"missing": missing, "ignored": watched.ignored})


def rescore_videos(
    path: Path, sides: Mapping[str, Features], facts: Mapping[str, str], protocol: Protocol
) -> Measurement:
    """Every number again from the features file of :func:`evaluation.report.artifacts.write_scored`.

    Raises:
        MediaError: it holds no table of videos.
    """
    rows = read_videos(path)
    if "missing" not in facts or not rows:
        raise MediaError(
            f"{path}: holds no videos, but protocol {protocol.name} needs them", reason="no_features"
        )
    try:
        missing, no_motion = json.loads(facts["missing"])
        missing = {str(name): str(reason) for name, reason in missing.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise MediaError(f"{path}: does not say what was not measured", reason="no_features") from error
    generated, reference = rows["generated"], rows["reference"]
    videos = WatchedSides(generated, reference, missing, no_motion)
    moved = {"prediction", "reference"} <= set(sides)
    if moved and not {row.clip_id for row in generated} >= set(sides["prediction"].clip_ids):
        raise MediaError(f"{path}: holds motion of clips whose videos it does not hold", reason="no_features")
    both = (sides["prediction"], sides["reference"]) if moved else (None, None)
    return measure(_tables(protocol, videos, *both))
