"""5-10 s windows with random offsets in a shot, at source frames.

The paper cuts "5-10 s clips with a sliding window and random offsets" and gives no law of lengths. Its
counts imply the means: 28 h / 20k clips = 5.04 s for the rendered part, 88 h / 50k = 6.34 s for the wild
one; uniform(5, 10) would give 7.5 s. So the law is a parameter. Knowing its support and its mean only, the
one that assumes nothing else (the maximum of entropy) is the truncated exponential, density ~ exp(-rate
(length - min)) on [min, max]; rate 0 is the uniform law, and 6.34 s on [5, 10] gives a rate of 0.65 per s.

Windows are laid from the start of the shot, one behind the other, each length drawn from the law restricted
to what is left, until less than the shortest window is left. That rest is then shared out at random before,
between and behind them. Their ends are shown times of source frames, so that a cut is exact, and no length
leaves [min_s, max_s].
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from madata.types import Span

__all__ = ["LengthLaw", "WindowSummary", "draw_windows", "summary", "window_seed"]

_TimeArray = npt.NDArray[np.float64]

_TOLERANCE_S = 1e-6
"""Frame times are sums of ticks; the difference of two is exact to far less than this."""
_HALVINGS = 60
"""Of the interval that a law's rate lies in: what is left of it is beyond the digits of a float."""


@dataclass(frozen=True)
class LengthLaw:
    """Truncated exponential law of window lengths on [min_s, max_s]; ``rate_per_s`` 0 is uniform."""

    min_s: float
    max_s: float
    rate_per_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s:
            raise ValueError(f"expected 0 < min_s <= max_s, got {self.min_s} and {self.max_s}")

    @classmethod
    def uniform(cls, min_s: float = 5.0, max_s: float = 10.0) -> Self:
        """All lengths equally likely."""
        return cls(min_s, max_s)

    @classmethod
    def fixed(cls, length_s: float = 5.0) -> Self:
        """One length."""
        return cls(length_s, length_s)

    @classmethod
    def with_mean(cls, mean_s: float, min_s: float = 5.0, max_s: float = 10.0) -> Self:
        """The law of largest entropy on [min_s, max_s] that has this mean.

        Raises:
            ValueError: the mean is not inside the interval.
        """
        if not min_s < mean_s < max_s:
            raise ValueError(f"expected a mean between {min_s} and {max_s} s, got {mean_s}")
        steepest = 1 / min(mean_s - min_s, max_s - mean_s)
        lowest, highest = -steepest, steepest
        # scipy.optimize takes longer to import than all windows of a crawl to draw
        for _ in range(_HALVINGS):
            rate = (lowest + highest) / 2
            if cls(min_s, max_s, rate).mean_s > mean_s:
                lowest = rate
            else:
                highest = rate
        return cls(min_s, max_s, (lowest + highest) / 2)

    @property
    def mean_s(self) -> float:
        """Mean length."""
        width = self.max_s - self.min_s
        slope = self.rate_per_s * width
        if abs(slope) < 1e-4:
            return self.min_s + width * (0.5 - slope / 12)
        if slope < 0:
            return self.max_s - (LengthLaw(self.min_s, self.max_s, -self.rate_per_s).mean_s - self.min_s)
        return self.min_s + width * (1 / slope + math.exp(-slope) / math.expm1(-slope))

    def length_s(self, chance: float, longest_s: float = math.inf) -> float:
        """The length below which the law, restricted to [min_s, longest_s], puts this share (0..1)."""
        width = min(self.max_s, longest_s) - self.min_s
        slope = abs(self.rate_per_s * width)
        if slope < 1e-9:
            return self.min_s + chance * width
        rising = self.rate_per_s < 0
        below = 1 - chance if rising else chance
        density = max(1 - below + below * math.exp(-slope), math.ulp(0.0))
        distance = min(width, -width / slope * math.log(density))
        return self.min_s + (width - distance if rising else distance)


def window_seed(seed: int, source_id: str, start: int) -> int:
    """The seed of one shot's windows: a function of run seed, source and the shot's first frame alone."""
    digest = hashlib.sha256(f"{seed}\0{source_id}\0{start}".encode()).digest()
    return int.from_bytes(digest[:16], "big")


def draw_windows(
    frame_times_s: npt.ArrayLike,
    *,
    law: LengthLaw,
    seed: int,
    overlap: float = 0.0,
    min_s: float = 5.0,
    max_s: float = 10.0,
    first_frame: int = 0,
) -> list[Span]:
    """Draw the windows of one shot.

    Args: frame_times_s: (n + 1,) times at which its n frames are shown, and the time at which the last one
        disappears. law: of the lengths, within [min_s, max_s]. seed: see :func:`window_seed`. overlap:
        share of each window that the next one may show again, 0..1. min_s, max_s: no window is shorter or
        longer, whatever the frame times. first_frame: index of the shot's first frame in its source.

    Returns:
        Windows in order of time, none when the shot is too short.

    Raises:
        ValueError: times do not increase, the law leaves the bounds, or ``overlap`` is not in [0, 1).
    """
    times = np.asarray(frame_times_s, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.diff(times) > 0):
        raise ValueError("expected frame times (n + 1,) that increase")
    if not (min_s <= law.min_s and law.max_s <= max_s):
        raise ValueError(f"the law gives {law.min_s} to {law.max_s} s, the bounds are {min_s} and {max_s} s")
    if not 0 <= overlap < 1:
        raise ValueError(f"expected an overlap in [0, 1), got {overlap}")
    rng = np.random.default_rng(seed)
    layout = _Layout(times, min_s, max_s, overlap)
    packed, lengths_s = layout.pack(law, rng)
    if not packed:
        return []
    rest = len(times) - 1 - packed[-1][1]
    cuts = np.sort(np.floor(rng.random(len(packed)) * (rest + 1)).astype(int))
    gaps = np.diff(np.concatenate([[0], cuts]))
    windows = layout.spread(lengths_s, gaps.tolist()) or packed
    return [
        Span(first_frame + start, first_frame + end, float(times[start]), float(times[end]))
        for start, end in windows
    ]


@dataclass(frozen=True)
class WindowSummary:
    """Count, total and law of a set of lengths.

    Attributes:
        histogram: (lower edge in s, count) of every bin from the shortest length to the longest.
    """

    count: int
    hours: float
    mean_s: float | None
    histogram: tuple[tuple[float, int], ...]


def summary(lengths_s: Sequence[float], *, bin_s: float = 0.5) -> WindowSummary:
    """Summarize window lengths."""
    if not len(lengths_s):
        return WindowSummary(0, 0.0, None, ())
    bins = np.floor((np.asarray(lengths_s, dtype=np.float64) + _TOLERANCE_S) / bin_s).astype(int)
    counts = np.bincount(bins - bins.min())
    histogram = tuple((float((bins.min() + i) * bin_s), int(count)) for i, count in enumerate(counts))
    total_s = math.fsum(lengths_s)
    return WindowSummary(len(lengths_s), total_s / 3600, total_s / len(lengths_s), histogram)


@dataclass(frozen=True)
class _Layout:
    """Places windows on the frames of a shot; windows are (start, end) frame indices."""

    times: _TimeArray
    min_s: float
    max_s: float
    overlap: float

    def pack(self, law: LengthLaw, rng: np.random.Generator) -> tuple[list[tuple[int, int]], list[float]]:
        """Windows from the start on without gaps, and the length drawn for each."""
        windows: list[tuple[int, int]] = []
        lengths_s: list[float] = []
        start = 0
        while (left_s := self.times[-1] - self.times[start] + _TOLERANCE_S) >= law.min_s:
            length_s = law.length_s(rng.random(), longest_s=left_s)
            end = self.end(start, length_s)
            if end is None:
                start += 1
                continue
            windows.append((start, end))
            lengths_s.append(length_s)
            start = self.next_start(start, end)
        return windows, lengths_s

    def spread(self, lengths_s: list[float], gaps: list[int]) -> list[tuple[int, int]] | None:
        """The same lengths, ``gaps`` frames apart; ``None`` where uneven times do not permit it."""
        windows: list[tuple[int, int]] = []
        start = 0
        for length_s, gap in zip(lengths_s, gaps, strict=True):
            start += gap
            end = self.end(start, length_s) if start < len(self.times) else None
            if end is None:
                return None
            windows.append((start, end))
            start = self.next_start(start, end)
        return windows

    def end(self, start: int, length_s: float) -> int | None:
        """The end that comes nearest to a length without leaving the bounds; ``None`` when there is none."""
        begins_s = self.times[start]
        lowest = int(np.searchsorted(self.times, begins_s + self.min_s - _TOLERANCE_S))
        highest = int(np.searchsorted(self.times, begins_s + self.max_s + _TOLERANCE_S, side="right")) - 1
        if lowest > highest:
            return None
        above = int(np.searchsorted(self.times, begins_s + length_s))
        above = min(above, len(self.times) - 1)
        below_s, above_s = self.times[[above - 1, above]] - begins_s
        nearest = above - int(length_s - below_s < above_s - length_s)
        return min(max(nearest, lowest), highest)

    def next_start(self, start: int, end: int) -> int:
        """The first frame at which the window behind [start, end) may begin."""
        length_s = self.times[end] - self.times[start]
        begins_s = self.times[start] + (1 - self.overlap) * length_s
        return max(start + 1, int(np.searchsorted(self.times, begins_s - _TOLERANCE_S)))
