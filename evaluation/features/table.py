"""What is measured on each clip: the sufficient statistics of every number in a result.

``features.npz`` holds exactly this, for predictions and reference, so that anybody recomputes and resamples
every set-level number from it. A row is one clip, or one window of a clip where the protocol cuts windows.

Legend: N rows, T frames, J joints, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.features.motion.beats import motion_beat_times
from evaluation.features.motion.body import body_track
from evaluation.features.motion.geometric import limb_angle_columns, limb_angles
from evaluation.features.motion.kinetic import log_energies, log_energy_columns
from evaluation.features.motion.published import official_features, official_motion_beats
from evaluation.features.video_rows import VideoRow, rows_of_arrays
from evaluation.features.wanted import ClipFunction
from evaluation.inputs.pose_files import Track
from madata.errors import MadanceError, MediaError
from madata.files import read_npz, write_npz

__all__ = [
    "Features",
    "Window",
    "concatenate",
    "measure_windows",
    "read_features",
    "read_videos",
    "write_features",
]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """A scored stretch of one clip; ``start_s`` is where it begins in the clip."""

    clip_id: str
    number: int
    start_s: float
    track: Track


@dataclass(frozen=True)
class Features:
    """The rows of one side.

    Attributes:
        clip_ids: (N,) clip of each row.
        numbers: (N,) window of the clip.
        starts_s, frames, fps: (N,) the stretch of the clip; NaN where a file gives no frame rate.
        kinetic, geometric: (N, D) raw, before any normalisation.
        kinetic_columns, geometric_columns: D names; empty where a published definition has none.
        scalars: name -> (N,) per-row values, NaN where a row has none.
        motion_beats: N arrays of seconds from the start of the row, frame numbers in published definitions.
        music_beats: the same for the music.
        heard: (N,) whether there was music.
    """

    clip_ids: tuple[str, ...]
    numbers: npt.NDArray[np.int64]
    starts_s: Floats
    frames: npt.NDArray[np.int64]
    fps: Floats
    kinetic: Array
    geometric: Array
    kinetic_columns: tuple[str, ...]
    geometric_columns: tuple[str, ...]
    scalars: dict[str, Floats]
    motion_beats: tuple[Floats, ...]
    music_beats: tuple[Floats, ...]
    heard: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.clip_ids)

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Features:
        """The rows numbered ``rows``, in that order."""
        index = np.asarray(rows, np.intp)
        return Features(
            clip_ids=tuple(self.clip_ids[row] for row in rows),
            numbers=self.numbers[index],
            starts_s=self.starts_s[index],
            frames=self.frames[index],
            fps=self.fps[index],
            kinetic=self.kinetic[index],
            geometric=self.geometric[index],
            kinetic_columns=self.kinetic_columns,
            geometric_columns=self.geometric_columns,
            scalars={name: values[index] for name, values in self.scalars.items()},
            motion_beats=tuple(self.motion_beats[row] for row in rows),
            music_beats=tuple(self.music_beats[row] for row in rows),
            heard=self.heard[index],
        )


def measure_windows(
    windows: Sequence[Window], definition: str, per_clip: Mapping[str, ClipFunction]
) -> Features:
    """Measure windows by a definition.

    Args:
        definition: ``corrected``, ``edge``, or a name in :data:`evaluation.features.motion.published.VARIANTS`.
        per_clip: name -> further number of each window.

    Raises:
        MediaError: a window cannot be measured (its torso is never seen).
        MadanceError: the definition is unknown.
    """
    if not windows:
        raise MadanceError("there is no clip to measure")
    tracks = [window.track for window in windows]
    fps = np.array([track.fps or np.nan for track in tracks])
    if definition == "corrected":
        measured = _corrected(tracks)
    elif definition == "edge" or definition in VARIANTS:
        measured = _published(tracks, definition)
    else:
        raise MadanceError(
            f"there is no definition {definition!r}; known: corrected, edge, {', '.join(VARIANTS)}"
        )
    return Features(
        clip_ids=tuple(window.clip_id for window in windows),
        numbers=np.array([window.number for window in windows], np.int64),
        starts_s=np.array([window.start_s for window in windows]),
        frames=np.array([track.frames for track in tracks], np.int64),
        fps=fps,
        kinetic=measured.kinetic,
        geometric=measured.geometric,
        kinetic_columns=measured.kinetic_columns,
        geometric_columns=measured.geometric_columns,
        scalars={
            "missing_rate": measured.missing_rates,
            **{
                name: np.array([function(track) for track in tracks], np.float64)
                for name, function in per_clip.items()
            },
        },
        motion_beats=tuple(measured.motion_beats),
        music_beats=tuple(np.empty(0) for _ in windows),
        heard=np.zeros(len(windows), bool),
    )


@dataclass
class _Measured:
    kinetic: Array
    geometric: Array
    motion_beats: list[Floats]
    missing_rates: Floats
    kinetic_columns: tuple[str, ...] = ()
    geometric_columns: tuple[str, ...] = ()


def _corrected(tracks: Sequence[Track]) -> _Measured:
    kinetic, geometric, beats, missing_rates = [], [], [], []
    for track in tracks:
        if track.fps is None:
            raise MediaError("gives no frame rate", reason="no_fps")
        try:
            body = body_track(track.points, track.names, track.fps, up=track.up, score=track.score)
        except ValueError as error:
            raise MediaError(str(error), reason="no_torso") from error
        kinetic.append(log_energies(body))
        geometric.append(limb_angles(body))
        beats.append(motion_beat_times(body))
        missing_rates.append(body.missing_rate)
    return _Measured(
        np.stack(kinetic),
        np.stack(geometric),
        beats,
        np.array(missing_rates),
        log_energy_columns(body.names, body.dims),
        limb_angle_columns(body.dims),
    )


def _published(tracks: Sequence[Track], definition: str) -> _Measured:
    missing_rates = np.array([track.missing_rate for track in tracks])
    if definition == "edge":
        empty = np.zeros((len(tracks), 0), np.float32)
        return _Measured(empty, empty, [np.empty(0)] * len(tracks), missing_rates)
    variant = VARIANTS[definition]
    if variant.placement == "pixels":
        clips = [np.ascontiguousarray(track.points[..., ::-1], np.float64) for track in tracks]
    else:
        clips = [track.y_up for track in tracks]
    kinetic, geometric = official_features(clips, variant)
    beats = [found.astype(np.float64) for found in official_motion_beats(clips, variant)]
    return _Measured(kinetic, geometric, beats, missing_rates)


def concatenate(parts: Sequence[Features]) -> Features:
    """Rows of several parts, one after the other."""
    first = parts[0]
    return Features(
        clip_ids=tuple(clip for part in parts for clip in part.clip_ids),
        numbers=np.concatenate([part.numbers for part in parts]),
        starts_s=np.concatenate([part.starts_s for part in parts]),
        frames=np.concatenate([part.frames for part in parts]),
        fps=np.concatenate([part.fps for part in parts]),
        kinetic=np.concatenate([part.kinetic for part in parts]),
        geometric=np.concatenate([part.geometric for part in parts]),
        kinetic_columns=first.kinetic_columns,
        geometric_columns=first.geometric_columns,
        scalars={name: np.concatenate([part.scalars[name] for part in parts]) for name in first.scalars},
        motion_beats=tuple(beats for part in parts for beats in part.motion_beats),
        music_beats=tuple(beats for part in parts for beats in part.music_beats),
        heard=np.concatenate([part.heard for part in parts]),
    )


_LISTS = {"clip_ids", "kinetic_columns", "geometric_columns"}
_RAGGED = {"motion_beats", "music_beats"}


def write_features(
    path: Path,
    sides: Mapping[str, Features],
    videos: Mapping[str, npt.ArrayLike] | None = None,
    **facts: str,
) -> None:
    """Write the features of ``sides`` and plain ``facts`` into one ``.npz``.

    Args:
        videos: arrays of :func:`evaluation.features.video_rows.table_arrays`, kept under ``video/``.
    """
    arrays: dict[str, npt.ArrayLike] = {f"fact/{name}": np.array(value) for name, value in facts.items()}
    arrays |= {f"video/{name}": values for name, values in (videos or {}).items()}
    for side, features in sides.items():
        for part in fields(features):
            value = getattr(features, part.name)
            key = f"{side}/{part.name}"
            if part.name in _RAGGED:
                arrays[key] = np.concatenate([*value, np.empty(0)])
                arrays[f"{key}/sizes"] = np.array([len(row) for row in value], np.int64)
            elif part.name == "scalars":
                arrays |= {f"{key}/{name}": values for name, values in value.items()}
            else:
                arrays[key] = np.array(value, dtype=np.str_) if part.name in _LISTS else value
    write_npz(path, **arrays)


def read_features(path: Path) -> tuple[dict[str, Features], dict[str, str]]:
    """Read what :func:`write_features` wrote: features by side, and the facts.

    Raises:
        MediaError: the file is absent or is no features file.
    """
    arrays = read_npz(path)
    facts = {
        key.removeprefix("fact/"): str(value) for key, value in arrays.items() if key.startswith("fact/")
    }
    names = sorted({key.split("/")[0] for key in arrays} - {"fact", "video"})
    try:
        sides = {side: _features_of(arrays, side) for side in names}
    except KeyError as error:
        raise MediaError(f"{path}: not a features file, {error} is absent", reason="no_features") from None
    except (ValueError, TypeError, IndexError) as error:
        raise MediaError(f"{path}: not a whole features file ({error})", reason="no_features") from error
    if not sides and not any(key.startswith("video/") for key in arrays):
        raise MediaError(f"{path}: not a features file, it holds no features", reason="no_features")
    return sides, facts


def read_videos(path: Path) -> dict[str, list[VideoRow]]:
    """The videos of a features file by side (``generated``, ``reference``); empty where it holds none.

    Raises:
        MediaError: the file cannot be read, or its videos are not whole.
    """
    tables = {
        key.removeprefix("video/"): values
        for key, values in read_npz(path).items()
        if key.startswith("video/")
    }
    return {side: rows_of_arrays(tables, side) for side in ("generated", "reference")} if tables else {}


def _features_of(arrays: Mapping[str, Array], side: str) -> Features:
    values: dict[str, Any] = {}
    for part in fields(Features):
        key = f"{side}/{part.name}"
        if part.name in _RAGGED:
            ends = np.cumsum(arrays[f"{key}/sizes"])
            if ends.size and ends[-1] != len(arrays[key]):
                raise ValueError(f"{key} holds {len(arrays[key])} values, its sizes say {ends[-1]}")
            values[part.name] = tuple(np.split(arrays[key], ends[:-1]))
        elif part.name == "scalars":
            values[part.name] = {
                name[len(key) + 1 :]: column for name, column in arrays.items() if name.startswith(f"{key}/")
            }
        elif part.name in _LISTS:
            values[part.name] = tuple(str(name) for name in arrays[key])
        else:
            values[part.name] = arrays[key]
    features = Features(**values)
    rows: list[Array] = [features.numbers, features.starts_s, features.frames, features.fps, features.heard]
    rows += [features.kinetic, features.geometric, *features.scalars.values()]
    counts = {len(column) for column in rows} | {len(features.motion_beats), len(features.music_beats)}
    if counts != {len(features)}:
        raise ValueError(f"{side}: {len(features)} clips, but columns of {sorted(counts)} rows")
    return features
