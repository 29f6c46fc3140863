"""Which pictures are made when: keyframes over the whole song, then segments that fill the time between them.

The global stage makes one picture for every fourth of L slots (149: 38 pictures), spread over the song; the local
stage makes segments of L frames at 30 fps, with pictures of the global stage at their times.

``time`` puts picture j where it belongs, at frame ``4 j total / L``. Segments share the frame at which they meet, and
take the picture nearest to it at both ends. ``upstream`` is the release's plan: the grid of keyframes starts again in
every segment of its own L frames, so that poses come late (3 s at the end of a one-minute song, 47 s of a hundred
seconds), some pictures are never used, and a last segment shorter than an interval leaves a black keyframe at the end
of the one before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from madata.errors import ConfigError

__all__ = [
    "BLACK",
    "DancePart",
    "KeyframePlan",
    "Pace",
    "chained_parts",
    "global_pace",
    "music_span",
    "pictures_of",
    "plan_parts",
    "upstream_parts",
]

KeyframePlan = Literal["time", "upstream"]

BLACK = -1
"""Source of a keyframe that the release's plan promises and does not have."""

_FPS = 30
_PICTURE_EVERY = 4


@dataclass(frozen=True)
class Pace:
    """How fast the global stage goes through a song.

    Attributes:
        step: frames at 30 fps between two of its L slots.
        fps: of the slots, as the network and its prompt are told it.
    """

    step: int
    fps: float


@dataclass(frozen=True)
class DancePart:
    """One segment of the local stage.

    Attributes:
        index: 0 for the first.
        start: first frame of the video that it shows.
        keep: how many of its frames, from ``first``, go into the video.
        first: frames at its start that the segment before has made already.
        keyframes: slot -> picture of the global stage, or :data:`BLACK`.
    """

    index: int
    start: int
    first: int
    keep: int
    keyframes: dict[int, int]


def global_pace(music_rows: int, slots: int, positions: int) -> Pace:
    """The pace for music of so many rows (30 a second).

    Args:
        slots: L.
        positions: rotary positions that the network has.

    Raises:
        ConfigError: the music is too short for keyframes, or too long for the network.
    """
    step = int(music_rows / slots + 0.5)
    if step < 2:
        raise ConfigError(
            f"the music has {music_rows / _FPS:.1f} s: below {1.5 * slots / _FPS:.1f} s there is nothing between "
            "keyframes; make the video from the picture alone (--set stages=local)"
        )
    longest = positions // pictures_of(slots)
    if step > longest:
        raise ConfigError(
            f"the music has {music_rows / _FPS:.0f} s, and Wan-Dancer knows positions up to "
            f"{(longest + 0.5) * slots / _FPS:.0f} s: cut it (--duration)"
        )
    return Pace(step, round(_FPS / step, 4))


def pictures_of(slots: int) -> int:
    """Pictures of the global stage, one per latent frame of its L slots."""
    return (slots - 1) // _PICTURE_EVERY + 1


def _time_of(picture: int, total: int, slots: int) -> int:
    """The frame of a video of ``total`` frames at which a picture of the global stage belongs."""
    return min(round(_PICTURE_EVERY * picture * total / slots), total - 1)


def plan_parts(total: int, slots: int, plan: KeyframePlan = "time") -> list[DancePart]:
    """The segments of a video of ``total`` frames, with the keyframes of each."""
    if plan == "upstream":
        return upstream_parts(total, slots, pictures_of(slots))
    stride = slots - 1
    count = max(1, math.ceil((total - 1) / stride))
    times = [_time_of(picture, total, slots) for picture in range(pictures_of(slots))]

    def nearest(frame: int) -> int:
        return min(range(len(times)), key=lambda picture: abs(times[picture] - frame))

    parts = []
    for index in range(count):
        start = index * stride
        end = min(start + stride, total - 1)
        edges = {0: nearest(start)}
        if nearest(end) not in edges.values():
            edges[end - start] = nearest(end)
        inner = {
            time - start: picture
            for picture, time in enumerate(times)
            if start < time < end and picture not in edges.values()
        }
        parts.append(_part(index, start, end + 1, inner | edges))
    return parts


def chained_parts(total: int, slots: int) -> list[DancePart]:
    """Segments without keyframes but the first frame: the person's picture, then where the segment before ended."""
    stride = slots - 1
    count = max(1, math.ceil((total - 1) / stride))
    return [_part(i, i * stride, min((i + 1) * stride + 1, total), {0: 0}) for i in range(count)]


def _part(index: int, start: int, end: int, keyframes: dict[int, int]) -> DancePart:
    shared = 1 if index else 0
    return DancePart(index, start, shared, end - start - shared, dict(sorted(keyframes.items())))


def upstream_parts(total: int, slots: int, pictures: int) -> list[DancePart]:
    """The release's plan; each end of a segment is the first frame of the next, which may have none.

    Args:
        pictures: of the global stage, whatever its number of slots was.
    """
    interval = total / pictures
    count = math.ceil(total / slots)
    used = 0
    rows: list[dict[int, int]] = []
    for index in range(count):
        is_last = index == count - 1
        end = total - slots * (count - 1) - 1 if is_last else slots
        places = [math.ceil(interval * c) for c in range(slots + 1) if interval * c < end - interval]
        row: dict[int, int] = {}
        for place in [*places, *([end] if is_last else [])]:
            row[place] = used
            used += 1
        rows.append(row)
    for row, after in pairwise(rows):
        row[slots - 1] = after.get(0, BLACK)
    return [
        DancePart(index, index * slots, 0, min(slots, total - index * slots), dict(sorted(row.items())))
        for index, row in enumerate(rows)
    ]


def music_span(start: int, slots: int, samples: int, rate_hz: int) -> tuple[int, int]:
    """First sample, and the one after the last, of the music under a segment that starts at frame ``start``.

    Example:
        >>> music_span(0, 17, 34_000, 30_000), music_span(34, 17, 33_500, 30_000)
        ((0, 17000), (33500, 33500))
    """
    begin, end = (min(frame * rate_hz // _FPS, samples) for frame in (start, start + slots))
    return begin, end
