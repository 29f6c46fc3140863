"""A stretch of one shot and what was measured in it: all that a filter sees.

Measurements are made when a filter first asks for them, once for the whole stretch, and serve every window in it.
Legend: S samples, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from madata.bars import Bars
from madata.curation.sound import SoundLevels
from madata.flow import Box, FlowSample, MotionSummary, summarize
from madata.types import FloatArray, Span

__all__ = ["Evidence", "Performer", "Piece"]


@dataclass(frozen=True)
class Performer:
    """The performer, and how many there are, at the samples of a stretch.

    Attributes:
        frames: (S,) frame of each sample; times_s: (S,) its presentation time.
        counts: (S,) performers present.
        seen: (S,) whether the performer is seen well enough.
        boxes: (S, 4) his box in fractions of the picture, NaN where there is none.
        xy, score: (S, J, 2) px of a picture of ``size`` and (S, J); NaN and 0 where he is not found.
        size: (width, height) px of the pictures looked at.
        backend: identity of the pose backend.
    """

    frames: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    seen: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.float64]
    xy: FloatArray
    score: FloatArray
    size: tuple[int, int]
    skeleton: str
    backend: dict[str, Any]

    def within(self, span: Span) -> Performer:
        """The samples of a span."""
        rows = (self.frames >= span.start) & (self.frames < span.end)
        return replace(
            self,
            frames=self.frames[rows],
            times_s=self.times_s[rows],
            counts=self.counts[rows],
            seen=self.seen[rows],
            boxes=self.boxes[rows],
            xy=self.xy[rows],
            score=self.score[rows],
        )

    def known_boxes(self) -> list[tuple[float, Box]]:
        """(time, box) wherever there is one of some extent."""
        found: list[tuple[float, Box]] = []
        for time_s, box in zip(self.times_s.tolist(), np.clip(self.boxes, 0.0, 1.0).tolist(), strict=True):
            left, top, right, bottom = box
            if np.isfinite(left) and left < right and top < bottom:
                found.append((time_s, (left, top, right, bottom)))
        return found


class Evidence(Protocol):
    """What was measured in a stretch; :mod:`madata.curation.look` makes it from pictures and sound."""

    @property
    def flow(self) -> Sequence[FlowSample]:
        """Motion, pair by pair."""

    @property
    def performer(self) -> Performer:
        """The people."""

    @property
    def people_known(self) -> bool:
        """Whether people have been looked for."""

    @property
    def sound(self) -> SoundLevels | None:
        """The sound; ``None`` where the source has no track."""


@dataclass(frozen=True)
class Piece:
    """Frames [start, end) of one shot.

    Attributes:
        size: (width, height) px of the picture as shown.
        frame_times_s: (n + 1,) when each of its n frames appears and when the last one disappears.
        changes: (n,) how much each frame differs from the one before: grey levels, the largest difference of its
            thumbnail.
        evidence: what was measured, perhaps in a longer stretch that this is a part of.
        bars: where the picture lies inside its bars; people and motion are measured there.
        is_window: it is a window, not a whole stretch.
    """

    size: tuple[int, int]
    span: Span
    frame_times_s: npt.NDArray[np.float64]
    changes: npt.NDArray[np.uint8]
    bars: Bars
    evidence: Evidence
    is_window: bool = False

    def part(self, span: Span, *, is_window: bool = False) -> Piece:
        """A part of it, with the same evidence."""
        first, last = span.start - self.span.start, span.end - self.span.start
        times, changes = self.frame_times_s[first : last + 1], self.changes[first:last]
        return Piece(self.size, span, times, changes, self.bars, self.evidence, is_window)

    def span_of(self, start: int, end: int) -> Span:
        """Frames [start, end) of the source, which must lie in the piece, with their times."""
        times = self.frame_times_s
        return Span(start, end, float(times[start - self.span.start]), float(times[end - self.span.start]))

    @cached_property
    def flow(self) -> list[FlowSample]:
        """Motion between the pairs of pictures that both lie in it."""
        start_s, end_s = self.span.start_s, self.span.end_s
        return [one for one in self.evidence.flow if one.start_s >= start_s and one.end_s < end_s]

    @cached_property
    def people(self) -> Performer:
        """The performer at its samples; the first question looks for people, which costs most of all."""
        return self.evidence.performer.within(self.span)

    @property
    def people_known(self) -> bool:
        """Whether people have been looked for."""
        return self.evidence.people_known

    @cached_property
    def sound(self) -> SoundLevels | None:
        """The sound while it is shown; ``None`` where the source has no track."""
        sound = self.evidence.sound
        return None if sound is None else sound.between(self.span.start_s, self.span.end_s)

    def motion(self, *, boxes: bool) -> MotionSummary:
        """Motion, with ``boxes`` in the performer's box too."""
        known = self.evidence.performer.known_boxes() if boxes else []
        return summarize(self.flow, self.span.start_s, self.span.end_s, boxes=known)
