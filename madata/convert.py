"""Motion and keypoint files into others: read whatever it is, resampled and re-bodied as asked, written by suffix.

A folder is converted file by file; a file that cannot be used is named and the others go on. What is there already is
not written over unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from madata.errors import ConfigError, MadanceError, MediaError
from madata.formats import is_a, kind_of, stem_of, suffix_of
from madata.keypoints import (
    PoseSequence,
    between_frames,
    frame_places,
    is_keypoint_folder,
    read_pose_sequence,
    write_keypoints,
)
from madata.motion import (
    WRITTEN_SUFFIXES,
    Hints,
    read_motion,
    resample,
    with_skeleton,
    with_up,
    write_motion,
)
from madata.skeletons import mapping, skeleton, take_points, take_scores
from madata.types import Motion3D

__all__ = ["UNITS_M", "Conversion", "ConvertSettings", "convert"]

UNITS_M = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "inch": 0.0254}
"""Metres in the units ``--unit`` names."""


@dataclass(frozen=True)
class ConvertSettings:
    """What to make of the files.

    Attributes:
        format: of the motion files, where they do not show it.
        hints: what the files do not say.
        size: (width, height) px of the picture of keypoints that are shares of it.
        resample_fps: frame rate wanted.
        skeleton: skeleton wanted.
        mean_body: give motions the mean bone lengths of their skeleton.
        up: up axis wanted.
        overwrite: write over files that are there.
    """

    format: str | None = None
    hints: Hints = field(default_factory=Hints)
    size: tuple[int, int] | None = None
    resample_fps: float | None = None
    skeleton: str | None = None
    mean_body: bool = False
    up: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Conversion:
    """What became of the files.

    Attributes:
        written: (source, target) names.
        problems: (source, message) of those that could not be used.
    """

    written: list[tuple[str, str]]
    problems: list[tuple[str, str]]


def convert(
    source: Path,
    target: Path,
    settings: ConvertSettings,
    suffix: str | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> Conversion:
    """Convert a file, a folder of one JSON a frame, or every file in a folder.

    Args:
        target: a file, or a folder where ``source`` is a folder of files.
        suffix: of the files written into a folder.

    Raises:
        MadanceError: ``source`` is absent or holds nothing to convert, or a name is no format, skeleton or suffix.
    """
    if settings.skeleton is not None:
        skeleton(settings.skeleton)
    if not source.exists():
        raise MadanceError(f"{source}: no such file or folder")
    if not source.is_dir() or is_keypoint_folder(source):
        if suffix is not None and target.suffix.lower() != suffix:
            target = target / f"{_stem(source)}{suffix}"
        pairs = [(source, target)]
    else:
        if suffix is None:
            raise MadanceError(f"{source}: is a folder; say what to write: --to npz, pkl, bvh, glb or json")
        pairs = [
            (path, target / path.relative_to(source).parent / f"{_stem(path)}{suffix}")
            for path in _files(source)
        ]
        if not pairs:
            raise MadanceError(f"{source}: holds no motions and no keypoints")
    written, problems, taken = [], [], set[Path]()
    for path, out in pairs:
        try:
            if out in taken:
                raise MediaError(
                    f"{path}: {out.name} is made of another file of this name already", reason="twice"
                )
            _convert_file(path, out, settings)
            taken.add(out)
            written.append((str(path), str(out)))
        except (MediaError, ConfigError) as error:
            problems.append((str(path), str(error).removeprefix(f"{path}: ")))
        on_file()
    return Conversion(written, problems)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_dir() and is_keypoint_folder(path):
            yield path
        elif path.is_file() and is_a(path, "motion", "keypoints"):
            if suffix_of(path) == ".json" and is_keypoint_folder(path.parent):
                continue  # one frame of a clip
            yield path


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else stem_of(path)


def _convert_file(path: Path, out: Path, settings: ConvertSettings) -> None:
    if out.exists() and not settings.overwrite:
        raise ConfigError(f"{path}: {out} is there already; --overwrite writes over it")
    if _holds_keypoints(path):
        write_keypoints(out, _changed_keypoints(path, settings))
        return
    if suffix_of(out) == ".json":
        raise ConfigError(f"{path}: a motion is written as {', '.join(WRITTEN_SUFFIXES)}, not as .json")
    write_motion(out, _changed_motion(path, settings))


def _holds_keypoints(path: Path) -> bool:
    return path.is_dir() or kind_of(path) == "keypoints"


def _changed_motion(path: Path, settings: ConvertSettings) -> Motion3D:
    motion = read_motion(path, settings.format, hints=settings.hints)
    if settings.mean_body:
        motion = replace(motion, offsets=None)
    if settings.skeleton is not None:
        motion = with_skeleton(motion, settings.skeleton)
    if settings.up is not None:
        motion = with_up(motion, settings.up)
    return motion if settings.resample_fps is None else resample(motion, settings.resample_fps)


def _changed_keypoints(path: Path, settings: ConvertSettings) -> PoseSequence:
    poses = read_pose_sequence(path, fps=settings.hints.fps, size=settings.size)
    if not (np.isfinite(poses.xy).all() and np.isfinite(poses.score).all()):
        raise MediaError("holds NaN or infinity: drop or mend these frames", reason="not_finite")
    if settings.skeleton is not None and settings.skeleton != poses.skeleton:
        columns = mapping(poses.skeleton, settings.skeleton)
        xy, score = take_points(poses.xy, columns), take_scores(poses.score, columns)
        poses = replace(poses, xy=xy, score=score, skeleton=settings.skeleton)
    if settings.resample_fps is None:
        return poses
    if poses.fps is None:
        raise MediaError("gives no frame rate to resample from; say it with --fps", reason="no_fps")
    return _resampled(poses, settings.resample_fps)


def _resampled(poses: PoseSequence, fps: float) -> PoseSequence:
    """Keypoints at k / fps on a line between the frames around each, as sure as the less sure one."""
    xy, score = between_frames(poses.xy, poses.score, frame_places(len(poses.xy), poses.fps or fps, fps))
    return replace(poses, xy=xy * (score > 0)[..., None], score=score, fps=fps)
