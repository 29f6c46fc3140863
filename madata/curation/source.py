"""One source from its file to its finished clips: look, decide, cut; each step remembered in the journal."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from madata import pose
from madata.bars import crop_of
from madata.curation.decide import PieceJudge
from madata.curation.full_keypoints import full_keypoints
from madata.curation.journal import Entry, Journal
from madata.curation.look import Looked
from madata.curation.observations import Arrays, recorded, write_pieces
from madata.curation.observe import SourceObserver, Stretch
from madata.curation.piece import Piece
from madata.curation.settings import CurationConfig
from madata.curation.stills import thumbnail_of
from madata.engine import Step
from madata.errors import MadanceError, MediaError
from madata.files import sha256_file
from madata.manifest import span_row
from madata.people import PeopleRule
from madata.pose import PoseBackend
from madata.types import Source, Span, VideoInfo
from madata.video import CutRequest, Decoder, DecodeReport, SoundTrack, cut, probe

__all__ = [
    "DESCRIBED",
    "curate_source",
    "curation_step",
    "curation_steps",
    "cut_clips",
    "pose_backend",
]

DESCRIBED = ("fps", "num_frames", "duration_s", "width", "height", "has_audio", "bytes", "sha256")
"""The columns of a clip that are read off its file."""

_PACKAGES = (__name__, "madata.shots.transnet", "cv2", "av")
"""What curating a source imports that takes its time: this module with all it needs, and what is imported later."""
_SOURCES_AT_A_TIME = 8
"""A worker loads its networks once for so many, where an engine starts workers anew."""
_WORKERS_A_GPU = 16
"""Processes that decode for a GPU, where an engine hands out GPUs."""


def curate_source(
    source: Source,
    report: Callable[[float], None],
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None = None,
    device: str = "cpu",
    until_s: float = math.inf,
) -> Entry:
    """Curate one source into the folder ``out`` and return its finished journal entry.

    Args:
        report: receives seconds of video as they are decoded.
        until_s: take only its beginning.
    """
    entry: Entry | None = None
    for step in curation_steps(out=out, config=config, weights=weights, device=device, until_s=until_s):
        entry = step.function(source, report)
    if entry is None:
        raise RuntimeError("curation has no steps")
    return entry


def curation_steps(
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None = None,
    device: str = "cpu",
    until_s: float = math.inf,
) -> tuple[Step[Source, Entry], ...]:
    """What is done with a source between finding it and publishing the tables.

    ``look`` decodes it once, for shots, flow, people and sound, and decides; ``cut`` decodes what was kept, and
    encodes it. Each remembers in the journal what it has done.
    """
    networks: dict[str, Any] = {"weights": None if weights is None else weights.absolute(), "device": device}
    look = partial(_look, out=out.absolute(), config=config, until_s=until_s, **networks)
    cutting = partial(_cut, out=out.absolute(), config=config, **networks)
    # keypoints of every frame are looked for in the clips themselves
    networks_to_cut = device if config.output.keypoints == "full" else "cpu"
    return (curation_step("look", look, device), curation_step("cut", cutting, networks_to_cut))


def curation_step(name: str, function: Callable[..., Entry], device: str) -> Step[Source, Entry]:
    """A step of curation: what imports and networks cost is shared by some sources."""
    workers = 1 if device == "cpu" else _WORKERS_A_GPU
    sources = _SOURCES_AT_A_TIME * workers
    return Step(name, function, device=device, workers=workers, batch_size=sources, packages=_PACKAGES)


def _look(
    source: Source,
    report: Callable[[float], None],
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None,
    device: str,
    until_s: float,
) -> Entry:
    journal = Journal(out, config.hash)
    entry = journal.read(source.source_id)
    if entry is None:
        entry = _analyse(
            source, report, out=out, config=config, weights=weights, device=device, until_s=until_s
        )
        journal.write(source.source_id, entry)
    return entry


def _cut(
    source: Source,
    report: Callable[[float], None],
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None,
    device: str,
) -> Entry:
    journal = Journal(out, config.hash)
    entry = journal.read(source.source_id)
    if entry is None:
        raise MadanceError(
            f"{out}: what was decided about {source.source_id} is gone; run the same command again"
        )
    if entry.state != "done":
        entry = cut_clips(source, entry, out=out, config=config, weights=weights, device=device)
        journal.write(source.source_id, entry)
    return entry


def _analyse(
    source: Source,
    report: Callable[[float], None],
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None,
    device: str,
    until_s: float,
) -> Entry:
    from madata.shots import boundary_stream

    try:
        with ExitStack() as stack:
            decoder = stack.enter_context(Decoder(source.path))
            info = decoder.info
            judge = PieceJudge(source.source_id, out=out, config=config, framing=config.clip.encoding.framing)
            track = stack.enter_context(SoundTrack(source.path)) if info.audio else None
            stretches: list[Arrays] = []
            load = partial(pose_backend, config, weights, device)
            look = partial(_judge, judge, config, track, load, stretches)
            observer = SourceObserver(config, boundary_stream(device), look)
            end_s = _observe(decoder, observer, report, until_s)
            observer.close()
            write_pieces(out, source, stretches)
            decoded = decoder.report
    except MediaError as error:
        message = _without(source.path, error)
        return Entry("done", {"status": "failed", "reason": error.reason, "message": message, "clips": 0})
    row = {
        **_source_row(info, decoded),
        "duration_s": round(end_s - info.start_s, 6),
        "shots": len(observer.shots),
        "segments": judge.pieces,
        **_condition(decoded),
    }
    decisions = judge.decisions
    for start, end in decoded.damaged:
        decisions.dropped.append(_damaged(source.source_id, observer.span(start, end)))
    decisions.dropped.sort(key=lambda dropped: dropped["start_frame"])
    shots = [
        {"source_id": source.source_id, **span_row(shot.span), "begins_with": shot.begins_with}
        | {"single": shot.single, "many_hot": shot.many_hot, "value": shot.value}
        for shot in observer.shots
    ]
    transitions = [span_row(span) for span in observer.transitions]
    return Entry("analysed", row, decisions.clips, decisions.dropped, shots, transitions)


def _observe(
    decoder: Decoder, observer: SourceObserver, report: Callable[[float], None], until_s: float
) -> float:
    """Feed frame after frame; return when the last one disappears."""
    start_s = end_s = reported_s = decoder.info.start_s
    for frame in decoder:
        observer.feed(frame)
        end_s = frame.end_s
        if end_s - reported_s >= 1.0:
            report(end_s - reported_s)
            reported_s = end_s
        if end_s - start_s >= until_s:
            break
    return end_s


def _without(path: Path, error: Exception) -> str:
    """What an error says, without the place of the file on this machine: the row names the file."""
    return str(error).removeprefix(f"{path}: ")


def pose_backend(config: CurationConfig, weights: Path | None, device: str) -> PoseBackend:
    """The backend that the settings name, loaded once per process whatever the number of sources."""
    people = config.people
    return _load_backend(people.backend, weights, device, tuple(people.options.items()))


@functools.cache
def _load_backend(
    name: str, weights: Path | None, device: str, options: tuple[tuple[str, Any], ...]
) -> PoseBackend:
    return pose.load(name, weights=weights, device=device, **dict(options))


def _judge(
    judge: PieceJudge,
    config: CurationConfig,
    track: SoundTrack | None,
    load: Callable[[], PoseBackend],
    kept: list[Arrays],
    stretch: Stretch,
) -> None:
    """Judge one stretch by its pictures, which are gone afterwards; ``kept`` gets what was measured in them."""
    evidence = Looked(
        stretch,
        track=track,
        pairs_per_s=config.motion.pairs_per_s,
        backend=load,
        rule=PeopleRule(min_hips=config.people.min_hips),
    )
    piece = Piece(stretch.size, stretch.span, stretch.frame_times_s, stretch.changes, stretch.bars, evidence)
    judge(piece, stretch.pictures)
    kept.append(recorded(stretch, evidence))


def _source_row(info: VideoInfo, decoded: DecodeReport) -> dict[str, Any]:
    return {
        "codec": info.codec,
        "width": info.size[0],
        "height": info.size[1],
        "rotation": info.rotation,
        "fps": info.fps,
        "frames_declared": info.num_frames,
        "frames": decoded.frames_decoded,
        "damaged_frames": decoded.damaged_frames,
        "audio_codec": info.audio.codec if info.audio else None,
        "audio_rate_hz": info.audio.rate_hz if info.audio else None,
    }


def _condition(decoded: DecodeReport) -> dict[str, str | None]:
    """Status, reason and message of a source that could be opened."""
    if decoded.frames_decoded <= 1:
        return {"status": "failed", "reason": "one_frame", "message": "holds a single picture, not a video"}
    if decoded.truncated:
        declared = f" of {decoded.frames_declared}" if decoded.frames_declared else ""
        return {
            "status": "partial",
            "reason": "truncated",
            "message": f"the file ends early: {decoded.frames_decoded}{declared} frames could be decoded",
        }
    if decoded.damaged_frames:
        return {
            "status": "partial",
            "reason": "damaged",
            "message": f"{decoded.damaged_frames} damaged frames were left out ({decoded.error or 'decoding errors'})",
        }
    return {"status": "done", "reason": None, "message": None}


def _damaged(source_id: str, span: Span) -> dict[str, Any]:
    return {
        "source_id": source_id,
        **span_row(span),
        "stage": "decode",
        "reason": "damaged",
        "value": float(span.end - span.start),
        "threshold": 0.0,
        "message": f"{span.end - span.start} frames cannot be trusted",
    }


def cut_clips(
    source: Source,
    entry: Entry,
    *,
    out: Path,
    config: CurationConfig,
    weights: Path | None = None,
    device: str = "cpu",
) -> Entry:
    """Cut the clips that are not there yet; describe each from its own file, unless its row does."""
    failures: dict[str, tuple[str, str]] = {}
    missing = [row for row in entry.clips if not (out / row["path"]).exists()]
    requests = [CutRequest(_span(row), out / row["path"], crop_of(row)) for row in missing]
    try:
        results = cut(source.path, requests, config.clip.encoding)
    except MediaError as error:
        failures = {row["clip_id"]: (error.reason, _without(source.path, error)) for row in missing}
    else:
        failures = {
            row["clip_id"]: (result.reason, result.error or "")
            for row, result in zip(missing, results, strict=True)
            if result.reason is not None
        }
    kept = [
        {
            **(row if "sha256" in row else row | _describe(out / row["path"])),
            "thumbnail": row["thumbnail"] or thumbnail_of(out, row),
        }
        for row in entry.clips
        if row["clip_id"] not in failures
    ]
    if config.output.keypoints == "full":
        load = partial(pose_backend, config, weights, device)
        kept = [{**row, "keypoints": full_keypoints(out, row, load)} for row in kept]
    dropped = entry.dropped + [
        _uncut(row, *failures[row["clip_id"]]) for row in entry.clips if row["clip_id"] in failures
    ]
    row = {**entry.source, "clips": len(kept), "clips_s": round(sum(clip["duration_s"] for clip in kept), 6)}
    return Entry("done", row, kept, dropped, entry.shots, entry.transitions)


def _span(row: dict[str, Any]) -> Span:
    return Span(row["start_frame"], row["end_frame"], row["start_s"], row["end_s"])


def _describe(path: Path) -> dict[str, Any]:
    info = probe(path)
    num_frames = info.num_frames or 0
    return {
        "fps": info.fps,
        "num_frames": num_frames,
        "duration_s": round(num_frames / info.fps, 6),
        "width": info.size[0],
        "height": info.size[1],
        "has_audio": info.audio is not None,
        "bytes": path.stat().st_size,
        "sha256": sha256_file(path),
    }


def _uncut(row: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    kept = ("source_id", "start_frame", "end_frame", "start_s", "end_s", "thumbnail")
    return {**{key: row[key] for key in kept}, "stage": "cut", "reason": reason, "message": message}
