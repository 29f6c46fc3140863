"""What a user hands in for one clip: music, a picture, a pose. Judged before anything is spent.

Every refusal names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.generate.requests import read_still
from evaluation.systems import fit_motion, project_motion
from evaluation.systems.folder import MOTION_SUFFIXES
from madata.errors import MadanceError, MediaError
from madata.files import read_npz, write_bytes
from madata.keypoints import read_keypoints

if TYPE_CHECKING:
    from madata.types import Keypoints2D, Motion3D

__all__ = [
    "LONGEST_UNASKED_S",
    "SHORTEST_S",
    "Pose",
    "check_sound",
    "letterboxed",
    "music_length_s",
    "read_pose",
]

SHORTEST_S = 1.0
LONGEST_UNASKED_S = 600.0
_SILENCE = 5e-4
_SHAPE_TOLERANCE = 0.02
_TASTE_S = 1.0
_TOO_SHORT_S = 0.1


def music_length_s(path: Path, duration_s: float | None) -> float:
    """Seconds of the clip a piece of music asks for: its own length, or ``duration_s`` of it.

    Raises:
        MediaError: it cannot be read, is silent, is shorter than :data:`SHORTEST_S` or than ``duration_s``, or
            is longer than :data:`LONGEST_UNASKED_S` and nobody said how much of it is wanted.
    """
    from madata.video import read_audio

    if duration_s is None:
        _refuse_long(path, _declared_s(path))
    sound = read_audio(path, end_s=duration_s) if duration_s else read_audio(path)
    heard = np.flatnonzero(np.abs(sound.waveform) > _SILENCE)
    if not heard.size:
        raise MediaError(f"{path}: is silent, there is nothing to dance to", reason="silent")
    length_s = len(sound.waveform) / sound.rate_hz
    if duration_s is None:
        _refuse_long(path, length_s)
        if length_s < SHORTEST_S:
            raise MediaError(
                f"{path}: lasts {length_s:.2f} s, a clip needs at least {SHORTEST_S:g} s", reason="too_short"
            )
        return length_s
    whole_s = _declared_s(path)
    if whole_s is not None and whole_s < duration_s - 0.05:
        raise MediaError(
            f"{path}: lasts {whole_s:.2f} s, --duration asks for {duration_s:g} s", reason="too_short"
        )
    return duration_s


def check_sound(path: Path, clip_s: float) -> None:
    """Judge the music that is put under a clip whose length something else decides.

    Raises:
        MediaError: it cannot be read, or ends before a clip of ``clip_s`` seconds does.
    """
    from madata.video import read_audio

    declared_s = _declared_s(path)
    read_audio(path, end_s=min(clip_s, _TASTE_S))
    if declared_s is not None and declared_s < clip_s - _TOO_SHORT_S:
        raise MediaError(
            f"{path}: lasts {declared_s:.2f} s, the pose {clip_s:.2f} s: give music as long, "
            f"or --duration {int(declared_s * 100) / 100:g}",
            reason="too_short",
        )


def _refuse_long(path: Path, length_s: float | None) -> None:
    if length_s is not None and length_s > LONGEST_UNASKED_S:
        raise MediaError(
            f"{path}: lasts {length_s:.0f} s, more than {LONGEST_UNASKED_S:g} s: say how much of it is wanted "
            f"(--duration {length_s:.0f} for all of it)",
            reason="too_long",
        )


def _declared_s(path: Path) -> float | None:
    """Length the container declares, seconds."""
    from madata.video.container import audio_stream, open_media

    with open_media(path) as container:
        stream = audio_stream(container, path)
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None if container.duration is None else container.duration / 1e6


def letterboxed(path: Path, size: tuple[int, int] | None, target: Path) -> tuple[int, int]:
    """Write a picture to ``target`` (PNG) at ``size`` (width, height), whole, black beside it.

    Args:
        size: ``None`` keeps the picture's own, made even and at most 1280 px long.

    Returns:
        The size.

    Raises:
        MediaError: it cannot be read as a picture.
    """
    from madata.video import encode_png
    from madata.video.geometry import frame_clip

    if not path.is_file():
        raise MediaError(f"{path}: no such file", reason="missing")
    shown, scaled = read_still(path)
    framing = frame_clip(shown, size=size, fit="pad") if size else frame_clip(shown, long_side=1280)
    image: npt.NDArray[np.uint8] = np.zeros((framing.out[1], framing.out[0], 3), np.uint8)
    left, top = framing.offset
    fitted = scaled(framing.scaled)[: framing.out[1], : framing.out[0]]
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    write_bytes(target, encode_png(image))
    return framing.out


@dataclass(frozen=True)
class Pose:
    """A pose to follow: keypoints on the clip's grid, and the 3D motion they are seen of, where there is one."""

    keypoints: Keypoints2D
    motion: Motion3D | None

    @property
    def num_frames(self) -> int:
        """Frames of the pose sequence."""
        return len(self.keypoints.xy)


def read_pose(path: Path, fps: float, size: tuple[int, int], duration_s: float | None) -> Pose:
    """Read keypoints (``xy``, ``score``, ... as in the data set) or any motion file, brought to ``fps`` by time.

    Raises:
        MediaError: the file is neither, or shorter than ``duration_s``.
        MadanceError: the suffix is that of no such file.
    """
    if path.suffix.lower() not in MOTION_SUFFIXES:
        raise MadanceError(
            f"{path}: --pose takes keypoints (.npz) or a motion ({', '.join(sorted(MOTION_SUFFIXES))})"
        )
    arrays = read_npz(path) if path.suffix == ".npz" else {}
    if "xy" in arrays:
        _same_shape(path, arrays, size)
        length_s = _keypoints_length_s(path, arrays)
        count = _frames(path, length_s, duration_s, fps)
        return Pose(replace(read_keypoints(path, np.arange(count) / fps, size), fps=fps), None)
    from madata.motion import read_motion

    motion = read_motion(path)
    count = _frames(path, len(motion.rotation) / motion.fps, duration_s, fps)
    motion = fit_motion(motion, fps, count)
    return Pose(project_motion(motion, size), motion)


def _same_shape(path: Path, arrays: dict[str, npt.NDArray[np.generic]], size: tuple[int, int]) -> None:
    """Refuse keypoints of a picture of another shape: they would be stretched with it."""
    if "size" not in arrays:
        return
    width, height = (int(side) for side in np.asarray(arrays["size"], np.int64))
    if abs(width * size[1] / (height * size[0]) - 1) > _SHAPE_TOLERANCE:
        raise MediaError(
            f"{path}: its keypoints are those of a picture of {width}x{height}, which has another shape than "
            f"{size[0]}x{size[1]}: give a --size of that shape",
            reason="bad_shape",
        )


def _keypoints_length_s(path: Path, arrays: dict[str, npt.NDArray[np.generic]]) -> float:
    rows = len(arrays["xy"])
    if "fps" in arrays:
        return rows / float(np.asarray(arrays["fps"], np.float64))
    if "times_s" not in arrays or rows < 2:
        raise MediaError(f"{path}: holds neither fps nor the times of two rows", reason="no_keypoints")
    times_s = np.asarray(arrays["times_s"], np.float64)
    return float(times_s[-1] - times_s[0]) * rows / (rows - 1)


def _frames(path: Path, length_s: float, duration_s: float | None, fps: float) -> int:
    if duration_s is not None and length_s < duration_s - 0.5 / fps:
        raise MediaError(
            f"{path}: lasts {length_s:.2f} s, --duration asks for {duration_s:g} s", reason="too_short"
        )
    return max(1, round((duration_s or length_s) * fps))
