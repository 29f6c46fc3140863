"""From a clip of the data set to the request a system gets; and from what it made to what was wanted.

A system never sees the real video: music and first frame are taken out of it into files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.generate.clips import ClipSet, DataClip
from evaluation.systems import Declaration, Request, Task, Truth, clip_seed
from evaluation.systems.folder import VIDEO_SUFFIXES
from madata.errors import MediaError
from madata.files import write_bytes
from madata.keypoints import read_keypoints

__all__ = ["RequestMaker", "Wanted", "extract_sound", "read_still"]

_MOTION_FPS = 30.0
_SIZE = (512, 512)


@dataclass(frozen=True)
class Wanted:
    """Frame rate and length of the finished clip; ``fps`` differs from the request's where a system has its own."""

    fps: float
    num_frames: int


@dataclass(frozen=True)
class RequestMaker:
    """Makes the requests of a run.

    Attributes:
        inputs: folder of extracted music and pictures.
        fps, duration_s, size: as the user wants them; ``None`` is as the system or the clip has them.
        parts: folder in which every clip may keep its pieces in a folder of its own; ``None``: nothing is kept.
    """

    data: ClipSet
    task: Task
    declaration: Declaration
    run_seed: int
    inputs: Path
    fps: float | None = None
    duration_s: float | None = None
    size: tuple[int, int] | None = None
    parts: Path | None = None

    def wanted(self, clip: DataClip) -> Wanted:
        """What the finished clip must be."""
        own = self.declaration.fps if self.task != "motion" else None
        fps = self.fps or own or clip.fps or self.declaration.fps or _MOTION_FPS
        duration_s = min(clip.duration_s, self.duration_s or clip.duration_s)
        return Wanted(fps, max(1, round(duration_s * fps)))

    def request(self, clip: DataClip, scratch: Path) -> Request:
        """The request for a clip.

        Raises:
            MediaError: an input cannot be read.
        """
        wanted = self.wanted(clip)
        native = self.declaration.fps if self.task == "motion" else None
        size = self.size or self.declaration.size or clip.size or _SIZE
        duration_s = wanted.num_frames / wanted.fps
        fps = native or wanted.fps
        pose = None
        if self.task == "animation" and clip.keypoints is not None:
            times_s = np.arange(round(duration_s * fps)) / fps
            pose = replace(read_keypoints(clip.keypoints, times_s, size), fps=fps)
        return Request(
            clip_id=clip.clip_id,
            task=self.task,
            music=None if self.task == "animation" else self._music(clip),
            image=None if self.task == "motion" else self._picture(clip, size),
            pose=pose,
            motion=None,
            duration_s=duration_s,
            fps=fps,
            size=size,
            seed=clip_seed(self.run_seed, clip.clip_id),
            scratch=scratch,
            truth=self._truth() if self.declaration.needs_truth else None,
            keep=None if self.parts is None else self.parts / clip.clip_id,
        )

    def sound(self, clip: DataClip) -> Path | None:
        """The file whose sound goes under a finished video."""
        return clip.music

    def _truth(self) -> Truth:
        split, others = (tuple(clip.real for clip in clips) for clips in (self.data.clips, self.data.others))
        return Truth(split, others, self.run_seed)

    def _music(self, clip: DataClip) -> Path | None:
        if clip.music is None or clip.music.suffix.lower() not in VIDEO_SUFFIXES:
            return clip.music
        target = self.inputs / f"{clip.clip_id}.wav"
        if not target.is_file():
            extract_sound(clip.music, target)
        return target

    def _picture(self, clip: DataClip, size: tuple[int, int]) -> Path | None:
        source = clip.image or clip.video
        target = self.inputs / f"{clip.clip_id}.{size[0]}x{size[1]}.png"
        if source is not None and not target.is_file():
            _extract_picture(source, target, size)
        return target


def extract_sound(video: Path, target: Path) -> None:
    """Write the sound of a video as a mono WAV file of 16 bits."""
    from madata.music import write_wav
    from madata.video import read_audio

    write_wav(target, read_audio(video))


def _extract_picture(source: Path, target: Path, size: tuple[int, int]) -> None:
    """The picture, or the first frame, scaled to cover ``size``, the overhang cut off evenly."""
    from madata.video import encode_png
    from madata.video.geometry import frame_clip

    read = _first_frame if source.suffix.lower() in VIDEO_SUFFIXES else read_still
    shown, scaled = read(source)
    framing = frame_clip(shown, size=size, fit="crop")
    left, top = (max(0, -side) for side in framing.offset)
    image = scaled(framing.scaled)[top : top + size[1], left : left + size[0]]
    write_bytes(target, encode_png(np.ascontiguousarray(image)))


_Size = tuple[int, int]
_Scaled = Callable[[_Size], npt.NDArray[np.uint8]]


def _first_frame(video: Path) -> tuple[_Size, _Scaled]:
    """Size as shown, and the first frame at any size."""
    from madata.video import Decoder

    with Decoder(video) as decoder:
        frame = next(iter(decoder), None)
        if frame is None or frame.damaged:
            raise MediaError(f"{video}: its first frame cannot be decoded", reason="damaged_frames")
        return decoder.info.size, frame.scaled


def read_still(path: Path) -> tuple[_Size, _Scaled]:
    """Size (width, height) of a picture file, and a function that gives it at any size, RGB.

    Raises:
        MediaError: it cannot be read as a picture.
    """
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise MediaError(f"{path}: cannot be read as a picture", reason="unreadable")
    height, width = image.shape[:2]

    def scaled(size: _Size) -> npt.NDArray[np.uint8]:
        shrinks = size[0] < width
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        return np.asarray(resized[..., ::-1], np.uint8)

    return (width, height), scaled
