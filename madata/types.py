"""The types that flow between the stages.

Legend: T frames, J joints, N audio samples. Arrays are float32 and C-contiguous unless said otherwise. Whatever
upstream code confuses (up axis, skeleton, frame rate, picture size) travels with the array.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = [
    "LEAST_SOUND_RATE_HZ",
    "AudioInfo",
    "Clip",
    "FloatArray",
    "Keypoints2D",
    "Motion3D",
    "Music",
    "MusicFeatures",
    "Positions3D",
    "Source",
    "Span",
    "VideoInfo",
]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioInfo:
    """The sound track of a media file, as its container declares it."""

    codec: str
    rate_hz: int
    channels: int
    start_s: float
    duration_s: float | None


@dataclass(frozen=True)
class VideoInfo:
    """What a container declares about its video, in the orientation and shape a player shows.

    Attributes:
        size: (width, height) px after rotation and pixel aspect ratio.
        rotation: degrees the stored picture is turned counter-clockwise to be shown (0, 90, 180 or 270).
        fps: average frame rate.
        start_s: presentation time of the first frame; time 0 is the container's own zero.
        num_frames: as declared, ``None`` where the container does not say.
    """

    path: Path
    size: tuple[int, int]
    rotation: int
    fps: float
    start_s: float
    duration_s: float | None
    num_frames: int | None
    codec: str
    pixel_format: str
    audio: AudioInfo | None


@dataclass(frozen=True)
class Source:
    """One crawled file. ``source_id`` is made of its name and its content, so equal names never collide."""

    source_id: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Span:
    """A run of source frames: presentation-order indices [start, end) and the times at which they are shown.

    ``end_s`` is the time at which frame ``end`` would be shown, i.e. the moment the last frame disappears.
    """

    start: int
    end: int
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class Clip:
    """One clip of the data set.

    Attributes:
        start_s, end_s: seconds of the source.
        fps, num_frames, duration_s, size: of the clip itself; ``size`` is (width, height) px.
        genre: ``None`` where nobody has said it.
        path: the video; ``None`` where the data set comes without media.
        keypoints, music: files of what was measured, ``None`` where nothing was.
        sha256: of the video.
    """

    clip_id: str
    source_id: str
    start_s: float
    end_s: float
    fps: float
    num_frames: int
    duration_s: float
    size: tuple[int, int]
    split: str
    subset: str
    genre: str | None = None
    has_sound: bool = False
    path: Path | None = None
    keypoints: Path | None = None
    music: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Keypoints2D:
    """2D keypoints of one person.

    Attributes:
        xy: (T, J, 2) px of the picture of ``size``; x to the right, y down.
        score: (T, J) confidence 0..1; 0 where the joint was not found.
        skeleton: name in :mod:`madata.skeletons`.
        size: (width, height) px.
        times_s: (T,) float64 seconds of each row when they are not evenly spaced at ``fps``.
    """

    xy: FloatArray
    score: FloatArray
    skeleton: str
    fps: float
    size: tuple[int, int]
    times_s: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Motion3D:
    """3D motion as joint rotations.

    Attributes:
        rotation: (T, J, 3) local axis-angle, radians.
        translation: (T, 3) root position, metres.
        up: axis that points to the ceiling, ``"y"`` or ``"z"``.
        skeleton: name in :mod:`madata.skeletons`.
        offsets: (J, 3) metres, rest position of each joint relative to its parent, when the file brings its own
            bone lengths (BVH); ``None`` means the skeleton's mean offsets.
    """

    rotation: FloatArray
    translation: FloatArray
    fps: float
    up: str
    skeleton: str
    offsets: FloatArray | None = None


@dataclass(frozen=True)
class Positions3D:
    """3D motion as joint positions, of systems that make no rotations.

    Attributes:
        positions: (T, J, 3) metres.
        up: axis that points to the ceiling, ``"y"`` or ``"z"``.
        skeleton: name in :mod:`madata.skeletons`.
    """

    positions: FloatArray
    fps: float
    up: str
    skeleton: str


LEAST_SOUND_RATE_HZ = 2000
"""No recorder writes less; a header that says 1 Hz makes hours of a second, which cost without bound."""


@dataclass(frozen=True)
class Music:
    """A mono sound track: ``waveform`` (N,) in -1..1 at ``rate_hz``."""

    waveform: FloatArray
    rate_hz: int


@dataclass(frozen=True)
class MusicFeatures:
    """Music features on the motion's time grid: ``values`` (T, D) at ``fps`` and beat times ``beats_s`` (K,)."""

    values: FloatArray
    fps: float
    beats_s: FloatArray
