"""Scoring: two folders and a protocol in, one result out.

Pictures are the matter of :mod:`evaluation.videos`. Motion goes
files -> tracks -> features (:mod:`evaluation.sides`) -> numbers (:mod:`evaluation.measure`) -> result. The
features are kept beside the result; :func:`rescore` makes the same numbers of them again.

Example:
    scored = score(Path("pred"), Path("gt"), load_protocol("ma-data-motion2d"), music=Path("music"))
    print(scored.result.metric("fid_k"))
"""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features import Features, read_features, write_features
from evaluation.gather import Listener, Options, Refused, nothing_left, reader_for, refuse
from evaluation.inputs import Match, find_clips, match_clips, set_sha256
from evaluation.measure import Measurement, measure
from evaluation.protocol import Protocol
from evaluation.reference import find_reference
from evaluation.results import (
    Artefact,
    Dataset,
    Environment,
    FileHashes,
    Generation,
    Pose,
    Problem,
    ProtocolRef,
    Result,
    System,
    seal,
    write_result,
)
from evaluation.sides import MeasuredSide, SideReader
from evaluation.videos.rows import VideoRow, table_arrays
from madata.errors import MadanceError, MediaError
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
    "rescore",
    "run_of",
    "score",
    "score_motion",
    "write_samples",
    "write_scored",
]

RESULT_FILE, SAMPLES_FILE, FEATURES_FILE = "result.json", "samples.parquet", "features.npz"

_SIDES = ("prediction", "reference", "music")
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
        samples: metric -> value of each video of ``generated``.
    """

    generated: list[VideoRow]
    reference: list[VideoRow]
    missing: Mapping[str, str]
    no_motion: str | None
    samples: Mapping[str, npt.NDArray[np.float64]]


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


def score(
    predictions: Path,
    reference: Path | None,
    protocol: Protocol,
    *,
    music: Path | None = None,
    options: Options | None = None,
) -> Scored:
    """Score a folder of predictions by what the protocol asks for: motion, pictures, or both.

    Args:
        reference: see :func:`score_motion`; protocols that only look at the predictions need none.

    Raises:
        Refused: files are missing or unusable, and neither the protocol nor ``options`` lets them pass.
        MadanceError: a folder is absent or empty, a reference is needed, a package is missing.
    """
    options = options or Options()
    if protocol.watches:
        from evaluation.videos.scoring import score_videos

        return score_videos(predictions, reference, protocol, music=music, options=options)
    if reference is None:
        raise MadanceError(f"protocol {protocol.name} compares with real clips: give --reference")
    return score_motion(predictions, reference, protocol, music=music, options=options)


def score_motion(
    predictions: Path,
    reference: Path,
    protocol: Protocol,
    *,
    music: Path | None = None,
    options: Options,
) -> Scored:
    """Score the motion of a folder of predictions against a reference.

    Args:
        predictions: folder of keypoints, videos or motions, one file per clip, or a run of ``madance
            generate``, which also tells what made them.
        reference: such a folder, or a file of :func:`evaluation.reference.save_reference`.
        music: folder of sound files or videos; where it is absent, the sound of the reference videos or the
            beats of a saved reference serve.

    Raises:
        Refused: files are missing or unusable, and neither the protocol nor ``options`` lets them pass.
        MadanceError: a folder is absent or empty, backends differ, a package is missing.
    """
    predictions, run = run_of(predictions)
    found = find_clips(predictions, protocol.input)
    real = find_reference(reference, protocol)
    listener = Listener.of(music, real.folder, protocol)
    names = {clip: path.name for clip, path in found.files.items()}
    match = match_clips(names, real.files, listener.names, protocol.clips)
    match = match.limited(options.limit, protocol.clips)

    reader = reader_for(protocol, options)
    options.on_total(len(match.predictions) + (len(match.references) if real.folder else 0))
    ours = real.measure(match.references, reader)
    theirs = reader.measure(
        {clip: found.files[clip] for clip in match.predictions},
        "prediction",
        skeleton=ours.skeleton or None,
        reference_fps=ours.fps if protocol.clips.pairing != "set" else None,
    )
    problems = [*found.problems, *(real.folder.problems if real.folder else []), *match.problems]
    problems += [*ours.problems, *theirs.problems]
    problems += listener.listen([*match.predictions, *match.references], options)
    pose = _pose(theirs, ours, protocol, options, reader)
    refuse(problems, protocol, options)
    sides = _common(theirs.features, ours.features, problems, protocol)
    if sides is None:
        raise Refused(problems or [nothing_left(predictions.name)])

    prediction, kept = _with_music(*sides, listener)
    measurement = measure(prediction, kept, protocol)
    dataset = _dataset(real.name, match, (prediction, kept), (theirs, ours), listener, options)
    system, generation = maker_of(predictions, run, protocol, options)
    partial = bool(dataset.missing or problems) or options.limit is not None
    result = Result(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        status="partial" if partial else "complete",
        errors=problems,
        warnings=[*theirs.warnings, *ours.warnings, *listener.remarks, *measurement.notes],
        system=system,
        generation=generation,
        protocol=ProtocolRef(name=protocol.name, version=protocol.version, sha256=protocol.sha256),
        dataset=dataset,
        pose=pose,
        metrics=measurement.metrics,
        environment=environment(),
    )
    return Scored(seal(result), prediction, kept, protocol, measurement)


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
        name = options.system or predictions.resolve().name
        return System(name=name, task=protocol.task), None
    from evaluation.generate import describe_run

    system, generation = describe_run(run)
    return system.model_copy(update={"name": options.system}) if options.system else system, generation


def _dataset(
    name: str,
    match: Match,
    kept: tuple[Features, Features],
    read: tuple[MeasuredSide, MeasuredSide],
    listener: Listener,
    options: Options,
) -> Dataset:
    """Which clips were asked for and which were scored, with the hashes of their files."""
    scored = set(kept[0].clip_ids)
    theirs, ours = (side.sha256 for side in read)
    return Dataset(
        name=name,
        reference_sha256=set_sha256(ours),
        music_sha256=set_sha256(listener.sha256) if listener.heard else None,
        n_expected=len(match.expected),
        n_scored=len(scored),
        n_reference=len(set(kept[1].clip_ids)),
        missing=[clip for clip in match.expected if clip not in scored],
        ignored=list(match.extra),
        limit=options.limit,
        files={
            clip: FileHashes(
                prediction=theirs.get(clip), reference=ours.get(clip), music=listener.sha256.get(clip)
            )
            for clip in sorted({*theirs, *ours})
        },
    )


def _pose(
    theirs: MeasuredSide, ours: MeasuredSide, protocol: Protocol, options: Options, reader: SideReader
) -> Pose | None:
    """Where the keypoints come from; two backends never meet unasked."""
    if protocol.input != "keypoints2d" or not theirs.origins or not ours.origins:
        return None
    mixed = theirs.origins != ours.origins or len(theirs.origins) > 1
    if mixed and not options.mix_backends:
        raise MadanceError(
            f"the predictions' keypoints come from {', '.join(theirs.origins)}, the reference's from "
            f"{', '.join(ours.origins)}: two pose backends are two measurements. Extract both sides with one "
            "backend, or give --mix-backends to compare them all the same (the result is marked)"
        )
    used = reader.keypoints.identity if reader.keypoints and reader.keypoints.used else {}
    return Pose(
        prediction="+".join(theirs.origins),
        reference="+".join(ours.origins),
        skeleton=theirs.skeleton,
        mixed=mixed,
        identity=json.loads(json.dumps(used, default=str)),
    )


def _common(
    prediction: Features | None, reference: Features | None, problems: list[Problem], protocol: Protocol
) -> tuple[Features, Features] | None:
    """Both sides without the clips that fell out, on both sides where they belong together."""
    if prediction is None or reference is None:
        return None
    lost = {side: {one.clip_id for one in problems if one.dropped and one.side == side} for side in _SIDES}
    mine = set(prediction.clip_ids) - lost["prediction"] - lost["music"]
    real = set(reference.clip_ids) - lost["reference"]
    if protocol.clips.pairing != "set":
        mine &= real
    if protocol.clips.pairing == "intersection":
        real = mine
    kept = (
        side.take([row for row, clip in enumerate(side.clip_ids) if clip in clips])
        for side, clips in ((prediction, mine), (reference, real))
    )
    first, second = kept
    return (first, second) if len(first) and len(second) else None


def _with_music(prediction: Features, reference: Features, listener: Listener) -> tuple[Features, Features]:
    """Attach the beats; without music of its own the prediction dances to that of a saved reference."""
    if listener.heard is not None:
        return listener.attach(prediction), listener.attach(reference)
    rows = {
        (clip, int(number)): row
        for row, (clip, number) in enumerate(zip(reference.clip_ids, reference.numbers, strict=True))
        if reference.heard[row]
    }
    keys = zip(prediction.clip_ids, prediction.numbers, strict=True)
    at = [rows.get((clip, int(number))) for clip, number in keys]
    beats = tuple(np.empty(0) if row is None else reference.music_beats[row] for row in at)
    known = np.array([row is not None for row in at], bool)
    return replace(prediction, music_beats=beats, heard=known), reference


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
    watched = videos.samples if videos is not None else {}
    rows = []
    if side is not None:
        samples = {name: values for name, values in scored.measurement.samples.items() if name not in watched}
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


def rescore(features: Path) -> tuple[Measurement, Protocol]:
    """Compute every number again from a features file alone; equal files give equal bits.

    Raises:
        MediaError: the file holds no features of two sides, or no protocol.
    """
    sides, facts = read_features(features)
    protocol = Protocol.model_validate_json(facts["protocol"]) if "protocol" in facts else None
    if protocol is not None and protocol.watches:
        from evaluation.videos.scoring import rescore_videos

        return rescore_videos(features, sides, facts, protocol), protocol
    if protocol is None or set(sides) != {"prediction", "reference"}:
        raise MediaError(f"{features}: holds {', '.join(sides)}, not a scored run", reason="no_features")
    return measure(sides["prediction"], sides["reference"], protocol), protocol
