"""What a training sample shows: frames of the person, a drawn pose and a face for each.

Everything is taken by time: frame i of a sample is what its clip shows at ``(start + i) / fps``, whatever the rates
of the files. Frames and keypoints go through the same framing, so a pose lies where its person is.

Legend: T frames with a pose, T' frames in all (four more in the layout of the release), H W px, S px of a face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.faces import fit_face
from mace_dance.training.appearance.clips import TrainingWindow
from mace_dance.training.appearance.settings import AppearanceTraining, ClipSettings
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError
from madata.keypoints import read_keypoints
from madata.types import Keypoints2D

if TYPE_CHECKING:
    from mace_dance.appearance.pose_video import PosePoints
    from madata.pose.base import PoseBackend
    from madata.video import Frame
    from madata.video.geometry import Framing

__all__ = ["Footage", "read_footage", "read_frames"]

Image = npt.NDArray[np.uint8]
Frames = npt.NDArray[np.uint8]

_SLACK = 1e-6
_HELD_FRAMES = 1


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
    frames = read_frames(clip.video, window.start, settings.target_frames, data)
    points: PosePoints | None = None
    if clip.pose_video is not None:
        poses = read_frames(clip.pose_video, window.start, data.frames, data)
    else:
        points = _points(window, data)
        poses = _drawn(points, data)
    return Footage(frames, poses, _faces(window, frames, points, data, face_px))


def read_frames(path: Path, start: int, count: int, data: ClipSettings) -> Frames:
    """(``count``, H, W, 3) frames from number ``start`` at ``data.fps`` on; the last may be held for one frame.

    Raises:
        MediaError: the video is damaged where it is needed, or ends before.
    """
    from madata.video.geometry import frame_clip

    def picture(frame: Frame, shown: tuple[int, int]) -> Image:
        return _framed(frame, frame_clip(shown, size=data.size, fit=data.fit))

    return _read(path, start, count, data.fps, picture)


def _read(
    path: Path, start: int, count: int, fps: float, picture: Callable[[Frame, tuple[int, int]], Image]
) -> Frames:
    """Pictures made of decoded frames, given the size at which the video is shown."""
    from madata.video import Decoder

    taken: list[Image] = []
    lasts_s, begin_s = 0.0, None
    with Decoder(path) as decoder:
        for frame in decoder:
            begin_s = frame.time_s if begin_s is None else begin_s
            lasts_s = frame.end_s - begin_s
            # frames of the sample whose time lies before the moment the next picture appears
            due = min(count, int(np.ceil(lasts_s * fps - _SLACK)) - start)
            if due > len(taken):
                if frame.damaged:
                    raise MediaError(f"{path}: frame {frame.index} is damaged", reason="damaged_frames")
                taken += [picture(frame, decoder.info.size)] * (due - len(taken))
            if len(taken) == count:
                break
    short = count - len(taken)
    if not taken or short > _HELD_FRAMES:
        raise MediaError(
            f"{path}: lasts {lasts_s:.2f} s, {(start + count) / fps:.2f} s are needed", reason="too_short"
        )
    return np.stack([*taken, *taken[-1:] * short])


def _framed(frame: Frame, framing: Framing) -> Image:
    """A decoded picture scaled, and cropped or padded, into the frame (H, W, 3)."""
    scaled = frame.scaled(framing.scaled)
    (width, height), (left, top) = framing.out, framing.offset
    cut = scaled[max(0, -top) : max(0, -top) + height, max(0, -left) : max(0, -left) + width]
    if cut.shape[:2] == (height, width):
        return np.ascontiguousarray(cut)
    canvas = np.zeros((height, width, 3), np.uint8)
    rows, columns = cut.shape[:2]
    canvas[max(0, top) : max(0, top) + rows, max(0, left) : max(0, left) + columns] = cut
    return canvas


def _points(window: TrainingWindow, data: ClipSettings) -> PosePoints:
    """The pose of a sample in px of its frames."""
    from mace_dance.appearance.pose_video import points_of_pose
    from madata.video.geometry import frame_clip

    path = window.clip.keypoints
    if path is None:
        raise MediaError(f"{window.name}: has neither keypoints nor a pose video", reason="no_pose")
    seen = read_keypoints(path, (window.start + np.arange(data.frames)) / data.fps)
    framing = frame_clip(seen.size, size=data.size, fit=data.fit)
    scale = np.array(framing.scaled) / np.array(seen.size)
    xy = (seen.xy * scale + np.array(framing.offset)).astype(np.float32)
    try:
        points = points_of_pose(Keypoints2D(xy, seen.score, seen.skeleton, data.fps, data.size))
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
    return _read(path, start, count, fps, lambda frame, shown: fit_face(frame.scaled(shown), face_px))


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
