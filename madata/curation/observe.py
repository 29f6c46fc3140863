"""The one pass over a source: every filter eats from the same decode.

Each frame gives a thumbnail for the shots; on a stated subsample it also gives a small grey picture for the flow and
an RGB picture for the people. The pictures wait until the shots are known, and are looked at only in a piece of a
shot that is long enough: flow first, people only where something moves. A shot is judged in pieces of at most
``shots.max_s``, so that no more pictures wait than of one piece, however long the source is.

Frames are counted in presentation order; a span is [start, end).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madata.bars import SAMPLES_PER_S, Bars, Profile, find_bars
from madata.curation.settings import CurationConfig
from madata.flow import working_size
from madata.shots import THUMBNAIL_SIZE, BoundaryStream, Shot, ShotDetector, Transition
from madata.types import Span

if TYPE_CHECKING:
    from madata.video import Frame
    from madata.video.geometry import Orientation

_DARK_DEVIATION = 4.0
"""Grey levels; in a thumbnail that deviates less from its mean nobody can be seen."""

__all__ = ["Sample", "ShotSpan", "SourceObserver", "Stretch", "people_size"]


@dataclass(frozen=True)
class Sample:
    """A picture of the subsample: RGB (H, W, 3) or grey (H, W)."""

    index: int
    time_s: float
    image: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShotSpan:
    """A shot and what it begins with.

    Attributes:
        begins_with: ``"start"``, ``"cut"``, ``"gradual"``, ``"jump"`` (:mod:`madata.shots.jump`), ``"wipe"``
            (:mod:`madata.shots.sweep`), ``"whip"`` (:mod:`madata.shots.whip`) or ``"geometry"`` (another size, shape or
            rotation of the picture).
        single, many_hot: the boundary's highest probabilities; ``None`` at the start of the source.
        value: what was measured of a jump, a wipe or a whip.
    """

    span: Span
    begins_with: str
    single: float | None
    many_hot: float | None
    value: float | None = None


@dataclass(frozen=True)
class Stretch:
    """A whole stretch of one shot with its pictures, ready to be judged.

    Attributes:
        size: (width, height) px of the shown picture.
        frame_times_s: (n + 1,) float64, when each of its n frames appears and when the last one disappears.
        changes: (n,) how much each frame differs from the one before: grey levels, the largest difference of its
            thumbnail.
        bars: where the picture lies inside its bars.
        grey, pictures: the samples inside it, without bars.
    """

    span: Span
    size: tuple[int, int]
    frame_times_s: npt.NDArray[np.float64]
    changes: npt.NDArray[np.uint8]
    bars: Bars
    grey: tuple[Sample, ...]
    pictures: tuple[Sample, ...]


class _Rate:
    """Picks frames at an even rate by their times."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._slot: int | None = None

    def due(self, time_s: float) -> bool:
        return self._slot_of(time_s) != self._slot

    def take(self, time_s: float) -> None:
        self._slot = self._slot_of(time_s)

    def _slot_of(self, time_s: float) -> int:
        return int(np.floor(time_s * self._per_s + 1e-6))


class SourceObserver:
    """Takes the frames of one source in order and calls ``judge`` for every stretch of every shot.

    Args:
        stream: the boundary probabilities, e.g. ``load_transnet().stream()``.
        judge: called with each stretch in order.
    """

    def __init__(
        self, config: CurationConfig, stream: BoundaryStream, judge: Callable[[Stretch], None]
    ) -> None:
        self._config = config
        self._judge = judge
        self._shots = ShotDetector(
            stream,
            cut_threshold=config.shots.cut_threshold,
            transition_threshold=config.shots.transition_threshold,
            jump_above=config.shots.jump_above,
            sweep_below=config.shots.sweep_below,
            whip_above=config.shots.whip_above,
        )
        self._grey_rate = _Rate(config.motion.pairs_per_s)
        self._picture_rate = _Rate(config.people.samples_per_s)
        self._profile_rate = _Rate(SAMPLES_PER_S)
        self._profiles: list[Profile] = []
        self._grey: list[Sample] = []
        self._pictures: list[Sample] = []
        self._times_s: list[float] = []
        self._changes: list[int] = []
        self._sizes: list[tuple[int, tuple[int, int]]] = []
        self._geometry: tuple[tuple[int, int], Orientation] | None = None
        self._thumbnail: npt.NDArray[np.uint8] | None = None
        self._end_s = 0.0
        self._damaged: set[int] = set()
        self._piece_start = 0
        self._seen = 0
        self._in_shot = False
        self.shots: list[ShotSpan] = []
        self.transitions: list[Span] = []

    def feed(self, frame: Frame) -> None:
        """Take the next frame."""
        self._times_s.append(frame.time_s)
        self._end_s = frame.end_s
        if frame.damaged:
            self._damaged.add(frame.index)
        geometry = (frame.shown_size, frame.orientation)
        begins = None if geometry == self._geometry else "geometry"
        if begins:
            self._geometry = geometry
            self._sizes.append((frame.index, frame.shown_size))
        thumbnail = frame.scaled(THUMBNAIL_SIZE, "rgb24", interpolation="bicubic")
        self._note_change(thumbnail)
        self._sample(frame, seen=float(thumbnail.std()) >= _DARK_DEVIATION)
        self._follow(self._shots.feed(thumbnail, frame.time_s, begins=begins))

    def _note_change(self, thumbnail: npt.NDArray[np.uint8]) -> None:
        last, self._thumbnail = self._thumbnail, thumbnail
        change = 255 if last is None else int(np.abs(thumbnail.astype(np.int16) - last).max())
        self._changes.append(change)

    def _sample(self, frame: Frame, *, seen: bool) -> None:
        size = frame.shown_size
        if self._profile_rate.due(frame.time_s):
            self._profile_rate.take(frame.time_s)
            self._profiles.append(Profile.of(frame))
        if self._grey_rate.due(frame.time_s):
            self._grey_rate.take(frame.time_s)
            grey_size = working_size(size, self._config.motion.long_side)
            grey = frame.scaled(grey_size, "gray", interpolation="area")
            self._grey.append(Sample(frame.index, frame.time_s, grey))
        # where the light is off nothing is seen of anybody: the next frame that shows something is taken
        if seen and self._picture_rate.due(frame.time_s):
            self._picture_rate.take(frame.time_s)
            picture_size = people_size(size, self._config.people.long_side)
            picture = frame.scaled(picture_size, "rgb24", interpolation="bilinear")
            self._pictures.append(Sample(frame.index, frame.time_s, picture))

    def close(self) -> None:
        """Judge what is left."""
        self._follow(self._shots.close())

    def _follow(self, events: list[Shot | Transition]) -> None:
        for event in events:
            if isinstance(event, Shot):
                self._in_shot = not event.closed
                self._grow(event)
            elif not event.is_cut:
                self.transitions.append(self.span(event.start, event.end))
        self._forget(self._piece_start if self._in_shot else self._shots.decided)

    def _grow(self, shot: Shot) -> None:
        self._piece_start = max(self._piece_start, shot.start)
        self._seen = max(self._seen, shot.start)
        for frame in range(self._seen, shot.end):
            if frame in self._damaged:
                self._finish(frame)
                self._piece_start = frame + 1
        self._seen = shot.end
        limit_s = self._config.shots.max_s
        while (
            self._shown_s(shot.end) - self._shown_s(self._piece_start) >= limit_s + self._config.windows.min_s
        ):
            stop_s = self._shown_s(self._piece_start) + limit_s
            self._finish(int(np.searchsorted(self._times_s, stop_s + 1e-6)))
        if shot.closed:
            self._finish(shot.end)
            self.shots.append(self._described(shot))

    def _finish(self, end: int) -> None:
        start = self._piece_start
        self._piece_start = end
        if end <= start:
            return
        times = np.array([self._shown_s(frame) for frame in range(start, end + 1)])
        profiles = [one for one in self._profiles if start <= one.index < end]
        grey, pictures = (
            [sample for sample in samples if start <= sample.index < end]
            for samples in (self._grey, self._pictures)
        )
        size = next(size for first, size in reversed(self._sizes) if first <= start)
        changes = np.array(self._changes[start:end], np.uint8)
        bars = find_bars(size, profiles, [sample.image for sample in grey])
        motion, people = self._config.motion.long_side, self._config.people.long_side
        self._judge(
            Stretch(
                self.span(start, end),
                size,
                times,
                changes,
                bars,
                _without_bars(grey, bars, size, working_size(bars.picture.size, motion)),
                _without_bars(pictures, bars, size, people_size(bars.picture.size, people)),
            )
        )
        self._forget(end)

    def _forget(self, index: int) -> None:
        self._profiles = [one for one in self._profiles if one.index >= index]
        self._grey = [sample for sample in self._grey if sample.index >= index]
        self._pictures = [sample for sample in self._pictures if sample.index >= index]

    def _shown_s(self, frame: int) -> float:
        return self._times_s[frame] if frame < len(self._times_s) else self._end_s

    def span(self, start: int, end: int) -> Span:
        """The span of frames [start, end) that have been fed."""
        return Span(start, end, self._shown_s(start), self._shown_s(end))

    def _described(self, shot: Shot) -> ShotSpan:
        span, before = self.span(shot.start, shot.end), shot.before
        if before is None:
            return ShotSpan(span, "start", None, None)
        begins_with, value = "cut" if before.is_cut else "gradual", None
        known = self._shots.begins_with(shot.start)
        if known is not None and (
            known[0] in ("wipe", "whip") or before.single <= self._config.shots.cut_threshold
        ):
            begins_with, value = known
        return ShotSpan(span, begins_with, before.single, before.many_hot, value)


def _without_bars(
    samples: list[Sample], bars: Bars, shown: tuple[int, int], size: tuple[int, int]
) -> tuple[Sample, ...]:
    """What the samples of a shown picture hold between its bars, at the size of a picture that has none."""
    import cv2

    picture = bars.picture
    if picture.size == shown:
        return tuple(samples)
    found = []
    for sample in samples:
        height, width = sample.image.shape[:2]
        across, down = width / shown[0], height / shown[1]
        part = sample.image[
            round(picture.top * down) : round((picture.top + picture.height) * down),
            round(picture.left * across) : round((picture.left + picture.width) * across),
        ]
        image = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        found.append(replace(sample, image=image))
    return tuple(found)


def people_size(shown: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(width, height) px of the pictures people are looked for in.

    Small ones are enlarged: in them the networks take one body for two.
    """
    scale = long_side / max(shown)
    return max(2, round(shown[0] * scale)), max(2, round(shown[1] * scale))
