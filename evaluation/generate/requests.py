"""From a clip to the request a system gets; and from what it made to what was wanted.

A system never sees the real video: music and first frame are taken out of it into files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluation.generate.clips import ClipSet, DataClip
from evaluation.generate.pictures import write_picture
from evaluation.generate.pose import ClipPose, read_pose
from evaluation.generate.settings import Settings
from evaluation.systems import Declaration, Request, Task, Truth, clip_seed
from madata.formats import is_a

__all__ = ["RequestMaker", "WantedClip"]

_MOTION_FPS = 30.0
_SIZE = (512, 512)


@dataclass(frozen=True)
class WantedClip:
    """Frame rate and length of the finished clip; ``fps`` differs from the request's where a system has its own."""

    fps: float
    num_frames: int


@dataclass(frozen=True)
class RequestMaker:
    """Makes the requests of a run.

    Attributes:
        inputs: folder of extracted music and pictures.
        keep: the folder in which a clip keeps its pieces, by its id; ``None``: nothing is kept.
        report: hears what is being done to a clip, and the share of it that is done.
    """

    data: ClipSet
    task: Task
    declaration: Declaration
    settings: Settings
    inputs: Path
    keep: Callable[[str], Path | None] = lambda clip_id: None
    report: Callable[[str, float], None] = lambda doing, share: None

    def seed(self, clip: DataClip) -> int:
        """Seed of a clip: of a split a hash of the run's and the clip's id, of one clip the run's itself."""
        return self.settings.seed if self.data.own else clip_seed(self.settings.seed, clip.clip_id)

    def wanted(self, clip: DataClip) -> WantedClip:
        """What the finished clip must be."""
        own = self.declaration.fps if self.task != "motion" else None
        fps = self.settings.fps or own or clip.fps or self.declaration.fps or _MOTION_FPS
        duration_s = min(clip.duration_s, self.settings.duration_s or clip.duration_s)
        return WantedClip(fps, max(1, round(duration_s * fps)))

    def size(self, clip: DataClip) -> tuple[int, int]:
        """(width, height) px of a video of it."""
        return self.settings.size or self.declaration.size or clip.size or _SIZE

    def request(self, clip: DataClip, scratch: Path) -> Request:
        """The request for a clip.

        Raises:
            MediaError: an input cannot be read.
        """
        wanted = self.wanted(clip)
        size = self.size(clip)
        duration_s = wanted.num_frames / wanted.fps
        fps = (self.declaration.fps if self.task == "motion" else None) or wanted.fps
        pose = self._pose(clip, fps, round(duration_s * fps), size)
        return Request(
            clip_id=clip.clip_id,
            task=self.task,
            music=None if self.task == "animation" else self._music(clip),
            image=None if self.task == "motion" else self._picture(clip, size),
            pose=pose.keypoints if pose else None,
            motion=pose.motion if pose else None,
            duration_s=duration_s,
            fps=fps,
            size=size,
            seed=self.seed(clip),
            scratch=scratch,
            truth=self._truth() if self.declaration.needs_truth else None,
            keep=self.keep(clip.clip_id),
            report=self.report,
            fit=self._fit,
        )

    @property
    def _fit(self) -> Literal["pad", "crop"]:
        """A user's own picture is shown whole, those of a data set fill the frame."""
        return "pad" if self.data.own else "crop"

    def _truth(self) -> Truth:
        split, others = (tuple(clip.real for clip in clips) for clips in (self.data.clips, self.data.others))
        return Truth(split, others, self.settings.seed)

    def _pose(self, clip: DataClip, fps: float, num_frames: int, size: tuple[int, int]) -> ClipPose | None:
        if self.task != "animation" or clip.pose is None:
            return None
        return read_pose(clip.pose, fps, num_frames, size, cropped=not self.data.own)

    def _music(self, clip: DataClip) -> Path | None:
        if clip.music is None or not is_a(clip.music, "video"):
            return clip.music
        target = self.inputs / f"{clip.clip_id}.wav"
        if not target.is_file():
            _extract_sound(clip.music, target)
        return target

    def _picture(self, clip: DataClip, size: tuple[int, int]) -> Path | None:
        source = clip.image or clip.video
        target = self.inputs / f"{clip.clip_id}.{size[0]}x{size[1]}.png"
        if source is not None and not target.is_file():
            write_picture(source, target, size, self._fit)
        return target


def _extract_sound(video: Path, target: Path) -> None:
    """Write the sound of a video as a mono WAV file of 16 bits."""
    from madata.music import write_wav
    from madata.video import read_audio

    write_wav(target, read_audio(video))
