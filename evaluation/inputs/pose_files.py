"""One clip as the metrics see it: joint positions over time, whatever file they came from.

2D keypoints and 3D motions meet here in one type. The skeleton goes by name, the frame rate and the up axis
travel with the array, and a file that lies about any of them is refused with what was expected and what came.

Legend: T frames, J joints, C coordinates (2: px, x right, y down; 3: metres).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError, MediaError
from madata.formats import suffix_of
from madata.rotations import up_axis_matrix
from madata.skeletons import MISSING, mapping, skeleton
from madata.types import Keypoints2D

__all__ = [
    "Track",
    "convert_track",
    "keypoint_track",
    "read_keypoint_file",
    "read_motion_file",
]

UpAxis = Literal["y", "z", "-y"]


@dataclass(frozen=True)
class Track:
    """Joint positions of one dancer.

    Attributes:
        points: (T, J, C).
        score: (T, J) confidence 0..1, 0 where a joint was not found; ``None`` for 3D motions.
        skeleton: name in :mod:`madata.skeletons`.
        fps: true frame rate, ``None`` where the file does not say.
        up: axis that points to the ceiling; ``"-y"`` in pictures.
        origin: what made it: a pose backend, or a motion file format.
        oddities: (reason, message) of what is wrong and does not prevent its use; a protocol decides.
    """

    points: npt.NDArray[Any]
    score: npt.NDArray[Any] | None
    skeleton: str
    fps: float | None
    up: UpAxis
    origin: str
    oddities: tuple[tuple[str, str], ...] = ()

    @property
    def frames(self) -> int:
        """Frames of the sequence."""
        return len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the joints."""
        return skeleton(self.skeleton).joints

    @property
    def missing_rate(self) -> float:
        """Share of joints that were not found."""
        return 0.0 if self.score is None else float(np.mean(self.score <= 0))

    @property
    def y_up(self) -> npt.NDArray[Any]:
        """(T, J, C) float32 with y pointing up, in metres where the track is 3D."""
        points = self.points.astype(np.float32, copy=False)
        if self.up == "y":
            return points
        turned: npt.NDArray[Any] = points @ up_axis_matrix(self.up, "y").T.astype(np.float32)
        return turned

    def cut(self, start: int, stop: int | None) -> Track:
        """Frames [start, stop)."""
        score = None if self.score is None else self.score[start:stop]
        return replace(self, points=self.points[start:stop], score=score)


def keypoint_track(keypoints: Keypoints2D, *, origin: str) -> Track:
    """2D keypoints as a track."""
    return Track(keypoints.xy, keypoints.score, keypoints.skeleton, keypoints.fps, "-y", origin)


def convert_track(track: Track, target: str) -> Track:
    """The joints of skeleton ``target``, found by name; joints 2D keypoints lack get position 0 and score 0.

    Raises:
        MediaError: a 3D skeleton lacks a joint of ``target``.

    Example:
        >>> clip = Track(np.ones((8, 25, 2)), np.ones((8, 25)), "coco-25", 16.0, "-y", "made")
        >>> convert_track(clip, "coco-17").points.shape
        (8, 17, 2)
    """
    if track.skeleton == target:
        return track
    columns = mapping(track.skeleton, target)
    found = columns[:, 0] != MISSING
    if track.score is None and not found.all():
        absent = [name for name, there in zip(skeleton(target).joints, found, strict=True) if not there]
        message = f"skeleton {track.skeleton!r} has no {', '.join(absent)}, which {target!r} needs"
        raise MediaError(message, reason="wrong_skeleton")
    points = track.points[:, columns].mean(axis=2, dtype=track.points.dtype) * found[:, None]
    score = None if track.score is None else track.score[:, columns].min(axis=2) * found
    return replace(track, points=points.astype(track.points.dtype), score=score, skeleton=target)


def read_keypoint_file(path: Path) -> Track:
    """Keypoints from any file, or folder of one JSON a frame, that :mod:`madata.keypoints` reads.

    Raises:
        MediaError: the file cannot be used; ``reason`` is one of ``missing``, ``not_json``, ``no_keypoints``,
            ``wrong_shape``, ``not_npz``, ``wrong_skeleton``, ...
    """
    from madata.keypoints import read_pose_sequence

    found = read_pose_sequence(path)
    return Track(found.xy, found.score, found.skeleton, found.fps, "-y", found.origin, found.oddities)


def read_motion_file(path: Path) -> Track:
    """3D joints from a motion file: as they are where it holds positions, else by forward kinematics.

    Raises:
        MediaError: the file cannot be used.
    """
    from madata.motion import read_positions

    found = read_positions(path)
    origin = suffix_of(path).removeprefix(".")
    return Track(found.positions, None, found.skeleton, found.fps, _up_axis(found.up), origin)


def _up_axis(name: str) -> UpAxis:
    if name == "y":
        return "y"
    if name == "z":
        return "z"
    raise MadanceError(f"up axis {name!r}: expected 'y' or 'z'")
