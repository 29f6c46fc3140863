"""Scoring: two folders and a protocol in, one result out.

Files that belong together (:mod:`evaluation.inputs`) become tables of features (:mod:`evaluation.features`), these
become numbers (:mod:`evaluation.metrics`), and the numbers a result (:mod:`evaluation.report`). The features are kept
beside the result; :func:`rescore` makes the same numbers of them again.

Example:
    scored = score("pred", "gt", "ma-data-motion2d", music="music")
    print(scored.result.metric("fid_k"))
    write_scored(scored, "scores/mine")
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evaluation.features.extract_motion import ExtractedMotion, extract_motion
from evaluation.features.extract_video import ExtractedVideos, extract_videos
from evaluation.features.extraction import Extraction
from evaluation.features.saved_reference import SavedReference, read_reference
from evaluation.features.store import read_run
from evaluation.inputs.pairing import Inputs, find_inputs
from evaluation.metrics.measure import Measurement, measure
from evaluation.metrics.registry import metrics_of, wanted_by
from evaluation.metrics.tables import Tables
from evaluation.options import Options
from evaluation.problems import Refused, merge_problems
from evaluation.protocol import Protocol, load_protocol
from evaluation.report.artifacts import FEATURES_FILE, RESULT_FILE, SAMPLES_FILE, Scored, write_scored
from evaluation.report.assembly import assemble, chosen_options, dataset_of, maker_of
from madata.errors import MadanceError, MissingDependencyError, WeightsError

__all__ = ["FEATURES_FILE", "RESULT_FILE", "SAMPLES_FILE", "Scored", "rescore", "score", "write_scored"]


def score(
    predictions: Path | str,
    reference: Path | str | None,
    protocol: Protocol | str,
    *,
    music: Path | str | None = None,
    options: Options | None = None,
) -> Scored:
    """Score a folder of predictions by what the protocol asks for: motion, pictures, or both.

    Args:
        predictions: folder of keypoints, videos or motions, one file per clip, or a run of ``madance
            generate``, which also tells what made them.
        reference: such a folder, or a file of ``--save-reference``; protocols that only look at the predictions need
            none.
        protocol: a protocol, or what :func:`~evaluation.protocol.load_protocol` takes: its name or its file.
        music: folder of sound files or videos; where it is absent, the sound of the reference videos or the
            beats of a saved reference serve.

    Raises:
        Refused: files are missing or unusable, and neither the protocol nor ``options`` lets them pass.
        MadanceError: a folder is absent or empty, a reference is needed, backends differ, a package is missing.
    """
    protocol = load_protocol(protocol) if isinstance(protocol, str) else protocol
    reference = None if reference is None else Path(reference)
    options, wanted = options or Options(), wanted_by(protocol)
    saved = _saved_reference(reference, protocol)
    inputs = find_inputs(
        Path(predictions),
        reference,
        None if music is None else Path(music),
        protocol,
        listens=wanted.music and reference is not None,
        options=options,
        saved=saved.files if saved else None,
    )
    how = Extraction.of(protocol, wanted, options)
    videos = _videos(inputs, how)
    motion = _motion(inputs, saved, videos, how)
    tables = Tables(
        protocol, motion.prediction, motion.reference, videos.tables, videos.missing, motion.absent
    )
    measurement = measure(tables)
    result = assemble(
        protocol,
        maker_of(inputs.predictions.path, inputs.run, protocol, options),
        dataset_of(inputs, tables, how.cache, saved=saved, beats=motion.beats, limit=options.limit),
        measurement.metrics,
        options=chosen_options(options),
        problems=[*inputs.problems, *merge_problems(videos.problems, motion.problems)],
        warnings=[*videos.warnings, *motion.warnings, *measurement.notes],
        pose=motion.pose or videos.pose,
        viewing=videos.viewing,
    )
    return Scored(result, tables, measurement)


def rescore(features: Path) -> tuple[Measurement, Protocol]:
    """Compute every number again from a features file alone; equal files give equal bits.

    Raises:
        MediaError: the file holds no features of a scored run, or no protocol.
    """
    run = read_run(features)
    return measure(Tables.of(run)), run.protocol


def _saved_reference(reference: Path | None, protocol: Protocol) -> SavedReference | None:
    """The saved features of the reference, where it is a file.

    Raises:
        MadanceError: the protocol needs a reference, or videos of it, and there are none.
    """
    saved = reference is not None and reference.is_file()
    if protocol.pairs is not None and (reference is None or saved):
        raise MadanceError(
            f"protocol {protocol.name} compares videos with their references: give --reference"
        )
    if reference is None and metrics_of(protocol, "motion"):
        alone = "; --protocol vbench looks at the pictures alone" if protocol.has_pictures else ""
        raise MadanceError(f"protocol {protocol.name} compares with real clips: give --reference{alone}")
    return read_reference(reference, protocol) if reference is not None and saved else None


def _videos(inputs: Inputs, how: Extraction) -> ExtractedVideos:
    """What is seen in the pictures, where the protocol looks at them.

    A video that is not there at all is refused before anything is decoded; one that cannot be scored costs itself
    alone.
    """
    if not how.protocol.has_pictures:
        return ExtractedVideos()
    absent = [problem for problem in inputs.problems if problem.side != "music"]
    if absent and not how.options.allow_missing:
        raise Refused(absent)
    return extract_videos(inputs, how)


def _motion(
    inputs: Inputs, saved: SavedReference | None, videos: ExtractedVideos, how: Extraction
) -> ExtractedMotion:
    """The motion, where the protocol has metrics of it; beside pictures, what prevents it is why they have no value."""
    if not metrics_of(how.protocol, "motion"):
        return ExtractedMotion()
    side = saved.side if saved else None
    if not how.protocol.has_pictures:
        return extract_motion(inputs, side, how)
    if videos.no_keypoints is not None:
        return ExtractedMotion(absent=videos.no_keypoints)
    try:
        return extract_motion(inputs, side, replace(how, options=replace(how.options, allow_missing=True)))
    except Refused as refused:
        first = refused.problems[0]
        reason = f"no clip has a motion that can be used; first: {first.message} [{first.reason}]"
        found = [problem for problem in refused.problems if problem not in inputs.problems]
        return ExtractedMotion(absent=reason, problems=found)
    except (MissingDependencyError, WeightsError) as error:
        return ExtractedMotion(absent=str(error))
