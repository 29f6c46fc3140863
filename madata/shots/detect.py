"""Shots from one pass over a source: thumbnails in, shots and transitions out, memory flat."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from madata.shots.jump import JUMP_ABOVE, JumpMeter
from madata.shots.segment import Shot, ShotSegmenter, Transition
from madata.types import FloatArray

__all__ = ["THUMBNAIL_SIZE", "BoundaryStream", "ShotDetector"]

THUMBNAIL_SIZE = (48, 27)
"""(width, height) px of a thumbnail: RGB, scaled bicubically, which is how TransNet V2 was trained."""


class BoundaryStream(Protocol):
    """Gives two boundary probabilities for every frame, in order, some frames late."""

    def feed(self, frame: npt.NDArray[np.uint8], /) -> tuple[FloatArray, FloatArray]:
        """Take a thumbnail; give (single, many_hot) of the frames it decides, perhaps none."""

    def close(self) -> tuple[FloatArray, FloatArray]:
        """Give the probabilities of all frames left."""


class ShotDetector:
    """Feeds a boundary stream, a :class:`JumpMeter` and a :class:`ShotSegmenter`.

    Args:
        stream: ``load_transnet().stream()``, or anything that answers like it.
        cut_threshold: of the single-frame head.
        transition_threshold: of the many-hot head.
        jump_above: a frame that more of a jump leads to begins a shot, see :mod:`madata.shots.jump`.
    """

    def __init__(
        self,
        stream: BoundaryStream,
        *,
        cut_threshold: float = 0.5,
        transition_threshold: float = 0.5,
        jump_above: float = JUMP_ABOVE,
    ) -> None:
        self._stream = stream
        self._segmenter = ShotSegmenter(
            cut_threshold=cut_threshold, transition_threshold=transition_threshold
        )
        self._meter = JumpMeter()
        self._jump_above = jump_above
        self._waiting: list[npt.NDArray[np.uint8]] = []
        self._single = self._many_hot = np.zeros(0, np.float32)
        self._jumps: list[float] = []
        self._fed = self._pushed = 0
        self._begins: dict[int, str] = {}

    @property
    def decided(self) -> int:
        """Number of frames known to be in a shot or in a transition; at most 140 less than were fed."""
        return self._segmenter.decided

    def begins_with(self, frame: int) -> str | None:
        """What else than TransNet V2 says that a shot begins at a frame: ``"jump"``, or what :meth:`feed` was told."""
        return self._begins.get(frame)

    def feed(
        self, thumbnail: npt.NDArray[np.uint8], time_s: float, *, begins: str | None = None
    ) -> list[Shot | Transition]:
        """Take the next thumbnail (27, 48, 3); give what it decides, as :meth:`ShotSegmenter.push`.

        Args:
            thumbnail: (27, 48, 3) RGB.
            time_s: its presentation time.
            begins: a shot begins here whatever the picture shows, and why.
        """
        if begins is not None and self._fed:
            self._begins[self._fed] = begins
        self._fed += 1
        self._waiting.append(thumbnail)
        self._take(*self._stream.feed(thumbnail), self._meter.feed(thumbnail, time_s))
        # whether a cut follows a frame is known with the jump to the next one
        return self._push(min(len(self._single), len(self._jumps) - 1))

    def close(self) -> list[Shot | Transition]:
        """Decide all frames left; the last shot comes closed."""
        self._take(*self._stream.close(), self._meter.close())
        return self._push(len(self._single)) + self._segmenter.close()

    def _take(self, single: FloatArray, many_hot: FloatArray, jumps: list[float]) -> None:
        self._jumps += jumps
        if len(single):
            self._single = np.concatenate([self._single, single])
            self._many_hot = np.concatenate([self._many_hot, many_hot])

    def _push(self, count: int) -> list[Shot | Transition]:
        if count <= 0:
            return []
        cuts = np.zeros(count, bool)
        for place in range(count):
            following = self._pushed + place + 1
            jump = self._jumps[place + 1] if place + 1 < len(self._jumps) else 0.0
            if jump >= self._jump_above:
                self._begins.setdefault(following, "jump")
            cuts[place] = following in self._begins
        events = self._segmenter.push(
            np.stack(self._waiting[:count]), self._single[:count], self._many_hot[:count], cuts
        )
        self._pushed += count
        del self._waiting[:count], self._jumps[:count]
        self._single, self._many_hot = self._single[count:], self._many_hot[count:]
        return events
