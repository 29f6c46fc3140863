"""The 3D dances behind rendered clips, which a data set keeps as joint positions beside the exact keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from madata.errors import MadanceError, MediaError
from madata.files import read_npz
from madata.motion import motion_of_positions, resample
from madata.types import Motion3D, Positions3D

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable
    from madata.dataset.export import Exported
    from madata.types import Clip

__all__ = ["motion_of_clip", "motions_of"]

_KEYS = {"joints3d", "fps", "up", "skeleton"}


def motion_of_clip(clip: Clip) -> Motion3D:
    """The dance of a rendered clip; rotations are fitted to its joints (:mod:`madata.motion.fit`).

    Raises:
        MediaError: the clip was filmed, so that nobody knows its 3D motion.
    """
    arrays = read_npz(clip.keypoints, _KEYS) if clip.keypoints is not None else {}
    if arrays.keys() < _KEYS:
        raise MediaError(f"{clip.clip_id}: has 2D keypoints only", reason="no_motion")
    return motion_of_positions(
        Positions3D(
            np.asarray(arrays["joints3d"], np.float32),
            float(arrays["fps"]),
            str(arrays["up"]),
            str(arrays["skeleton"]),
        )
    )


def motions_of(clips: ClipTable, fps: float, done: Exported) -> Iterator[tuple[Clip, Motion3D]]:
    """The motions there are, at ``fps`` and on the mean body; ``done`` hears of clips without one.

    Raises:
        MadanceError: no clip has one.
    """
    for clip in clips:
        try:
            motion = resample(motion_of_clip(clip), fps)
        except MediaError as error:
            done.left_out[clip.clip_id] = str(error).removeprefix(f"{clip.clip_id}: ")
            continue
        done.clips += 1
        yield clip, Motion3D(motion.rotation, motion.translation, motion.fps, motion.up, motion.skeleton)
    if not done.clips:
        raise MadanceError(f"{clips.folder}: none of its {len(clips)} clips was rendered from a 3D motion")
