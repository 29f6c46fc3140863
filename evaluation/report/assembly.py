"""The one place where a result is put together, whatever it was measured on."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evaluation.features.cache import FeatureCache
from evaluation.features.music import MusicBeats
from evaluation.features.saved_reference import SavedReference
from evaluation.features.table import RunFeatures
from evaluation.inputs.beat_files import beats_sha256
from evaluation.inputs.discovery import clip_records, set_sha256
from evaluation.inputs.pairing import Inputs
from evaluation.options import Options, RunOptions
from evaluation.protocol import Protocol
from evaluation.result import (
    Dataset,
    Environment,
    FileHashes,
    Generation,
    Metric,
    PoseSource,
    Problem,
    ProtocolRef,
    Result,
    SystemRecord,
    Viewing,
    labelled,
    seal,
)
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = ["assemble", "chosen_options", "dataset_of", "maker_of"]

_PACKAGES = ("madance", "numpy", "scipy", "librosa", "soundfile", "soxr", "av")
_NOTHING = "no metric has a value: the result is partial"
_OF_PICTURES = ("torch", "opencv-python-headless", "scikit-image")


def assemble(
    protocol: Protocol,
    maker: tuple[SystemRecord, Generation | None],
    dataset: Dataset,
    metrics: Sequence[Metric],
    *,
    options: RunOptions | None = None,
    problems: Sequence[Problem] = (),
    warnings: Sequence[str] = (),
    pose: PoseSource | None = None,
    viewing: Viewing | None = None,
) -> Result:
    """The sealed result of one run.

    It is partial where clips are missing, have problems, were limited or are too few, and where no metric has a value.

    Args:
        maker: what made the predictions, and how.
        options: what was chosen beside the protocol.
        viewing: how pictures were looked at, where they were.
    """
    few = _too_few(metrics, protocol)
    few += [] if any(metric.value is not None for metric in metrics) else [_NOTHING]
    partial = bool(dataset.missing or problems or few) or dataset.limit is not None
    system, generation = maker
    result = Result(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        status="partial" if partial else "complete",
        errors=list(problems),
        warnings=[*warnings, *few],
        system=system,
        generation=generation,
        protocol=ProtocolRef(name=protocol.name, version=protocol.version, sha256=protocol.sha256),
        options=options or RunOptions(),
        dataset=dataset,
        pose=pose,
        viewing=viewing,
        metrics=list(metrics),
        environment=_environment(*_PACKAGES, *(_OF_PICTURES if viewing else ())),
    )
    return seal(result)


def _too_few(metrics: Sequence[Metric], protocol: Protocol) -> list[str]:
    """What a reader is told where sets of clips are too small for the metrics that compare them."""
    least = protocol.statistics.min_n
    without = [
        metric.name
        for metric in metrics
        if metric.value is None and 0 < min(metric.n, metric.n_reference or metric.n) < least
    ]
    return [f"too few clips for {', '.join(without)}: the result is partial"] if without else []


def chosen_options(options: Options) -> RunOptions:
    """What of ``options`` changes numbers, as a result states it."""
    table = options.music_map
    return RunOptions(
        resample_fps=options.resample_fps,
        unit=options.unit,
        music_map_sha256=None if table is None or not table.is_file() else sha256_file(table),
        beats_sha256=None if options.beats is None else beats_sha256(options.beats),
    )


def _environment(*names: str) -> Environment:
    """This Python and the versions of the packages that numbers depend on."""
    packages = {}
    for name in names:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=packages,
    )


def dataset_of(
    inputs: Inputs,
    features: RunFeatures,
    cache: FeatureCache,
    *,
    saved: SavedReference | None = None,
    beats: MusicBeats | None = None,
    limit: int | None = None,
) -> Dataset:
    """Which clips were asked for and which were scored, with the hashes of their files.

    Where motion was measured, the scored clips are those whose motion could be used; a clip whose pictures could not is
    missing all the same.
    """
    prediction = {clip: cache.sha256(path) for clip, path in inputs.prediction_files.items()}
    reference = {clip: cache.sha256(path) for clip, path in inputs.reference_files.items()}
    reference = saved.sha256 if saved else reference
    music = beats.sha256 if beats else {}
    seen, of_reference = (
        set(features.videos[side].scored_clips) if side in features.videos else set()
        for side in ("prediction", "reference")
    )
    scored = seen
    if features.prediction is not None and features.reference is not None:
        scored, of_reference = set(features.prediction.clip_ids), set(features.reference.clip_ids)
    present = scored & seen if "prediction" in features.videos else scored
    name = saved.name if saved else inputs.reference.path.resolve().name if inputs.reference else "none"
    return Dataset(
        name=name,
        split=inputs.split.name if inputs.split else None,
        reference_sha256=set_sha256(reference),
        music_sha256=set_sha256(music) if beats else None,
        n_expected=len(inputs.match.expected),
        n_scored=len(scored),
        n_reference=len(of_reference),
        missing=[clip for clip in inputs.match.expected if clip not in present],
        ignored=list(inputs.match.extra),
        limit=limit,
        files={
            clip: FileHashes(
                prediction=prediction.get(clip), reference=reference.get(clip), music=music.get(clip)
            )
            for clip in sorted({*prediction, *reference})
        },
    )


def maker_of(
    predictions: Path, run: Path | None, protocol: Protocol, options: Options
) -> tuple[SystemRecord, Generation | None]:
    """What made the predictions: a run says so itself, and so do records beside single clips.

    Of other folders the name is all that is known.

    Raises:
        MadanceError: the clips are of several systems or models.
    """
    if run is not None:
        from evaluation.generate import describe_run

        return describe_run(run, options.system)
    made = {(record["system"]["name"], record.get("label")) for record in clip_records(predictions)}
    if len(made) > 1:
        listed = ", ".join(sorted(labelled(*maker) for maker in made))
        raise MadanceError(f"{predictions}: its clips are by several systems ({listed}); score them apart")
    own, label = made.pop() if made else (predictions.resolve().name, None)
    return SystemRecord(name=labelled(options.system or own, label), task=protocol.task), None
