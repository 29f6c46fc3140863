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
from madata.skeletons import MISSING, mapping, skeleton, take_points, take_scores
from madata.types import Positions3D

__all__ = [
    "JointTrack",
    "convert_track",
    "read_keypoint_file",
    "read_motion_file",
    "resampled_track",
    "without_joints_at_origin",
]

UpAxis = Literal["y", "z", "-y"]

_IN_THE_HEAD = ("jaw", "left_eye", "right_eye")
"""Joints of SMPL-X that hang on the head and never move by themselves here; bodies without a face have the head."""


@dataclass(frozen=True)
class JointTrack:
    """Joint positions of one dancer.

    Attributes:
        points: (T, J, C).
        score: (T, J) confidence 0..1, 0 where a joint was not found; ``None`` for 3D motions.
        skeleton: name in :mod:`madata.skeletons`.
        fps: true frame rate, ``None`` where the file does not say.
        up: axis that points to the ceiling; ``"-y"`` in pictures.
        origin: what made it: a pose backend, or a motion file format.
        body: whose bones the joints hang on: a skeleton's mean body, ``own bones``, or ``positions`` where a file holds
            no rotations; empty in pictures.
        size: (width, height) px of the picture; ``None`` in 3D and where a file does not say.
        oddities: (reason, message) of what is wrong and does not prevent its use; a protocol decides.
    """

    points: npt.NDArray[Any]
    score: npt.NDArray[Any] | None
    skeleton: str
    fps: float | None
    up: UpAxis
    origin: str
    oddities: tuple[tuple[str, str], ...] = ()
    body: str = ""
    size: tuple[int, int] | None = None

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

    def cut(self, start: int, stop: int | None) -> JointTrack:
        """Frames [start, stop)."""
        score = None if self.score is None else self.score[start:stop]
        return replace(self, points=self.points[start:stop], score=score)


def convert_track(track: JointTrack, target: str) -> JointTrack:
    """The joints of skeleton ``target``, found by name; joints 2D keypoints lack get position 0 and score 0.

    Raises:
        MediaError: a 3D skeleton lacks a joint of ``target``.

    Example:
        >>> clip = JointTrack(np.ones((8, 25, 2)), np.ones((8, 25)), "coco-25", 16.0, "-y", "made")
        >>> convert_track(clip, "coco-17").points.shape
        (8, 17, 2)
    """
    if track.skeleton == target:
        return track
    columns = mapping(track.skeleton, target)
    if track.score is None and "head" in track.names:
        head = track.names.index("head")
        for column, name in enumerate(skeleton(target).joints):
            if columns[column, 0] == MISSING and name in _IN_THE_HEAD:
                columns = np.array(columns)
                columns[column] = head
    found = columns[:, 0] != MISSING
    if track.score is None and not found.all():
        absent = [name for name, there in zip(skeleton(target).joints, found, strict=True) if not there]
        message = (
            f"skeleton {track.skeleton!r} has no {', '.join(absent)}, which {target!r} needs "
            f"(madance convert IN OUT --to npz --skeleton {target} puts the rotations on it)"
        )
        raise MediaError(message, reason="wrong_skeleton")
    points = take_points(track.points, columns)
    score = None if track.score is None else take_scores(track.score, columns)
    return replace(track, points=points, score=score, skeleton=target)


def read_keypoint_file(path: Path) -> JointTrack:
    """Keypoints from any file, or folder of one JSON a frame, that :mod:`madata.keypoints` reads.

    Raises:
        MediaError: the file cannot be used; ``reason`` is one of ``missing``, ``not_json``, ``no_keypoints``,
            ``wrong_shape``, ``not_npz``, ``wrong_skeleton``, ...
    """
    from madata.keypoints import read_pose_sequence

    found = read_pose_sequence(path)
    return JointTrack(
        found.xy, found.score, found.skeleton, found.fps, "-y", found.origin, found.oddities, size=found.size
    )


def read_motion_file(
    path: Path, body: str | None = None, *, metres_per_unit: float | None = None
) -> JointTrack:
    """3D joints from a motion file: as they are where it holds positions, else by forward kinematics.

    Args:
        body: skeleton whose mean body rotations are put on, so that one dance in two files is one dance; a file that
            brings its own bones keeps them. ``None`` takes the body the file is of.
        metres_per_unit: length of one unit of the file, where it is not a metre.

    Raises:
        MediaError: the file cannot be used.
    """
    from madata.motion import Hints, joint_positions, read_any_motion, with_skeleton

    found = read_any_motion(path, hints=Hints(metres_per_unit=metres_per_unit))
    origin, up = suffix_of(path).removeprefix("."), _up_axis(found.up)
    if isinstance(found, Positions3D):
        return JointTrack(found.positions, None, found.skeleton, found.fps, up, origin, body="positions")
    bones = found.skeleton if found.offsets is None else "own bones"
    if body is not None:
        found = with_skeleton(found, body)
    return JointTrack(joint_positions(found), None, found.skeleton, found.fps, up, origin, body=bones)


def resampled_track(track: JointTrack, fps: float) -> JointTrack:
    """The same movement at another frame rate: frames at k / ``fps``, none beyond the last.

    Positions follow a cubic through the frames, so that speeds and accelerations stay those of the dance; keypoints,
    which have gaps, a line between the frames around, missing where either is.

    Raises:
        MediaError: the track gives no frame rate of its own.

    Example:
        >>> points = np.arange(9.0)[:, None, None] * np.ones((24, 3))
        >>> track = JointTrack(points, None, "smpl-24", 30.0, "y", "made")
        >>> resampled_track(track, 60.0).points[:3, 0, 0].round(6).tolist()
        [0.0, 0.5, 1.0]
    """
    if track.fps is None:
        raise MediaError("gives no frame rate to resample from", reason="no_fps")
    from madata.keypoints import between_frames, frame_places

    place = frame_places(track.frames, track.fps, fps)
    if track.score is None and track.frames > 3:
        from scipy.interpolate import CubicSpline

        points = CubicSpline(np.arange(track.frames), track.points.astype(np.float64), axis=0)(place)
        return replace(track, points=points.astype(track.points.dtype), fps=fps)
    sure = np.ones(track.points.shape[:2]) if track.score is None else track.score
    points, score = between_frames(track.points, sure, place)
    points = points.astype(track.points.dtype)
    return replace(track, points=points, score=None if track.score is None else score, fps=fps)


def without_joints_at_origin(track: JointTrack) -> JointTrack:
    """Keypoints of which those at exactly (0, 0) are missing, whatever confidence the file gives them.

    A detector that finds nothing writes zeros; some tools keep the confidence of the frame.
    """
    if track.score is None:
        return track
    return replace(track, score=np.where((track.points == 0).all(axis=-1), 0.0, track.score))


def _up_axis(name: str) -> UpAxis:
    if name == "y":
        return "y"
    if name == "z":
        return "z"
    raise MadanceError(f"up axis {name!r}: expected 'y' or 'z'")
