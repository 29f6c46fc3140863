"""Shots from one pass over a source: thumbnails in, shots and transitions out, memory flat."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from madata.shots.jump import JUMP_ABOVE, JumpMeter, grey_of
from madata.shots.light import LightMeter
from madata.shots.segment import Shot, ShotSegmenter, Transition
from madata.shots.sweep import RESIDUAL_BELOW, Sweep, SweepMeter
from madata.shots.whip import WHIP_ABOVE, WhipMeter
from madata.types import FloatArray

__all__ = ["THUMBNAIL_SIZE", "BoundaryStream", "ShotDetector"]

_AT_A_TIME = 24
"""Frames; the segmenter labels the last few hundred anew at every call."""
THUMBNAIL_SIZE = (48, 27)
"""(width, height) px of a thumbnail: RGB, scaled bicubically, which is how TransNet V2 was trained."""


class BoundaryStream(Protocol):
    """Gives two boundary probabilities for every frame, in order, some frames late."""

    def feed(self, frame: npt.NDArray[np.uint8], /) -> tuple[FloatArray, FloatArray]:
        """Take a thumbnail; give (single, many_hot) of the frames it decides, perhaps none."""

    def close(self) -> tuple[FloatArray, FloatArray]:
        """Give the probabilities of all frames left."""


class ShotDetector:
    """Feeds a boundary stream, a :class:`ShotSegmenter`, and meters of what the network does not see.

    Args:
        stream: ``load_transnet().stream()``, or anything that answers like it.
        cut_threshold: of the single-frame head.
        transition_threshold: of the many-hot head.
        jump_above: a frame that more of a jump leads to begins a shot, see :mod:`madata.shots.jump`.
        sweep_below: a wipe or push of which less is left is a transition, see :mod:`madata.shots.sweep`.
        whip_above: a whip pan or zoom that is so much faster is a transition, see :mod:`madata.shots.whip`.
    """

    def __init__(
        self,
        stream: BoundaryStream,
        *,
        cut_threshold: float = 0.5,
        transition_threshold: float = 0.5,
        jump_above: float = JUMP_ABOVE,
        sweep_below: float = RESIDUAL_BELOW,
        whip_above: float = WHIP_ABOVE,
    ) -> None:
        self._stream = stream
        self._segmenter = ShotSegmenter(
            cut_threshold=cut_threshold, transition_threshold=transition_threshold
        )
        self._meter = JumpMeter()
        self._jump_above = jump_above
        self._sweeps = SweepMeter(sweep_below)
        self._whips = WhipMeter(whip_above)
        self._light = LightMeter()
        self._transition_threshold = transition_threshold
        self._waiting: list[npt.NDArray[np.uint8]] = []
        self._single = self._many_hot = np.zeros(0, np.float32)
        self._jumps: list[float] = []
        self._fed = self._pushed = 0
        self._begins: dict[int, tuple[str, float | None]] = {}
        self._swept: dict[int, tuple[str, float]] = {}

    @property
    def decided(self) -> int:
        """Number of frames known to be in a shot or in a transition; some hundred less than were fed."""
        return self._segmenter.decided

    def begins_with(self, frame: int) -> tuple[str, float | None] | None:
        """What else than TransNet V2 says that a shot begins at a frame, and the value it has measured.

        ``"jump"``, ``"wipe"``, ``"whip"``, or what :meth:`feed` was told.
        """
        return self._swept.get(frame - 1) or self._begins.get(frame)

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
            self._begins[self._fed] = begins, None
        self._fed += 1
        self._waiting.append(thumbnail)
        grey = grey_of(thumbnail)
        self._sweeps.feed(grey)
        self._whips.feed(grey)
        self._light.feed(thumbnail)
        self._take(*self._stream.feed(thumbnail), self._meter.feed(grey, time_s))
        # whether a cut follows a frame is known with the jump to the next one
        known = min(self._sweeps.decided, self._whips.decided, self._light.decided - 1) - self._pushed
        count = min(len(self._single), len(self._jumps) - 1, known)
        return self._push(count) if count >= _AT_A_TIME else []

    def close(self) -> list[Shot | Transition]:
        """Decide all frames left; the last shot comes closed."""
        self._sweeps.close()
        self._whips.close()
        self._light.close()
        self._take(*self._stream.close(), self._meter.close())
        return self._push(len(self._single)) + self._segmenter.close()

    def _take(self, single: FloatArray, many_hot: FloatArray, jumps: list[float]) -> None:
        self._jumps += jumps
        if len(single):
            self._single = np.concatenate([self._single, single])
            self._many_hot = np.concatenate([self._many_hot, many_hot])

    def _push(self, count: int) -> list[Shot | Transition]:
        # a sweep is held against the network as a whole
        for one in self._sweeps.found:
            if one.end - self._pushed > len(self._single):
                count = min(count, one.start - self._pushed)
        if count <= 0:
            return []
        cuts = np.zeros(count, bool)
        for place in range(count):
            following = self._pushed + place + 1
            jump = self._jumps[place + 1] if place + 1 < len(self._jumps) else 0.0
            if jump >= self._jump_above and not self._light.leads_to(following):
                self._begins.setdefault(following, ("jump", jump))
            cuts[place] = following in self._begins
        events = self._segmenter.push(
            np.stack(self._waiting[:count]),
            self._single[:count],
            self._many_hot[:count],
            cuts,
            self._take_sweeps(count),
            self._light.take(count),
        )
        self._pushed += count
        del self._waiting[:count], self._jumps[:count]
        self._single, self._many_hot = self._single[count:], self._many_hot[count:]
        return events

    def _take_sweeps(self, count: int) -> npt.NDArray[np.bool_]:
        """Which of the next ``count`` frames are inside a sweep or a whip."""
        for one in [one for one in self._sweeps.found if one.start < self._pushed + count]:
            self._sweeps.found.remove(one)
            lit = any(self._light.leads_to(frame) for frame in range(one.start, one.end + 1))
            if not lit and (not one.weak or self._network_agrees(one)):
                self._swept.update(dict.fromkeys(range(one.start, one.end), ("wipe", one.residual)))
        for whip in [whip for whip in self._whips.found if whip.start < self._pushed + count]:
            self._whips.found.remove(whip)
            for frame in range(whip.start, whip.end):
                self._swept.setdefault(frame, ("whip", whip.value))
        return np.array([self._pushed + place in self._swept for place in range(count)])

    def _network_agrees(self, sweep: Sweep) -> bool:
        """Whether the network sees a transition in the middle half of a sweep."""
        first = max(0, sweep.start - self._pushed)
        quarter = (sweep.end - sweep.start) // 4
        middle = self._many_hot[first + quarter : sweep.end - self._pushed - quarter]
        return bool((middle > self._transition_threshold).any())
