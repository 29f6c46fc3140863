"""Motion scored: files to features to numbers."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.features.extract_motion import MeasuredSide, SideReader, reader_for
from evaluation.features.music import Listener
from evaluation.features.saved_reference import find_reference
from evaluation.features.table import Features
from evaluation.inputs.discovery import find_clips, set_sha256
from evaluation.inputs.pairing import Match, match_clips
from evaluation.metrics.measure import measure
from evaluation.metrics.registry import wanted_by
from evaluation.metrics.tables import Tables
from evaluation.options import Options
from evaluation.problems import Refused, nothing_left, refuse
from evaluation.protocol import Protocol
from evaluation.report.artifacts import Scored, environment, maker_of, run_of
from evaluation.result import Dataset, FileHashes, Pose, Problem, ProtocolRef, Result, seal
from madata.errors import MadanceError

__all__ = ["score_motion"]

_SIDES = ("prediction", "reference", "music")


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
        reference: such a folder, or a file of :func:`evaluation.features.saved_reference.save_reference`.
        music: folder of sound files or videos; where it is absent, the sound of the reference videos or the
            beats of a saved reference serve.

    Raises:
        Refused: files are missing or unusable, and neither the protocol nor ``options`` lets them pass.
        MadanceError: a folder is absent or empty, backends differ, a package is missing.
    """
    predictions, run = run_of(predictions)
    found = find_clips(predictions, protocol.input)
    real = find_reference(reference, protocol)
    wanted = wanted_by(protocol)
    listener = Listener.of(music, real.folder, protocol, wanted)
    names = {clip: path.name for clip, path in found.files.items()}
    match = match_clips(names, real.files, listener.names, protocol.clips)
    match = match.limited(options.limit, protocol.clips)

    reader = reader_for(protocol, options, wanted)
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
    measurement = measure(Tables(protocol, prediction, kept))
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
