"""The clips of a data folder, and the training samples cut from them.

Two kinds of folder:

- a MA-Data folder as ``madance curate`` and ``madance render`` write it: ``clips.parquet``, videos and 2D keypoints,
  from which poses are drawn at need;
- the release's: ``0001/{video,pose_video,face_video}.mp4``, with or without a table whose columns are ``video``,
  ``prompt``, ``animate_pose_video``, ``animate_face_video`` (paths against the table's folder). The table itself may
  be given instead of the folder. A face video is optional.

What cannot be used is named with its reason; nothing is decoded yet.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mace_dance.training.appearance.settings import AppearanceTraining
from madata.dataset import ClipTable
from madata.errors import ConfigError, MadanceError, MediaError
from madata.video.frames import HELD_FRAMES

__all__ = ["DroppedSample", "TrainingClip", "TrainingWindow", "find_training_clips", "training_windows"]

_COLUMNS = ("video", "prompt", "animate_pose_video", "animate_face_video")
_VIDEO, _POSE, _FACE = "video.mp4", "pose_video.mp4", "face_video.mp4"


@dataclass(frozen=True)
class TrainingClip:
    """A video with a pose; one of ``keypoints`` and ``pose_video`` is given.

    Attributes:
        name: unique in its folder.
        duration_s: as the table or the container declares it.
        sha256: of the video, where the table has it.
    """

    name: str
    video: Path
    keypoints: Path | None
    pose_video: Path | None
    face_video: Path | None
    prompt: str
    duration_s: float
    sha256: str | None = None


@dataclass(frozen=True)
class TrainingWindow:
    """A training sample: frames of a clip from ``start`` on, counted at the training rate."""

    clip: TrainingClip
    start: int

    @property
    def name(self) -> str:
        """Of the clip, and where in it."""
        return f"{self.clip.name}@{self.start}" if self.start else self.clip.name


@dataclass(frozen=True)
class DroppedSample:
    """A clip or sample that is left out: a short ``reason`` for tables, and a line that says what is wrong."""

    name: str
    reason: str
    message: str


def find_training_clips(
    data: Path, settings: AppearanceTraining
) -> tuple[list[TrainingClip], list[DroppedSample]]:
    """The clips of a folder, by name, and what is left out.

    Raises:
        ConfigError: the folder is of neither kind.
        MadanceError: a table is damaged.
    """
    if (data / "clips.parquet").is_file():
        return _ma_data(data, settings)
    table = _table(data)
    if table is not None:
        return _of_rows(_rows(table), table.parent, settings)
    if data.is_dir():
        rows = [_row(folder) for folder in sorted(data.iterdir()) if (folder / _VIDEO).is_file()]
        if rows:
            return _of_rows(rows, data, settings)
    raise ConfigError(
        f"{data}: no training data: expected a MA-Data folder (clips.parquet), a table with the columns "
        f"{', '.join(_COLUMNS)}, or folders with {_VIDEO} and {_POSE}"
    )


def training_windows(
    clips: Sequence[TrainingClip], settings: AppearanceTraining
) -> tuple[list[TrainingWindow], list[DroppedSample]]:
    """The samples of clips, one behind the other; a clip shorter than one is left out."""
    frames, fps = settings.target_frames, settings.data.fps
    windows: list[TrainingWindow] = []
    drops: list[DroppedSample] = []
    for clip in clips:
        held = int(clip.duration_s * fps + 1e-6)
        count = max(held // frames, int(held >= frames - HELD_FRAMES))
        if not count:
            drops.append(
                DroppedSample(
                    clip.name,
                    "too_short",
                    f"{clip.video}: lasts {clip.duration_s:.2f} s, a sample of {frames} frames at {fps:g} fps "
                    f"{frames / fps:.2f} s",
                )
            )
        chosen = range(count if settings.data.windows == "all" else min(count, 1))
        windows += [TrainingWindow(clip, index * frames) for index in chosen]
    return windows, drops


def _ma_data(folder: Path, settings: AppearanceTraining) -> tuple[list[TrainingClip], list[DroppedSample]]:
    clips: list[TrainingClip] = []
    drops: list[DroppedSample] = []
    for clip in ClipTable.read(folder).of_split(settings.data.split):
        files = {"video": clip.path, "keypoints": clip.keypoints}
        absent = next((what for what, path in files.items() if path is None or not path.is_file()), None)
        if clip.path is None or absent is not None:
            message = f"{files[absent or 'video'] or clip.clip_id}: the data set does not hold its {absent}"
            drops.append(DroppedSample(clip.clip_id, "missing", message))
            continue
        prompt, seconds = settings.data.prompt, clip.duration_s
        clips.append(
            TrainingClip(clip.clip_id, clip.path, clip.keypoints, None, None, prompt, seconds, clip.sha256)
        )
    return clips, drops


def _table(data: Path) -> Path | None:
    if data.is_file() and data.suffix == ".csv":
        return data
    found = sorted(data.glob("*.csv")) if data.is_dir() else []
    if len(found) > 1:
        raise ConfigError(
            f"{data}: has {len(found)} tables ({', '.join(path.name for path in found)}): give the one to train on"
        )
    return found[0] if found else None


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [
                name for name in ("video", "animate_pose_video") if name not in (reader.fieldnames or ())
            ]
            if missing:
                raise ConfigError(f"{table}: has no column {missing[0]}; expected {', '.join(_COLUMNS)}")
            return [{name: (row.get(name) or "").strip() for name in _COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MadanceError(f"{table}: not readable as a CSV table ({error})") from error


def _row(folder: Path) -> dict[str, str]:
    files = {"video": _VIDEO, "animate_pose_video": _POSE, "animate_face_video": _FACE}
    found = {column: f"{folder.name}/{name}" for column, name in files.items() if (folder / name).is_file()}
    return {**dict.fromkeys(_COLUMNS, ""), **found}


def _of_rows(
    rows: Sequence[Mapping[str, str]], folder: Path, settings: AppearanceTraining
) -> tuple[list[TrainingClip], list[DroppedSample]]:
    clips: list[TrainingClip] = []
    drops: list[DroppedSample] = []
    for number, row in enumerate(rows, start=1):
        video = Path(row["video"])
        name = f"{number:04d}-{video.parent.name or video.stem}"
        try:
            clips.append(_of_row(name, row, folder, settings))
        except MediaError as error:
            drops.append(DroppedSample(name, error.reason, str(error)))
    return clips, drops


def _of_row(name: str, row: Mapping[str, str], folder: Path, settings: AppearanceTraining) -> TrainingClip:
    from madata.video import probe

    given = {
        column: folder / row[column] if row[column] else None for column in _COLUMNS if column != "prompt"
    }
    video, pose, face = (given[column] for column in ("video", "animate_pose_video", "animate_face_video"))
    if video is None or pose is None:
        raise MediaError(f"{name}: has no {'pose ' if video else ''}video", reason="missing")
    for path in (video, pose, face):
        if path is not None and not path.is_file():
            raise MediaError(f"{path}: no such file", reason="missing")
    duration_s = probe(video).duration_s
    if duration_s is None:
        raise MediaError(f"{video}: does not say how long it lasts", reason="no_duration")
    return TrainingClip(name, video, None, pose, face, row["prompt"] or settings.data.prompt, duration_s)
