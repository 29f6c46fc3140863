"""How a long video is made from segments of fixed length, and which pixels of a segment are known beforehand.

A clip of T control frames is cut into segments of L frames (L = 4 n + 1) that overlap by R frames, 1 or 5. The
frames of a segment that overlap are not new: they are what the segment before ended with, and condition this one.
To fill the last segment the control frames are mirrored: 0 1 2 3 2 1 0 1 ...; what comes out beyond T is cut off.

The mask tells the network what is known. The Wan VAE makes one latent frame of the first video frame and one of each
further four, so a mask over 4 n + 1 video frames is folded into 4 channels of n + 1 latent frames, with the first
frame counted four times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError
from madata.types import FloatArray

__all__ = ["OVERLAPS", "Segment", "SegmentPlan", "conditioning_mask", "mirrored_indices", "plan_segments"]

OVERLAPS = (1, 5)
_FOLD = 4


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` (inclusive) to ``end`` (exclusive) of the mirrored clip, made in one go.

    Attributes:
        index: 0 for the first.
        start, end: frames of the mirrored clip.
        known: frames at the start that the segment before has made already.
    """

    index: int
    start: int
    end: int
    known: int

    @property
    def emitted(self) -> int:
        """Frames that are new in this segment."""
        return self.end - self.start - self.known


@dataclass(frozen=True)
class SegmentPlan:
    """The segments of a clip.

    Attributes:
        num_frames: T, control frames given and video frames wanted.
        segment_frames: L.
        overlap: R.
        segments: in order of time.
    """

    num_frames: int
    segment_frames: int
    overlap: int
    segments: tuple[Segment, ...]

    @property
    def target_frames(self) -> int:
        """Frames the segments make together, at least ``num_frames``."""
        return self.segments[-1].end

    def control_frames(self, segment: Segment) -> npt.NDArray[np.int64]:
        """(L,) which given control frame drives each frame of ``segment``."""
        return mirrored_indices(self.num_frames, segment.end)[segment.start :]

    def kept(self, segment: Segment) -> int:
        """How many of the new frames of ``segment`` belong to the clip; the rest is mirrored filling."""
        first = segment.start + segment.known
        return min(segment.end, self.num_frames) - first


def plan_segments(num_frames: int, segment_frames: int = 77, overlap: int = 1) -> SegmentPlan:
    """Cut a clip of ``num_frames`` control frames into segments.

    Raises:
        ConfigError: the numbers cannot make a plan; a clip needs at least ``overlap + 1`` frames.
    """
    if overlap not in OVERLAPS:
        raise ConfigError(f"segments overlap by 1 or 5 frames, not {overlap}")
    if segment_frames % _FOLD != 1 or segment_frames <= overlap:
        lower = (segment_frames - 1) // _FOLD * _FOLD + 1
        raise ConfigError(
            f"a segment has 4 n + 1 frames and more than its overlap of {overlap}, not {segment_frames}; "
            f"the nearest lengths are {max(lower, overlap + _FOLD)} and {max(lower + _FOLD, overlap + 2 * _FOLD)}"
        )
    if num_frames <= overlap:
        raise ConfigError(
            f"too few control frames ({num_frames}): with an overlap of {overlap} a video takes at least {overlap + 1}"
        )
    stride = segment_frames - overlap
    count = -(-(num_frames - overlap) // stride)
    segments = tuple(
        Segment(index, index * stride, index * stride + segment_frames, overlap if index else 0)
        for index in range(count)
    )
    return SegmentPlan(num_frames, segment_frames, overlap, segments)


def mirrored_indices(num_frames: int, target_frames: int) -> npt.NDArray[np.int64]:
    """(target_frames,) indices that walk 0 .. T-1 .. 0 .. T-1, each end visited once per turn."""
    period = max(2 * (num_frames - 1), 1)
    phase = np.arange(target_frames, dtype=np.int64) % period
    return np.minimum(phase, period - phase) if num_frames > 1 else phase


def conditioning_mask(
    latent_frames: int, height: int, width: int, known: int, keep: FloatArray | None = None
) -> FloatArray:
    """What is known of a segment, (4, latent_frames, height, width): 1 known, 0 to be made.

    Args:
        latent_frames: n + 1 for 4 n + 1 video frames.
        height, width: of the latents.
        known: video frames at the start that are known everywhere.
        keep: (4 n + 1, height, width), pixels known beside them (replacement of a person keeps the background).

    Raises:
        ValueError: ``keep`` has another shape.
    """
    frames = _FOLD * (latent_frames - 1) + 1
    if keep is not None and keep.shape != (frames, height, width):
        raise ValueError(f"keep: expected {(frames, height, width)}, got {keep.shape}")
    video = np.zeros((frames, height, width), np.float32) if keep is None else keep.astype(np.float32)
    video[:known] = 1
    folded = np.concatenate([np.repeat(video[:1], _FOLD, axis=0), video[1:]])
    return np.ascontiguousarray(folded.reshape(latent_frames, _FOLD, height, width).swapaxes(0, 1))
