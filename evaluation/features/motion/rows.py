"""Clips to rows of a feature table, by the corrected definition or by a published one.

Legend: T frames, J joints, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import clip_body
from evaluation.features.motion.geometric import limb_angle_columns, limb_angles
from evaluation.features.motion.kinetic import log_energies, log_energy_columns
from evaluation.features.motion.published import official_features, official_motion_beats
from evaluation.features.table import FeatureTable
from evaluation.features.wanted import ClipFunction, ClipSeries
from evaluation.inputs.pose_files import JointTrack
from madata.errors import MadanceError, MediaError

__all__ = ["Window", "motion_rows"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """A scored stretch of one clip; ``start_s`` is where it begins in the clip."""

    clip_id: str
    number: int
    start_s: float
    track: JointTrack


def motion_rows(
    windows: Sequence[Window],
    definition: str,
    per_clip: Mapping[str, ClipFunction],
    kept: Mapping[str, ClipSeries] | None = None,
) -> FeatureTable:
    """The motion of windows, a row for each.

    Args:
        definition: ``corrected``, ``edge``, or a name in :data:`evaluation.definitions.VARIANTS`.
        per_clip: name -> further number of each window.
        kept: name -> further numbers of each window, as many for every frame.

    Raises:
        MediaError: a window cannot be measured (its torso is never seen), or lacks what is to be kept of it.
        MadanceError: there is no window, or the definition is unknown.
    """
    if not windows:
        raise MadanceError("there is no clip to measure")
    tracks = [window.track for window in windows]
    if definition == "corrected":
        features = _corrected(tracks)
    elif definition == "edge" or definition in VARIANTS:
        features = _published(tracks, definition)
    else:
        known = f"corrected, edge, {', '.join(VARIANTS)}"
        raise MadanceError(f"there is no definition {definition!r}; known: {known}")
    scalars: dict[str, Array] = {}
    for name, function in per_clip.items():
        scalars |= _scalar(name, function, tracks)
    return FeatureTable(
        {
            "clip_ids": np.array([window.clip_id for window in windows], np.str_),
            "numbers": np.array([window.number for window in windows], np.int64),
            "starts_s": np.array([window.start_s for window in windows], np.float64),
            "frames": np.array([track.frames for track in tracks], np.int64),
            "fps": np.array([track.fps or np.nan for track in tracks], np.float64),
            "kinetic": features.kinetic,
            "geometric": features.geometric,
            "reason/motion": np.array(
                [" ".join(code for code, _ in track.oddities) for track in tracks], np.str_
            ),
            "reason/body": np.array([track.body for track in tracks], np.str_),
            "scalars/missing_rate": features.missing_rates,
            **scalars,
            "heard": np.zeros(len(windows), bool),
        },
        {
            "motion_beats": tuple(features.motion_beats),
            "music_beats": tuple(np.empty(0) for _ in windows),
            **{f"kept/{name}": tuple(map(function, tracks)) for name, function in (kept or {}).items()},
        },
        {"kinetic": features.kinetic_names, "geometric": features.geometric_names},
    )


def _scalar(name: str, function: ClipFunction, tracks: Sequence[JointTrack]) -> dict[str, Array]:
    """The column of one number, and beside it why windows have none, where some say so."""
    values, reasons = np.full(len(tracks), np.nan), [""] * len(tracks)
    for row, track in enumerate(tracks):
        try:
            values[row] = function(track)
        except ValueError as error:
            reasons[row] = str(error)
    stated = {f"reason/scalars/{name}": np.array(reasons, np.str_)} if any(reasons) else {}
    return {f"scalars/{name}": values, **stated}


@dataclass
class _Features:
    kinetic: Array
    geometric: Array
    motion_beats: list[Floats]
    missing_rates: Floats
    kinetic_names: tuple[str, ...] = ()
    geometric_names: tuple[str, ...] = ()


def _corrected(tracks: Sequence[JointTrack]) -> _Features:
    kinetic, geometric, beats, missing_rates = [], [], [], []
    for track in tracks:
        if track.fps is None:
            raise MediaError("gives no frame rate", reason="no_fps")
        try:
            body = clip_body(track)
        except ValueError as error:
            raise MediaError(str(error), reason="no_torso") from error
        kinetic.append(log_energies(body))
        geometric.append(limb_angles(body))
        beats.append(motion_beat_times(body))
        missing_rates.append(body.missing_rate)
    return _Features(
        np.stack(kinetic),
        np.stack(geometric),
        beats,
        np.array(missing_rates),
        log_energy_columns(body.names, body.dims),
        limb_angle_columns(body.dims),
    )


def _published(tracks: Sequence[JointTrack], definition: str) -> _Features:
    missing_rates = np.array([track.missing_rate for track in tracks])
    if definition == "edge":
        empty = np.zeros((len(tracks), 0), np.float32)
        return _Features(empty, empty, [np.empty(0)] * len(tracks), missing_rates)
    variant = VARIANTS[definition]
    if variant.placement == "pixels":
        clips = [np.ascontiguousarray(track.points[..., ::-1], np.float64) for track in tracks]
    else:
        clips = [track.y_up for track in tracks]
    kinetic, geometric = official_features(clips, variant)
    beats = [found.astype(np.float64) for found in official_motion_beats(clips, variant)]
    return _Features(kinetic, geometric, beats, missing_rates)
