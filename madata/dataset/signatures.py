"""What a clip is recognised by when it comes again, re-encoded, cropped, mirrored, re-timed or with other sound.

A dance is known by how its picture moves, not by its place or its dancer: others dance in the same room. Pictures of
48 x 27 px are averaged over tenths of a second; where one differs from the one before by more than noise, something
moves. Nine numbers say where and how much: the logarithm of the sum of the differences, their centre (2), their extent
(2), their tilt, and the shares of three of the four quarters around the centre. As sequences without mean and scale
they do not change with the size of the picture, its brightness or a crop, and a mirror image changes signs.

Whether the sound agrees where pictures do is told by the levels of twelve bands, in dB, in the same tenths of a second;
music that other clips share is known by its fingerprints (:mod:`madata.dataset.songs`).

Legend: T tenths of a second, D columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.dataset.songs import Fingerprints, fingerprints
from madata.types import FloatArray

__all__ = [
    "MIRROR",
    "MOTION_COLUMNS",
    "RATE_HZ",
    "SOUND_BANDS",
    "MotionMeter",
    "Signature",
    "signature_of",
    "sound_levels",
]

RATE_HZ = 10.0
MOTION_COLUMNS = 9
SOUND_BANDS = 12
PICTURE_SIZE = (48, 27)
"""Width and height, px, of the pictures that are looked at: those that shots are found in."""

_NOISE_LEVELS = 2.0
"""Grey levels; differences of averaged pictures below it are grain and coding."""
_LEAST_MOTION = 20.0
"""Sum of the differences, grey levels, from which on their place means something."""
_LOWEST_HZ, _HIGHEST_HZ = 120.0, 3800.0
_SILENCE_DB = -90.0


@dataclass(frozen=True)
class Signature:
    """``motion`` (T, 9), NaN in a row where nothing moves; ``sound`` (T, 12) dB, (0, 12) without sound; ``song``."""

    motion: FloatArray
    sound: FloatArray
    song: Fingerprints = field(default_factory=lambda: np.zeros(0, np.uint32))


class MotionMeter:
    """Takes the pictures of a video in order, and gives the rows of any of its time."""

    def __init__(self) -> None:
        self._slot: int | None = None
        self._sum = np.zeros(PICTURE_SIZE[::-1], np.float32)
        self._count = 0
        self._before: FloatArray | None = None
        self._first = 0
        self._rows: list[FloatArray] = []

    def feed(self, picture: npt.NDArray[np.uint8], time_s: float) -> None:
        """Take a picture of :data:`PICTURE_SIZE`, grey (H, W) or RGB (H, W, 3)."""
        slot = math.floor(time_s * RATE_HZ + 1e-6)
        if self._slot is None:
            self._slot = self._first = slot
        if slot > self._slot:
            self._close(slot)
        grey = picture if picture.ndim == 2 else picture[..., 1]
        self._sum += grey
        self._count += 1

    def _close(self, slot: int) -> None:
        """Finish a tenth; where no picture fell into the next ones, the last one is held."""
        assert self._slot is not None
        mean = (self._sum / self._count).astype(np.float32)
        self._rows.append(_moments(mean, self._before))
        self._before = mean
        still = np.full(MOTION_COLUMNS, np.nan, np.float32)
        self._rows += [still] * (slot - self._slot - 1)
        self._slot, self._count = slot, 0
        self._sum[:] = 0

    def rows(self, start_s: float, end_s: float) -> FloatArray:
        """(T, 9) from one time to another."""
        if self._slot is not None and self._count:
            self._close(self._slot + 1)
        first = max(0, round(start_s * RATE_HZ) - self._first)
        last = max(first, round(end_s * RATE_HZ) - self._first)
        part = self._rows[first:last]
        return np.array(part, np.float32).reshape(-1, MOTION_COLUMNS)


_Y, _X = (axis.astype(np.float32) for axis in np.mgrid[: PICTURE_SIZE[1], : PICTURE_SIZE[0]])


def _moments(picture: FloatArray, before: FloatArray | None) -> FloatArray:
    row = np.full(MOTION_COLUMNS, np.nan, np.float32)
    if before is None:
        return row
    moved = np.abs(picture - before) - _NOISE_LEVELS
    np.maximum(moved, 0, out=moved)
    total = float(moved.sum())
    if total < _LEAST_MOTION:
        return row
    weight = moved / total
    x, y = float((weight * _X).sum()), float((weight * _Y).sum())
    dx, dy = _X - x, _Y - y
    spread_x = math.sqrt(float((weight * dx * dx).sum()) + 0.08)
    spread_y = math.sqrt(float((weight * dy * dy).sum()) + 0.08)
    right, low = dx > 0, dy > 0
    row[:] = (
        math.log(total), x, y, math.log(spread_x), math.log(spread_y),
        float((weight * dx * dy).sum()) / (spread_x * spread_y),
        float(weight[right & ~low].sum()), float(weight[~right & ~low].sum()), float(weight[right & low].sum()),
    )  # fmt: skip
    return row


MIRROR = np.zeros((MOTION_COLUMNS, MOTION_COLUMNS), np.float32)
"""Rows of a picture times this are those of its mirror image, but for constants."""
MIRROR[[0, 2, 3, 4], [0, 2, 3, 4]] = 1
MIRROR[[1, 5], [1, 5]] = -1
MIRROR[6, 7] = MIRROR[7, 6] = 1
MIRROR[[6, 7, 8], 8] = -1  # the four quarters sum to one


def sound_levels(waveform: FloatArray, rate_hz: int) -> FloatArray:
    """(T, 12) levels in dB of bands evenly spaced in pitch; mono samples -1..1 (N,)."""
    length = round(rate_hz / RATE_HZ)
    count = len(waveform) // length
    if not count:
        return np.zeros((0, SOUND_BANDS), np.float32)
    # every tenth is looked at with half of each neighbour, so that a window never ends in the middle of a tone
    padded = np.pad(waveform[: count * length], length // 2)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * (length // 2) + length)[::length][:count]
    power = np.abs(np.fft.rfft(blocks * np.hanning(blocks.shape[1]), axis=1)) ** 2
    hz = np.fft.rfftfreq(blocks.shape[1], 1 / rate_hz)
    edges = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, SOUND_BANDS + 1)
    bands = [power[:, (hz >= low) & (hz < high)].mean(axis=1) for low, high in pairwise(edges)]
    levels = 10 * np.log10(np.stack(bands, axis=1) / blocks.shape[1] ** 2 + 1e-12)
    return np.asarray(np.maximum(levels, _SILENCE_DB), np.float32)


def signature_of(path: Path) -> Signature:
    """The signature of a clip, by a look at all of it.

    Raises:
        MediaError: it cannot be decoded.
    """
    from madata.video import Decoder, read_audio

    meter = MotionMeter()
    with Decoder(path) as decoder:
        start_s = decoder.info.start_s
        end_s = start_s
        for frame in decoder:
            meter.feed(frame.scaled(PICTURE_SIZE, "gray", interpolation="area"), frame.time_s - start_s)
            end_s = frame.end_s
        has_sound = decoder.info.audio is not None
    motion = meter.rows(0.0, end_s - start_s)
    if not has_sound:
        return Signature(motion, np.zeros((0, SOUND_BANDS), np.float32))
    sound = read_audio(path, start_s=start_s, end_s=end_s)
    levels = sound_levels(sound.waveform, sound.rate_hz)
    return Signature(motion, levels, fingerprints(sound.waveform, sound.rate_hz))
