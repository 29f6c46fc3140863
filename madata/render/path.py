"""Where a dancer goes: single wild positions are put back, and long ways are followed.

A recorder that loses its marker for a moment throws the dancer somewhere else for a frame or some; a camera that keeps
him in view then would make a dot of him for the whole dance. A run of 500 m would too: there the camera travels along.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray, Motion3D

__all__ = ["put_back", "travelled_with"]

_NEAR_S = 0.25
_FARTHEST_M = 1.0
"""Nobody gets this far from where he is half a second around."""
_SMOOTH_S = 1.0


def put_back(motion: Motion3D) -> tuple[Motion3D, int]:
    """The motion with wild positions of the root replaced by what lies between their neighbours; how many there were.

    A position is wild when it lies more than 1 m from the median of a quarter of a second to either side: a straight
    run passes through that median at any speed.
    """
    root = np.asarray(motion.translation, np.float64)
    reach = max(2, round(_NEAR_S * motion.fps))
    windows = np.lib.stride_tricks.sliding_window_view(_continued(root, reach), 2 * reach + 1, axis=0)
    wild = np.linalg.norm(root - np.median(windows, axis=-1), axis=1) > _FARTHEST_M
    count = int(wild.sum())
    if not count or wild.all():
        return motion, 0
    frames = np.arange(len(root))
    mended = [np.interp(frames, frames[~wild], root[~wild, axis]) for axis in range(3)]
    return replace(motion, translation=np.stack(mended, axis=1).astype(np.float32)), count


def travelled_with(motion: Motion3D) -> tuple[Motion3D, FloatArray]:
    """The motion as a camera sees it that travels along, and its way (T, 3), metres.

    The way is the dancer's, smoothed over a second and level; what is left in the motion are his steps and turns. The
    motion has y up.
    """
    root = np.asarray(motion.translation, np.float64)
    reach = max(1, round(_SMOOTH_S * motion.fps / 2))
    windows = np.lib.stride_tricks.sliding_window_view(_continued(root, reach), 2 * reach + 1, axis=0)
    way = windows.mean(axis=-1)
    way[:, 1] = 0.0
    way -= way[0]
    return replace(motion, translation=(root - way).astype(np.float32)), way.astype(np.float32)


def _continued(root: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Positions (T + 2 reach, 3), with those before the first and behind the last as if the way went straight on."""
    reach_inside = min(reach, len(root) - 1)
    inner = np.pad(root, ((reach_inside, reach_inside), (0, 0)), mode="reflect", reflect_type="odd")
    return np.pad(inner, ((reach - reach_inside, reach - reach_inside), (0, 0)), mode="edge")
