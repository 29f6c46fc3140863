"""Another frame rate for the same motion.

Frame k lies at k / fps seconds; rotations move on the shortest arc (slerp), the translation on a line.
Legend: T frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from madata.errors import ConfigError
from madata.limits import refuse_boundless
from madata.rotations import axis_angle_to_quaternion, quaternion_to_axis_angle, slerp
from madata.types import Motion3D

__all__ = ["resample"]

# A grid point that a rounding error puts behind the last frame still counts.
_SLACK_FRAMES = 1e-6


def resample(motion: Motion3D, fps: float) -> Motion3D:
    """The motion at ``fps``: frames at k / fps from the first frame up to the last one, none beyond it.

    60 -> 30 fps takes every second frame as it is. Nothing is filtered, so a fast movement may alias when
    the rate goes down.

    Raises:
        ConfigError: ``fps`` is not positive.
        MediaError: the motion would be of more frames than :class:`madata.limits.ReadingLimits` allows.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError(f"the frame rate must be positive, got {fps}")
    if fps == motion.fps:
        return motion
    last = len(motion.rotation) - 1
    ratio = motion.fps / fps
    frames = int(np.floor(last / ratio + _SLACK_FRAMES)) + 1
    refuse_boundless("at another rate the motion has ", frames, motion.rotation.shape[1], fps)
    grid = np.arange(frames) * ratio
    nearest = np.rint(grid)
    grid = np.clip(np.where(np.abs(grid - nearest) < _SLACK_FRAMES, nearest, grid), 0, last)
    before = np.floor(grid).astype(np.intp)
    after = np.minimum(before + 1, last)
    weight = (grid - before).astype(np.float32)
    quaternion = axis_angle_to_quaternion(motion.rotation)
    turned = slerp(
        quaternion[before],
        quaternion[after],
        np.broadcast_to(weight[:, None], (len(grid), motion.rotation.shape[1])),
    )
    rotation = np.where(
        (weight == 0)[:, None, None], motion.rotation[before], quaternion_to_axis_angle(_shortest(turned))
    )
    step = motion.translation[after] - motion.translation[before]
    return replace(
        motion,
        rotation=np.ascontiguousarray(rotation, np.float32),
        translation=np.ascontiguousarray(motion.translation[before] + weight[:, None] * step, np.float32),
        fps=float(fps),
    )


def _shortest(quaternion: np.ndarray) -> np.ndarray:
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
