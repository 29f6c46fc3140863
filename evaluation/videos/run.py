"""Videos and a protocol in, one result out.

Every video is decoded once: the pass that scores its pictures also finds the performer for the metrics of motion.
A file that cannot be scored is listed with its reason and the others go on; a clip that is not there at all is
refused, as in every protocol, unless ``allow_missing`` says otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.features.cache import Shelf, cache_dir
from evaluation.features.extract_motion import reader_for
from evaluation.features.extract_video import watch, watch_pair
from evaluation.features.extractors import Instruments, load_instruments
from evaluation.features.keypoints import VideoKeypoints
from evaluation.features.video_rows import VideoRow
from evaluation.features.wanted import Wanted
from evaluation.inputs.discovery import Folder, find_clips, set_sha256
from evaluation.inputs.pairing import Match, match_clips
from evaluation.metrics.registry import wanted_by
from evaluation.options import Options
from evaluation.problems import Refused, nothing_left
from evaluation.protocol import Protocol
from evaluation.result import Dataset, FileHashes, Problem, Viewing
from madata.errors import MadanceError, MissingDependencyError, WeightsError
from madata.files import sha256_file

__all__ = ["Watched", "watch_folders"]


@dataclass(frozen=True)
class Watched:
    """What was seen of both sides.

    Attributes:
        generated, reference: one row per clip that is there, those with a fault included.
        missing: metric -> why it could not be measured.
        no_motion: why there are no keypoints, where they were asked for and cannot be had.
    """

    generated: list[VideoRow]
    reference: list[VideoRow]
    missing: Mapping[str, str]
    viewing: Viewing
    dataset: Dataset
    problems: list[Problem]
    notes: list[str]
    no_motion: str | None


def watch_folders(predictions: Path, reference: Path | None, protocol: Protocol, options: Options) -> Watched:
    """Look at every video of both folders once.

    Args:
        reference: folder of real videos; ``None``, or a file of saved features, where only the predictions
            are looked at.

    Raises:
        Refused: clips are missing and ``options`` does not let that pass; no video can be scored.
        MadanceError: a folder is absent or empty; the protocol compares pairs and there is no reference.
    """
    found = find_clips(predictions, "video")
    real = find_clips(reference, "video", side="reference") if reference and reference.is_dir() else None
    if protocol.pairs is not None and real is None:
        raise MadanceError(
            f"protocol {protocol.name} compares videos with their references: give --reference"
        )
    match = _match(found, real, protocol, options)
    problems = [*found.problems, *(real.problems if real else []), *match.problems]
    if problems and not options.allow_missing:
        raise Refused(problems)

    instruments = load_instruments(protocol, wanted_by(protocol), options.weights, options.device)
    keypoints, no_motion = _keypoints(protocol, options)
    eyes = _Eyes(instruments, Shelf(options.cache or cache_dir(), instruments), keypoints, options)
    if protocol.pairs is not None and real is not None:
        generated, originals = eyes.pairs(
            {clip: (real.files[clip], found.files[clip]) for clip in match.predictions}
        )
    else:
        wanted = match.references if real else ()
        options.on_total(len(match.predictions) + len(wanted))
        generated = eyes.videos({clip: found.files[clip] for clip in match.predictions})
        originals = eyes.videos({clip: real.files[clip] for clip in wanted}) if real else []
    problems += [*_faults(generated, found, "prediction"), *_faults(originals, real, "reference")]
    if all(row.fault for row in generated):
        raise Refused(problems or [nothing_left(predictions.name)])
    return Watched(
        generated=generated,
        reference=originals,
        missing=instruments.missing,
        viewing=_viewing(instruments, generated, protocol),
        dataset=_dataset(real, match, generated, originals, options),
        problems=problems,
        notes=_notes(instruments, generated, originals),
        no_motion=no_motion,
    )


def _match(found: Folder, real: Folder | None, protocol: Protocol, options: Options) -> Match:
    names = {clip: path.name for clip, path in found.files.items()}
    if real is None:
        rule = protocol.clips.model_copy(update={"pairing": "set"})
        match = match_clips(names, {}, None, rule)
    else:
        others = {clip: path.name for clip, path in real.files.items()}
        match = match_clips(names, others, None, protocol.clips)
    return match.limited(options.limit, protocol.clips)


def _keypoints(protocol: Protocol, options: Options) -> tuple[VideoKeypoints | None, str | None]:
    """What finds the performer, or why nothing does."""
    keypoints = reader_for(protocol, options, Wanted()).keypoints
    if keypoints is None:
        return None, None
    try:
        _ = keypoints.pose
    except (WeightsError, MissingDependencyError) as error:
        reason = f"the pose backend {options.backend} cannot be used"
        command = str(error).rpartition("run: ")[2] if "run: " in str(error) else ""
        return None, f"{reason}; run: {command}" if command else reason
    return keypoints, None


@dataclass(frozen=True)
class _Eyes:
    """Looks at videos, or remembers what was seen."""

    instruments: Instruments
    shelf: Shelf
    keypoints: VideoKeypoints | None
    options: Options

    def videos(self, files: Mapping[str, Path]) -> list[VideoRow]:
        rows = []
        for clip, path in files.items():
            digest = sha256_file(path)
            kept = self.shelf.read(digest, (clip,))
            if kept is None:
                kept = (watch(path, self.instruments, self.keypoints),)
                self.shelf.write(digest, kept)
            rows.append(kept[0].of(clip))
            self.options.on_clip()
        return rows

    def pairs(self, files: Mapping[str, tuple[Path, Path]]) -> tuple[list[VideoRow], list[VideoRow]]:
        self.options.on_total(len(files))
        generated, originals = [], []
        for clip, (true, made) in files.items():
            key = f"{sha256_file(made)[:32]}{sha256_file(true)[:32]}"
            kept = self.shelf.read(key, (clip, clip))
            if kept is None:
                kept = watch_pair(true, made, self.instruments)
                self.shelf.write(key, kept)
            generated.append(kept[0].of(clip))
            originals.append(kept[1].of(clip))
            self.options.on_clip()
        return generated, originals


def _faults(rows: Iterable[VideoRow], folder: Folder | None, side: str) -> list[Problem]:
    return [
        Problem(
            clip_id=row.clip_id,
            side="reference" if side == "reference" else "prediction",
            file=folder.files[row.clip_id].name if folder else "",
            reason=row.fault[0],
            message=row.fault[1],
            dropped=True,
        )
        for row in rows
        if row.fault is not None
    ]


def _viewing(instruments: Instruments, rows: Sequence[VideoRow], protocol: Protocol) -> Viewing:
    scored = [row for row in rows if row.fault is None]
    fps = [row.fps for row in scored if row.fps is not None]
    frames = [row.frames for row in scored]
    sizes = Counter(f"{row.size[0]}x{row.size[1]}" for row in scored if row.size)
    return Viewing(
        device=instruments.device.partition(":")[0],
        clip_dtype=protocol.appearance.clip_precision if protocol.appearance else None,
        fps=(min(fps), max(fps)) if fps else None,
        frames=(min(frames), max(frames)) if frames else None,
        sizes=[size for size, _ in sizes.most_common(5)],
        networks=list(instruments.networks),
    )


def _dataset(
    real: Folder | None,
    match: Match,
    generated: Sequence[VideoRow],
    originals: Sequence[VideoRow],
    options: Options,
) -> Dataset:
    scored = {row.clip_id for row in generated if row.fault is None}
    theirs, ours = ({row.clip_id: row.sha256 for row in rows} for rows in (generated, originals))
    return Dataset(
        name=real.path.resolve().name if real else "none",
        reference_sha256=set_sha256(ours),
        n_expected=len(match.expected),
        n_scored=len(scored),
        n_reference=sum(row.fault is None for row in originals),
        missing=[clip for clip in match.expected if clip not in scored],
        ignored=list(match.extra),
        limit=options.limit,
        files={
            clip: FileHashes(prediction=theirs.get(clip), reference=ours.get(clip))
            for clip in sorted({*theirs, *ours})
        },
    )


def _notes(
    instruments: Instruments, generated: Sequence[VideoRow], originals: Sequence[VideoRow]
) -> list[str]:
    """What a reader should know of the videos and the networks."""
    notes = []
    rates = {row.clip_id: row.fps for row in originals if row.fps}
    lengths = {row.clip_id: row.frames / row.fps for row in originals if row.fps and row.frames}
    other_rate = other_length = 0
    for row in generated:
        if row.fps and row.clip_id in rates:
            other_rate += abs(row.fps / rates[row.clip_id] - 1) > 0.01
            if row.clip_id in lengths:
                other_length += abs(row.frames / row.fps / lengths[row.clip_id] - 1) > 0.05
    if other_rate:
        notes.append(
            f"{other_rate} of {len(generated)} videos have another frame rate than their reference: frame "
            "differences, and with them TF, MS and SC, depend on it"
        )
    if other_length:
        notes.append(f"{other_length} of {len(generated)} videos have another duration than their reference")
    restricted = [network for network in instruments.networks if network.noncommercial]
    if restricted:
        names = ", ".join(f"{network.name} ({network.licence})" for network in restricted)
        notes.append(f"measured with networks whose licence forbids commercial use: {names}")
    return notes
