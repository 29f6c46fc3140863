"""The performer's keypoints in every frame of a video.

Legend: T frames, J joints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.keypoints import PoseSequence
from madata.pose import follow
from madata.pose.base import Image
from madata.pose.crops import shrink
from madata.skeletons import skeleton
from madata.types import FloatArray

if TYPE_CHECKING:
    from madata.pose.base import PoseBackend
    from madata.video import Decoder, DecodeReport, Frame

__all__ = ["OnFrame", "find_performer", "follow_performer", "long_side_px"]

OnFrame = Callable[["Decoder", "Frame"], None]

_LONG_SIDE_PX = 640


def long_side_px(pose: PoseBackend) -> int:
    """Long side of the pictures that are looked at, px at most: what the backend asks for in ``long_side``, or 640."""
    return int(getattr(pose, "long_side", _LONG_SIDE_PX))


_LEAST_PRESENCE = 0.5


def follow_performer(
    path: Path, pose: PoseBackend, on_frame: OnFrame | None = None
) -> tuple[PoseSequence, DecodeReport]:
    """Follow the largest person through a video.

    Args:
        on_frame: called with the decoder and each frame, in order, in the same pass.

    Returns:
        Keypoints (T, J, 2) px of the shown picture, with score 0 in frames in which he is not seen, and what the
        decoder has to say.

    Raises:
        MediaError: the video cannot be decoded, or nobody is in it.
    """
    from madata.video import Decoder

    with Decoder(path) as decoder:
        longest = long_side_px(pose)
        found = list(follow(pose, _small(decoder, longest, on_frame)))
        size, fps = decoder.info.size, decoder.info.fps  # known once a frame has been decoded
        report = decoder.report
    if not any(len(poses) for poses in found):
        raise MediaError(f"nobody is seen in its {len(found)} frames", reason="no_person")
    joints = skeleton(pose.skeleton).num_joints
    xy = np.zeros((len(found), joints, 2))
    score = np.zeros((len(found), joints))
    for frame, poses in enumerate(found):
        if len(poses):
            xy[frame], score[frame] = poses.xy[0], poses.score[0]
    stretch = np.array(size) / np.array(_small_size(size, longest))
    origin = json.dumps(pose.identity, sort_keys=True)
    return PoseSequence(xy * stretch, score, pose.skeleton, fps, size, origin), report


def find_performer(pose: PoseBackend, image: Image) -> tuple[FloatArray, FloatArray] | None:
    """The largest person of one picture.

    Args:
        image: (H, W, 3) RGB.

    Returns:
        Joints (J, 2) px of ``image`` and their scores (J,); ``None`` where nobody is found.
    """
    size = (image.shape[1], image.shape[0])
    small = _small_size(size, long_side_px(pose))
    picture = shrink(image, small)
    (people,) = pose.detect([picture])
    if not len(people):
        return None
    (poses,) = pose.estimate([picture], [people.take([int(people.size.argmax())])])
    if not len(poses) or poses.presence[0] < _LEAST_PRESENCE:
        return None
    return np.asarray(poses.xy[0] * (np.array(size) / np.array(small)), np.float32), poses.score[0]


def _small(decoder: Decoder, longest: int, on_frame: OnFrame | None) -> Iterator[npt.NDArray[np.uint8]]:
    for frame in decoder:
        if on_frame is not None:
            on_frame(decoder, frame)
        yield np.ascontiguousarray(frame.scaled(_small_size(decoder.info.size, longest)))


def _small_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(size))
    return (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
