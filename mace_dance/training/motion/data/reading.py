"""One take or one song at a time becomes arrays on the frames of the cache, in a worker process.

A motion is resampled, turned to the up axis and skeleton of its vector layout, and encoded; layouts whose contacts are
by height stand on the floor of their first frame, as their models were trained. The stand-in ``motion-beats`` for music
has the motion's own beats in the columns of onset and beat, and zeros elsewhere.

Legend: T frames, F features of a motion vector, M music features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mace_dance.training.motion.data.music_rows import MusicRows
from mace_dance.training.motion.data.settings import MusicSource
from mace_dance.training.motion.data.takes import Take, TakeSpan
from madata.errors import ConfigError, MediaError
from madata.files import atomic_path, read_npy, read_pickle, scratch_folder
from madata.formats import suffix_of
from madata.motion import (
    check_motion,
    encode,
    floor_height_m,
    joint_positions,
    layout,
    read_motion,
    resample,
    with_skeleton,
    with_up,
)
from madata.music import write_wav
from madata.skeletons import skeleton
from madata.synthetic.dances import DanceRecipe
from madata.types import FloatArray, Motion3D

__all__ = [
    "SongJob",
    "TakeJob",
    "TakeResult",
    "encode_motion",
    "motion_beat_features",
    "read_song",
    "read_take",
]

_MADE_RATE_HZ = 44100
_SHIPPED = MusicRows("edge", 30)


@dataclass(frozen=True)
class SongJob:
    """Features of ``music`` are to be written to ``out`` (.npy), as they are read."""

    music: Path
    out: Path
    rows: MusicRows


@dataclass(frozen=True)
class TakeJob:
    """A take is to be written to ``out`` (.npz: ``motion`` (T, F), ``music`` (T, M), ``cut`` frames).

    Attributes:
        features: music features of the whole song (.npy), for ``music="audio"``.
        rows: which features they are.
    """

    take: Take
    vector: str
    music: MusicSource
    features: Path | None
    out: Path
    rows: MusicRows


@dataclass(frozen=True)
class TakeResult:
    """What became of a job: nothing to say, or why it failed."""

    reason: str | None = None
    message: str = ""


def read_song(job: SongJob, report: Callable[[float], None]) -> TakeResult:
    """Write the features of a song."""
    try:
        shipped = suffix_of(job.music) == ".npy"
        values = _shipped(job.music, job.rows) if shipped else job.rows.of_song(job.music)
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise MediaError(
                f"{job.music}: music features are NaN or infinite, first in frame {row}", reason="not_finite"
            )
    except MediaError as error:
        return TakeResult(error.reason, str(error))
    with atomic_path(job.out) as temporary:
        np.save(temporary, values)
    return TakeResult()


def _shipped(path: Path, rows: MusicRows) -> FloatArray:
    if rows != _SHIPPED:
        raise MediaError(
            f"{path}: music features are shipped in the layout {_SHIPPED.layout} at {_SHIPPED.fps:g} rows per second, "
            f"this network hears {rows.layout} at {rows.fps:g}: put the sound file there",
            reason="wrong_rate",
        )
    values = read_npy(path)
    if values.ndim != 2 or values.shape[1] != rows.width or values.dtype.kind != "f":
        raise MediaError(
            f"{path}: {values.dtype} {values.shape}, expected music features (T, {rows.width})",
            reason="bad_shape",
        )
    return np.ascontiguousarray(values, np.float32)


def read_take(job: TakeJob, report: Callable[[float], None]) -> TakeResult:
    """Write a take."""
    fps = layout(job.vector).fps
    try:
        if isinstance(job.take.motion, DanceRecipe):
            motion, music = _make(job.take.motion, fps, job.rows)
        else:
            motion, music = resample(_read(job.take, job.take.motion), fps), None
        if job.music == "motion-beats":
            music = motion_beat_features(motion, job.rows)
        elif job.features is not None:
            music = job.rows.on_frames(read_npy(job.features), fps)
    except MediaError as error:
        return TakeResult(error.reason, str(error))
    except ConfigError as error:  # the file names a skeleton or has a layout that is unknown
        return TakeResult("unknown_format", str(error))
    if music is None:
        raise ValueError(f"take {job.take.name} has neither features nor a stand-in")
    vectors = encode_motion(motion, job.vector)
    frames = min(len(vectors), len(music))
    with atomic_path(job.out) as temporary:
        np.savez(temporary, motion=vectors[:frames], music=music[:frames], cut=len(vectors) - frames)
    return TakeResult()


def _read(take: Take, path: Path) -> Motion3D:
    motion = (
        _edge_slice(path, take.fps)
        if take.format == "edge-slice"
        else read_motion(path, take.format, take.fps)
    )
    return motion if take.span is None else _part(motion, take.span, path)


def _edge_slice(path: Path, fps: float | None) -> Motion3D:
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"pos", "q"} <= set(content):
        raise MediaError(f"{path}: an EDGE slice is a dict with pos and q", reason="missing_key")
    arrays = {}
    for key, width in (("pos", 3), ("q", 72)):
        array = np.asarray(content[key])
        if array.dtype.kind != "f" or array.ndim < 2 or array[:1].size != width:
            raise MediaError(
                f"{path}: {key} is {array.dtype} {array.shape}, expected (T, {width})", reason="bad_shape"
            )
        arrays[key] = array.astype(np.float32)
    rotation = arrays["q"].reshape(-1, 24, 3)
    return check_motion(Motion3D(rotation, arrays["pos"], fps or 60.0, "y", "smpl-24"), path)


def _part(motion: Motion3D, span: TakeSpan, path: Path) -> Motion3D:
    motion = resample(motion, span.fps)
    end = span.start + span.frames
    if end > len(motion.rotation):
        raise MediaError(
            f"{path}: {len(motion.rotation)} frames at {span.fps:g} fps, the clip is frames {span.start} to {end}",
            reason="too_short",
        )
    return replace(
        motion,
        rotation=np.ascontiguousarray(motion.rotation[span.start : end]),
        translation=np.ascontiguousarray(motion.translation[span.start : end]),
    )


def encode_motion(motion: Motion3D, vector: str) -> FloatArray:
    """(T, F) motion vectors of a motion at the layout's rate, standing on the floor where the layout wants it."""
    target = layout(vector)
    if target.contact_rule == "height":
        motion = with_up(with_skeleton(motion, target.skeleton), target.up)
        floor_m = floor_height_m(joint_positions(motion), target.up, "first_frame")
        translation = motion.translation.copy()
        translation[:, "xyz".index(target.up)] -= np.float32(floor_m)
        motion = replace(motion, translation=translation)
    return encode(motion, vector)


def motion_beat_features(motion: Motion3D, rows: MusicRows) -> FloatArray:
    """(T, M) stand-in features: 1 in the columns of onset and beat on the motion's beats, else 0."""
    from evaluation.features.motion.beats import motion_beat_times
    from evaluation.features.motion.body import body_track

    names = skeleton(motion.skeleton).joints
    body = body_track(joint_positions(motion, "y"), names, motion.fps, up="y")
    return rows.of_beats(motion_beat_times(body), len(motion.rotation), motion.fps)


def _make(recipe: DanceRecipe, fps: float, rows: MusicRows) -> tuple[Motion3D, FloatArray]:
    """A made-up dance, and the features of its music as they are heard in a sound file."""
    with scratch_folder() as folder:
        path = folder / "music.wav"
        write_wav(path, recipe.track(_MADE_RATE_HZ).music)
        return recipe.dance(fps).motion, rows.on_frames(rows.of_song(path), fps)
