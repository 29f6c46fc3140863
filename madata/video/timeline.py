"""When each frame is shown: time stamps made strictly increasing, the nominal rate, and the frames of a clip.

Time is presentation time on the container's own time line; it is never index / fps. ``stamp`` below is an integer
multiple of the stream's time base.

A clip has a constant rate r. Its frame k shows the source frame that is on screen at ``start_s + k / r``. Where the
source itself runs at r its time stamps may be rounded or jitter by less than half a frame; then frame k of the clip
is simply the k-th source frame of the span, so none is doubled and none is lost.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from madata.types import Span
from madata.video.container import time_zero_s
from madata.video.packets import read_packets
from madata.video.probe import declared_rate

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "KeyFrame",
    "Shown",
    "StampRepair",
    "Timeline",
    "as_rate",
    "choose_frames",
    "nominal_rate",
    "read_timeline",
]

TimesArray = npt.NDArray[np.float64]

_MAX_TIED = 8
_MAX_RATE = 240
_JITTER = 0.25
"""Of an interval; spans begin with a frame, so that others are off by twice as much, and still nearest to their own."""
_SEEKABLE = ("mov", "matroska")


class Shown(NamedTuple):
    """When a frame appears and disappears, in stamps; ``own`` is false where the file's own stamp was unusable."""

    start: Fraction
    end: Fraction
    own: bool


class StampRepair:
    """Turns the stamps of frames in presentation order into strictly increasing ones, with a short look-ahead.

    A frame without a stamp, or with one not later than its predecessor's, shares the time up to the next good stamp
    evenly with the frames before it. After ``8`` such frames the clock is taken to have jumped back: the following
    stamps are shifted so that time goes on.
    """

    def __init__(self, usual_gap: Fraction) -> None:
        """Start; ``usual_gap`` (in stamps) is used until two good stamps have been seen."""
        self._gap = usual_gap
        self._shift = Fraction(0)
        self._start: Fraction | None = None
        self._tied: list[int | None] = []

    def push(self, stamp: int | None) -> list[Shown]:
        """Add the next frame's stamp; return the frames whose times are now settled, oldest first."""
        if self._start is None:
            self._start = Fraction(0 if stamp is None else stamp)
            self._tied = [stamp]
            return []
        time = None if stamp is None else stamp + self._shift
        if time is not None and time > self._start:
            if len(self._tied) == 1:
                self._gap = time - self._start
            settled = self._spread((time - self._start) / len(self._tied))
            self._start, self._tied = Fraction(time), [stamp]
            return settled
        self._tied.append(stamp)
        if len(self._tied) <= _MAX_TIED:
            return []
        settled = self._spread(self._gap)[:-1]
        self._start = self._start + self._gap * (len(self._tied) - 1)
        if stamp is not None:
            self._shift = self._start - stamp
        self._tied = [None]
        return settled

    def finish(self, last_duration: int | None = None) -> list[Shown]:
        """Settle what is left; ``last_duration`` is how long the last frame is shown, if the file says so."""
        if self._start is None:
            return []
        gap = Fraction(last_duration) if last_duration and len(self._tied) == 1 else self._gap
        settled = self._spread(gap)
        self._start, self._tied = None, []
        return settled

    def _spread(self, gap: Fraction) -> list[Shown]:
        first = self._start or Fraction(0)
        own = [self._tied[0] is not None] + [False] * (len(self._tied) - 1)
        return [Shown(first + i * gap, first + (i + 1) * gap, good) for i, good in enumerate(own)]


class KeyFrame(NamedTuple):
    """A picture at which decoding can start."""

    time_s: float
    stamp: int
    decode_stamp: int


class Timeline(NamedTuple):
    """What the packets of a video stream say, without decoding any.

    Attributes:
        times_s: (T,) presentation times of the frames, strictly increasing.
        rate: nominal frame rate, see :func:`nominal_rate`.
        tick_s: resolution of the time stamps.
        key_frames: places to start decoding at, in order; empty where seeking cannot be trusted to be exact.
    """

    times_s: TimesArray
    rate: Fraction
    tick_s: float
    key_frames: tuple[KeyFrame, ...]

    def key_before(self, time_s: float) -> KeyFrame | None:
        """The last key frame shown at or before ``time_s``; ``None`` means: start from the beginning."""
        return max((key for key in self.key_frames if key.time_s <= time_s + self.tick_s / 2), default=None)


def read_timeline(container: InputContainer, stream: VideoStream) -> Timeline:
    """Read the packets of ``stream`` to the end."""
    tick = stream.time_base or Fraction(1, 90_000)
    stamps: list[int | None] = []
    decode_stamps: list[int] = []
    keys: list[tuple[int, int]] = []
    for packet in read_packets(container, stream):
        if packet.size == 0 or packet.is_discard:
            continue
        stamps.append(packet.pts)
        if packet.dts is not None:
            decode_stamps.append(packet.dts)
        if packet.is_keyframe and packet.pts is not None and packet.dts is not None:
            keys.append((packet.pts, packet.dts))
    known = [stamp for stamp in stamps if stamp is not None]
    complete = len(known) == len(stamps)
    ordered = sorted(known if complete else decode_stamps)
    rate = declared_rate(stream)
    repair = StampRepair(1 / (rate * tick))
    shown = [item for stamp in ordered for item in repair.push(stamp)] + repair.finish()
    zero_s = time_zero_s(container)
    times_s = np.array([float(item.start * tick - zero_s) for item in shown])
    seekable = complete and len(known) == len(set(known)) and container.format.name.split(",")[0] in _SEEKABLE
    return Timeline(
        times_s,
        nominal_rate(times_s, float(tick), rate),
        float(tick),
        tuple(sorted(KeyFrame(float(pts * tick), pts, dts) for pts, dts in keys)) if seekable else (),
    )


def nominal_rate(times_s: TimesArray, tick_s: float, declared: Fraction) -> Fraction:
    """The constant rate that loses no frame of the source.

    It is the rate of the shortest common interval between frames: a source that holds frames (29.97 with some
    frames shown two or three times as long) has the nominal rate 29.97. Well-known rates are recognised within the
    precision of the time stamps. Where frames lie on no such grid, but none is further than a quarter of the mean
    interval from an even one, their stamps jitter, and the rate is that of the even one.

    Args:
        times_s: (T,) strictly increasing.
        tick_s: resolution of the time stamps.
        declared: what the container says; the answer when there are fewer than three frames.
    """
    if len(times_s) < 3:
        return as_rate(float(declared))
    gaps = np.diff(times_s)
    shortest = float(np.percentile(gaps, 10, method="lower"))
    near = gaps[np.abs(gaps - shortest) <= _slack_s(tick_s, shortest)]
    interval = float(near.mean())
    steps = np.maximum(1, np.round(gaps / interval))
    on_grid = np.abs(gaps - steps * interval) <= _slack_s(tick_s, interval)
    if on_grid.mean() > 0.9:
        interval = float(gaps[on_grid].sum() / steps[on_grid].sum())
    elif (even_s := _even_interval_s(times_s)) is not None:
        interval = even_s
    rate = 1 / interval
    if rate > _MAX_RATE:
        return as_rate(float(declared))
    precision = 2 * tick_s / float(times_s[-1] - times_s[0]) + 1e-6
    if abs(float(declared) - rate) <= precision * rate:
        return as_rate(float(declared))
    return as_rate(rate, min(4e-4, precision))


def _even_interval_s(times_s: TimesArray) -> float | None:
    """The mean interval, if each frame is near where it would lie with even ones."""
    places = np.arange(len(times_s))
    slope, start = np.polyfit(places, times_s, 1)
    off = np.abs(times_s - (start + slope * places)).max()
    return float(slope) if off <= _JITTER * slope else None


def _slack_s(tick_s: float, interval_s: float) -> float:
    """How far a gap may be off: the rounding of two stamps, or a tenth; where a tick is a frame, nothing is rounded."""
    return max(min(1.01 * tick_s, 0.3 * interval_s), 0.1 * interval_s)


def as_rate(fps: float, precision: float = 2e-5) -> Fraction:
    """The whole or NTSC (n * 1000 / 1001) rate within a relative ``precision`` of ``fps``, or ``fps`` itself."""
    for candidate in (Fraction(round(fps)), Fraction(round(fps * 1.001) * 1000, 1001)):
        if candidate > 0 and abs(float(candidate) - fps) <= precision * fps:
            return candidate
    return Fraction(fps).limit_denominator(1001)


def choose_frames(times_s: TimesArray, span: Span, rate: Fraction, tick_s: float) -> TimesArray:
    """When to look at the source for each frame of a clip.

    Args:
        times_s: (T,) times at which the source's frames appear.
        span: the source span; ``start_s`` and ``end_s`` count.
        rate: frame rate of the clip.
        tick_s: resolution of the time stamps.

    Returns:
        (K,) times: frame k of the clip is the last source frame that has appeared at ``times[k]``.
    """
    shortest = float(np.diff(times_s).min()) if len(times_s) > 1 else span.duration_s
    tolerance = min(1.01 * tick_s, 0.1 * shortest)
    step = float(1 / rate)
    # half a frame too many is left out, whichever way the last bits of the times fall
    count = max(1, ceil(span.duration_s / step - 0.5 - 1e-6))
    grid: TimesArray = span.start_s + np.arange(count, dtype=np.float64) * step
    inside = times_s[(times_s >= span.start_s - tolerance) & (times_s < span.end_s - tolerance)]
    if len(inside) == count and np.abs(inside - grid).max() < step / 2:
        return inside + tolerance / 2
    return grid + tolerance
