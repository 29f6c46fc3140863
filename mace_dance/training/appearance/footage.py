"""What a training sample shows: frames of the person, a drawn pose and a face for each.

Everything is taken by time: frame i of a sample is what its clip shows at ``(start + i) / fps``, whatever the rates
of the files. Frames and keypoints go through the same framing, so a pose lies where its person is.

Legend: T frames with a pose, T' frames in all (four more in the layout of the release), H W px, S px of a face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.faces import fit_face
from mace_dance.training.appearance.clips import TrainingWindow
from mace_dance.training.appearance.settings import AppearanceTraining, ClipSettings
from madata.dataset.window import ClipWindow, window_frames, window_keypoints
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.video.frames import read_pictures

if TYPE_CHECKING:
    from mace_dance.appearance.pose_video import PosePoints
    from madata.pose.base import PoseBackend
    from madata.video import Frame

__all__ = ["Footage", "read_footage"]

Image = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Footage:
    """A sample, before it is encoded.

    Attributes:
        frames: (T', H, W, 3); the first is the reference picture.
        poses: (T, H, W, 3).
        faces: (T, S, S, 3), or (1, S, S, 3) for one that is held.
    """

    frames: Frames
    poses: Frames
    faces: Frames


def read_footage(window: TrainingWindow, settings: AppearanceTraining, face_px: int) -> Footage:
    """Read, draw and cut out what a sample shows.

    Raises:
        MediaError: a file is damaged or too short, or shows no person; the sample cannot be used.
        WeightsError: the face has to be looked for, and the pose backend's weights are not there.
    """
    data, clip = settings.data, window.clip
    frames = window_frames(clip.video, _of_window(window, settings.target_frames, data))
    points: PosePoints | None = None
    if clip.pose_video is not None:
        poses = window_frames(clip.pose_video, _of_window(window, data.frames, data))
    else:
        points = _points(window, data)
        poses = _drawn(points, data)
    return Footage(frames, poses, _faces(window, frames, points, data, face_px))


def _of_window(window: TrainingWindow, frames: int, data: ClipSettings) -> ClipWindow:
    return ClipWindow(window.start / data.fps, data.fps, frames, data.size, data.fit)


def _points(window: TrainingWindow, data: ClipSettings) -> PosePoints:
    """The pose of a sample in px of its frames."""
    from mace_dance.appearance.pose_video import points_of_pose

    path = window.clip.keypoints
    if path is None:
        raise MediaError(f"{window.name}: has neither keypoints nor a pose video", reason="no_pose")
    try:
        points = points_of_pose(window_keypoints(path, _of_window(window, data.frames, data)))
    except MediaError:
        raise
    except MadanceError as error:
        raise MediaError(f"{path}: {error}", reason="bad_keypoints") from error
    if not points.body[..., 2].any():
        raise MediaError(f"{path}: no joint was found in {window.name}", reason="no_pose")
    return points


def _drawn(points: PosePoints, data: ClipSettings) -> Frames:
    from mace_dance.appearance.pose_video import draw

    return np.stack(list(draw(points, data.style)))


def _faces(
    window: TrainingWindow, frames: Frames, points: PosePoints | None, data: ClipSettings, face_px: int
) -> Frames:
    """(T, S, S, 3) or (1, S, S, 3) face control."""
    from mace_dance.appearance.pose_video import crop_face, face_boxes

    if data.face == "none":
        return np.zeros((1, face_px, face_px, 3), np.uint8)
    count = data.frames if data.face == "video" else 1
    if window.clip.face_video is not None:
        crops: Sequence[Image] | Frames = _square_frames(
            window.clip.face_video, window.start, count, data.fps, face_px
        )
    elif points is not None:
        boxes = face_boxes(points.take(range(count)))
        crops = [crop_face(frame, box) for frame, box in zip(frames, boxes, strict=False)]
    elif data.face == "reference":
        crops = [_found_face(window, frames[0], data.pose_backend)]
    else:
        raise MediaError(f"{window.name}: has no face video; say data.face=reference", reason="no_face")
    return np.stack([fit_face(crop, face_px) for crop in crops])


def _square_frames(path: Path, start: int, count: int, fps: float, face_px: int) -> Frames:
    """Frames of a face video squeezed to a square, as generation squeezes them."""

    def picture(frame: Frame, shown: tuple[int, int]) -> Image:
        return fit_face(frame.scaled(shown), face_px)

    return read_pictures(path, fps, count, picture, start_s=start / fps)


def _found_face(window: TrainingWindow, picture: Image, backend: str) -> Image:
    from mace_dance.appearance.pose_video import ReferencePose, face_crop

    try:
        return face_crop(picture, ReferencePose.from_image(picture, _backend(backend)))
    except (ConfigError, WeightsError):
        raise
    except MadanceError as error:
        raise MediaError(f"{window.name}: {error}", reason="nobody") from error


@cache
def _backend(name: str) -> PoseBackend:
    from madata.pose import load

    return load(name)
