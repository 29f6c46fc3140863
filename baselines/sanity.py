"""Rows every board needs: what the numbers say of systems about which the truth is known.

| system | gives | what must happen |
|---|---|---|
| ``ground-truth`` | the real clip | every distance to the reference is 0 |
| ``noise-floor`` | real clips from outside the split | distances are those of two samples of one distribution |
| ``shuffled-music`` | the real dance of another clip, each once | distances stay, beat alignment falls to chance |
| ``mean-pose`` | one pose, held | no diversity, no beats, large distances |
| ``frozen-frame`` | the reference picture, held | flickering, consistency and smoothness near 100 |

They see the real clips (``needs_truth``), so no board ranks them.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evaluation.systems import Card, Output, RealClip, Request, Truth, fit_motion, system
from madata.errors import MadanceError, MediaError

if TYPE_CHECKING:
    from madata.types import Motion3D

__all__ = [
    "MeanPose",
    "frozen_frame",
    "ground_truth",
    "mean_pose",
    "noise_floor",
    "real_frames",
    "shuffled_music",
]

Image = npt.NDArray[np.uint8]

_MEAN_POSE_CLIPS = 64
_MEAN_POSE_FRAMES = 32


@system(
    "ground-truth",
    task=("motion", "animation", "video"),
    card=Card(notes="sanity row: the real clip itself"),
    needs_truth=True,
)
def ground_truth(request: Request) -> Output:
    """The real clip: the motion, or the file of the video as it is."""
    own = _own(request)
    if request.task == "motion" or own.video is None:
        return _danced(own, request)
    return own.video if _fits(own.video, request) else real_frames(own.video, request)


@system(
    "noise-floor",
    task=("motion", "video"),
    card=Card(notes="sanity row: real clips from outside the split, each at most once while they last"),
    needs_truth=True,
)
def noise_floor(request: Request) -> Output:
    """Truth against truth: a real clip that is not in the split."""
    truth = _truth(request)
    own = _own(request)
    sources = {clip.source_id for clip in truth.split}
    pool = [clip for clip in _usable(truth.others, request) if clip.source_id not in sources]
    if not pool:
        raise MadanceError(
            "noise-floor needs real clips from sources outside the split: give a data set that has other splits"
        )
    order = _dealt(pool, truth.run_seed)
    place = [clip.clip_id for clip in _dealt(truth.split, truth.run_seed)].index(own.clip_id)
    turned = order[place % len(order) :] + order[: place % len(order)]
    return _perform(_long_enough(turned, request), request)


@system(
    "shuffled-music",
    task=("motion", "video"),
    card=Card(notes="sanity row: the real dances of the split, dealt out to the music of other clips"),
    needs_truth=True,
)
def shuffled_music(request: Request) -> Output:
    """The dance of another clip of the split with other music, and with a picture of the same shape.

    Dances are exchanged, so that the set of them stays what it is: each goes to one clip, of its own length where
    there is such, else of the nearest.

    Raises:
        MadanceError: the split is of one source.
        MediaError: no clip of another source has pictures of its shape.
    """
    truth = _truth(request)
    own = _own(request)
    split = _usable(truth.split, request)
    if len({clip.source_id for clip in split}) < 2:
        raise MadanceError("shuffled-music needs clips of at least two sources in the split")
    alike = [clip for clip in split if _shape(clip, request) == _shape(own, request)]
    if len({clip.source_id for clip in alike}) < 2:
        raise MediaError("no clip of another source has pictures of its shape", reason="no_other")
    return _perform(_exchanged(_dealt(alike, truth.run_seed))[own.clip_id], request)


@system(
    "mean-pose",
    task="motion",
    card=Card(notes="sanity row: the mean pose of the real clips, held still"),
    needs_truth=True,
)
class MeanPose:
    """One pose for every clip."""

    def __init__(self) -> None:
        self._pose: tuple[tuple[RealClip, ...], Motion3D] | None = None

    def generate(self, request: Request) -> Motion3D:
        """The mean pose, ``num_frames`` times."""
        truth = _truth(request)
        real = _usable(truth.others, request) or _usable(truth.split, request)
        pool = _dealt(real, truth.run_seed)[:_MEAN_POSE_CLIPS]
        if self._pose is None or self._pose[0] != tuple(pool):
            self._pose = tuple(pool), mean_pose(pool)
        pose = self._pose[1]
        rows = np.zeros(request.num_frames, np.intp)
        return replace(
            pose, rotation=pose.rotation[rows], translation=pose.translation[rows], fps=request.fps
        )


@system(
    "frozen-frame",
    task=("animation", "video"),
    card=Card(notes="sanity row: the reference picture, held still"),
)
def frozen_frame(request: Request) -> Iterator[Image]:
    """The reference picture, ``num_frames`` times."""
    import cv2

    from madata.video.stills import read_still

    if request.image is None:
        raise MadanceError("frozen-frame needs a reference picture")
    picture = np.asarray(cv2.resize(read_still(request.image), request.size), np.uint8)
    return (picture for _ in range(request.num_frames))


def mean_pose(clips: Sequence[RealClip]) -> Motion3D:
    """The mean pose of real motions, as a motion of one frame: y up, on the skeleton of the first.

    Rotations are averaged as matrices and brought back to the nearest rotation; the root stands at its mean
    height above the origin.

    Raises:
        MadanceError: there is no motion.
    """
    from madata.motion import read_motion, with_skeleton, with_up
    from madata.rotations import axis_angle_to_matrix, matrix_to_axis_angle

    if not any(clip.motion for clip in clips):
        raise MadanceError("mean-pose needs real motions in the data set")
    motions = [with_up(read_motion(clip.motion), "y") for clip in clips if clip.motion is not None]
    motions = [with_skeleton(motion, motions[0].skeleton) for motion in motions]
    rows = [np.linspace(0, len(motion.rotation) - 1, _MEAN_POSE_FRAMES).astype(np.intp) for motion in motions]
    turned = np.concatenate([motion.rotation[row] for motion, row in zip(motions, rows, strict=True)])
    heights = np.concatenate([motion.translation[row, 1] for motion, row in zip(motions, rows, strict=True)])
    left, _, right = np.linalg.svd(axis_angle_to_matrix(turned.astype(np.float64)).mean(axis=0))
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    rotation = matrix_to_axis_angle(left @ right)[None].astype(np.float32)
    translation = np.array([[0.0, heights.mean(), 0.0]], np.float32)
    return replace(motions[0], rotation=rotation, translation=translation)


def _truth(request: Request) -> Truth:
    if request.truth is None:
        raise MadanceError("this sanity row needs the real clips; run it on a data set that has them")
    return request.truth


def _own(request: Request) -> RealClip:
    usable = _usable(_truth(request).split, request)
    own = next((clip for clip in usable if clip.clip_id == request.clip_id), None)
    if own is None:
        kind = "motion" if request.task == "motion" else "video"
        raise MediaError(f"the data set has no real {kind} of {request.clip_id}", reason="missing")
    return own


def _usable(clips: Sequence[RealClip], request: Request) -> list[RealClip]:
    """Real clips of which there is what the task makes."""
    return [clip for clip in clips if (clip.motion if request.task == "motion" else clip.video) is not None]


def _dealt(clips: Sequence[RealClip], seed: int) -> list[RealClip]:
    """The clips in an order of their own, the same whatever part of them is made."""
    return sorted(clips, key=lambda clip: hashlib.sha256(f"{seed}/{clip.clip_id}".encode()).digest())


def _shape(clip: RealClip, request: Request) -> int | None:
    """Which clips are cut and scaled alike: width to height, to 2 %; motions have no picture."""
    if request.task == "motion" or clip.size is None:
        return None
    return round(50 * math.log(clip.size[0] / clip.size[1]))


def _exchanged(clips: Sequence[RealClip]) -> dict[str, RealClip]:
    """Clip id -> the clip whose dance it gets: of another source, each given once.

    Clips of equal length exchange among themselves; those that cannot, with the next longer ones. Where most clips are
    of one source, the others' dances are given more than once.
    """
    by_length = sorted(clips, key=lambda clip: round(clip.duration_s, 3))
    blocks: list[list[RealClip]] = []
    waiting: list[RealClip] = []
    for _, equal in itertools.groupby(by_length, key=lambda clip: round(clip.duration_s, 3)):
        waiting += equal
        if _most_of_a_source(waiting) * 2 <= len(waiting):
            blocks, waiting = [*blocks, waiting], []
    while waiting and blocks and _most_of_a_source(waiting) * 2 > len(waiting):
        waiting = blocks.pop() + waiting
    given: dict[str, RealClip] = {}
    for block in [*blocks, *([waiting] if waiting else [])]:
        together = [clip for name in dict.fromkeys(one.source_id for one in block)
                    for clip in block if clip.source_id == name]  # fmt: skip
        step = _most_of_a_source(block)
        for place, clip in enumerate(together):
            other = together[(place + step) % len(together)]
            if other.source_id == clip.source_id:  # more than half are of this source
                rest = [each for each in together if each.source_id != clip.source_id]
                other = rest[place % len(rest)]
            given[clip.clip_id] = other
    return given


def _most_of_a_source(clips: Sequence[RealClip]) -> int:
    return max(Counter(clip.source_id for clip in clips).values())


def _long_enough(clips: Sequence[RealClip], request: Request) -> RealClip:
    """The first clip as long as the request, else the longest; it is then played forth and back."""
    slack = 1 / request.fps
    longest = max(clips, key=lambda clip: clip.duration_s)
    return next((clip for clip in clips if clip.duration_s + slack >= request.duration_s), longest)


def _perform(clip: RealClip, request: Request) -> Output:
    if request.task == "motion" or clip.video is None:
        return _danced(clip, request)
    return real_frames(clip.video, request)


def _danced(clip: RealClip, request: Request) -> Motion3D:
    from madata.motion import read_motion, resample

    if clip.motion is None:
        raise MediaError(f"the data set has no real motion of {clip.clip_id}", reason="missing")
    motion = read_motion(clip.motion)
    seconds = len(motion.rotation) / motion.fps
    if seconds + 1 / motion.fps >= request.duration_s:
        return fit_motion(motion, request.fps, request.num_frames)
    motion = resample(motion, request.fps)
    rows = _forth_and_back(len(motion.rotation), request.num_frames)
    return replace(motion, rotation=motion.rotation[rows], translation=motion.translation[rows])


def _forth_and_back(length: int, count: int) -> npt.NDArray[np.intp]:
    """``count`` rows 0, 1, .., length - 1, length - 2, .., 0, 1, ..."""
    period = max(2 * (length - 1), 1)
    step = np.arange(count) % period
    return np.asarray(np.where(step < length, step, period - step), np.intp)


def _fits(path: Path, request: Request) -> bool:
    """Whether a file is what was asked already."""
    from madata.video import probe

    info = probe(path)
    rate = abs(info.fps / request.fps - 1) < 1e-3
    return rate and info.size == request.size and info.num_frames == request.num_frames


def real_frames(path: Path, request: Request) -> Iterator[Image]:
    """Frames of a real video at the rate, length and size of the request: (H, W, 3) RGB.

    Frame k is the one shown at k / fps. The picture covers the size, the overhang is cut off evenly. A video
    that is too short is played forth and back.
    """
    from madata.video import Decoder
    from madata.video.geometry import frame_clip

    wanted = request.num_frames
    shown: list[Image] = []
    with Decoder(path) as decoder:
        framing = frame_clip(decoder.info.size, size=request.size, fit="crop")
        start_s: float | None = None
        for frame in decoder:
            start_s = frame.time_s if start_s is None else start_s
            picture: Image | None = None
            while len(shown) < wanted and start_s + (len(shown) + 0.5) / request.fps < frame.end_s + 1e-6:
                if picture is None:
                    picture = _cut_out(frame, framing.scaled, framing.offset, request.size)
                shown.append(picture)
                yield picture
            if len(shown) == wanted:
                return
    if not shown:
        raise MediaError(f"{path}: no frame can be decoded", reason="unreadable")
    for row in _forth_and_back(len(shown), wanted)[len(shown) :]:
        yield shown[row]


def _cut_out(frame: Any, scaled: tuple[int, int], offset: tuple[int, int], size: tuple[int, int]) -> Image:
    left, top = (max(0, -side) for side in offset)
    picture = frame.scaled(scaled)[top : top + size[1], left : left + size[0]]
    return np.ascontiguousarray(picture)
