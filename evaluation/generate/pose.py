"""A pose to follow: keypoints on the grid of a clip, and the 3D motion they are seen of, where there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.systems import fit_motion, project_motion
from madata.errors import MadanceError, MediaError
from madata.files import read_npz
from madata.formats import SUFFIXES, is_a, suffix_of
from madata.keypoints import read_keypoints

if TYPE_CHECKING:
    from madata.types import Keypoints2D, Motion3D

__all__ = ["ClipPose", "pose_length_s", "read_pose"]

# shapes this near count as one: a size is rounded to even sides
_SHAPE_TOLERANCE = 0.02


@dataclass(frozen=True)
class ClipPose:
    """Keypoints (T, J, 2) px of the clip's size, and the motion behind them where a motion was given."""

    keypoints: Keypoints2D
    motion: Motion3D | None


def pose_length_s(path: Path) -> float:
    """Seconds that a file of keypoints, or a motion file, lasts.

    Raises:
        MediaError: it is neither.
        MadanceError: the suffix is that of no such file.
    """
    if not is_a(path, "motion"):
        raise MadanceError(
            f"{path}: --pose takes keypoints (.npz) or a motion ({', '.join(SUFFIXES['motion'])})"
        )
    arrays = _keypoint_arrays(path)
    if arrays is None:
        from madata.motion import read_motion

        motion = read_motion(path)
        return len(motion.rotation) / motion.fps
    rows = len(arrays["xy"])
    if "fps" in arrays:
        return rows / float(np.asarray(arrays["fps"], np.float64))
    if "times_s" not in arrays or rows < 2:
        raise MediaError(f"{path}: holds neither fps nor the times of two rows", reason="no_keypoints")
    times_s = np.asarray(arrays["times_s"], np.float64)
    return float(times_s[-1] - times_s[0]) * rows / (rows - 1)


def read_pose(path: Path, fps: float, num_frames: int, size: tuple[int, int], *, cropped: bool) -> ClipPose:
    """A pose, brought to ``fps`` by time and to the pixels of ``size`` (width, height).

    Args:
        cropped: the pose is that of the picture, which is cut to ``size``; else a shape other than that of
            ``size`` is refused.

    Raises:
        MediaError: the file is no pose, is too short, or of a picture of another shape.
    """
    arrays = _keypoint_arrays(path)
    if arrays is None:
        from madata.motion import read_motion

        motion = fit_motion(read_motion(path), fps, num_frames)
        return ClipPose(project_motion(motion, size), motion)
    times_s = np.arange(num_frames) / fps
    shape = arrays.get("size")
    if shape is None or _same_shape(shape, size):
        return ClipPose(replace(read_keypoints(path, times_s, size), fps=fps), None)
    if not cropped:
        width, height = (int(side) for side in np.asarray(shape, np.int64))
        raise MediaError(
            f"{path}: its keypoints are those of a picture of {width}x{height}, which has another shape than "
            f"{size[0]}x{size[1]}: give a --size of that shape",
            reason="bad_shape",
        )
    return ClipPose(_covering(read_keypoints(path, times_s), fps, size), None)


def _keypoint_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]] | None:
    """The arrays of a keypoint file; ``None`` of any other file."""
    arrays = read_npz(path) if suffix_of(path) == ".npz" else {}
    return arrays if "xy" in arrays else None


def _same_shape(shape: npt.NDArray[np.generic], size: tuple[int, int]) -> bool:
    width, height = (int(side) for side in np.asarray(shape, np.int64))
    return abs(width * size[1] / (height * size[0]) - 1) <= _SHAPE_TOLERANCE


def _covering(keypoints: Keypoints2D, fps: float, size: tuple[int, int]) -> Keypoints2D:
    """Keypoints moved with their picture, when that is scaled to cover ``size`` and cut off evenly."""
    from madata.video.geometry import frame_clip

    framing = frame_clip(keypoints.size, size=size, fit="crop")
    xy = keypoints.xy * (np.array(framing.scaled) / keypoints.size) + framing.offset
    return replace(keypoints, xy=np.ascontiguousarray(xy, np.float32), fps=fps, size=size)
