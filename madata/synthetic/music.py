"""Music made up on a steady beat: drums, bass and chords, in NumPy.

Every onset lies on a grid of quarter beats, bars have four beats, and the kick marks the beat. Legend: N
samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError
from madata.types import FloatArray, Music

__all__ = ["MadeTrack", "beat_times", "make_music"]

Array = npt.NDArray[np.float64]

# Scale degrees of the chords of four bars, in a natural minor key.
_PROGRESSIONS = ((0, 5, 2, 6), (0, 3, 5, 6), (0, 6, 5, 6), (0, 2, 3, 6))
_MINOR = (0, 2, 3, 5, 7, 8, 10)
_KICKS = ((0, 4, 8, 12), (0, 4, 8, 11, 12), (0, 4, 7, 8, 12, 14))
_SNARES = ((4, 12), (4, 12, 15))
_HATS = ((2, 6, 10, 14), (0, 2, 4, 6, 8, 10, 12, 14), (2, 3, 6, 10, 11, 14))
_BASSES = ((0, 3, 6, 8, 11, 14), (0, 6, 8, 14), (0, 2, 6, 8, 10, 14))


@dataclass(frozen=True)
class MadeTrack:
    """Made-up music and its beats (K,) in seconds."""

    music: Music
    beats_s: FloatArray
    tempo_bpm: float


def beat_times(duration_s: float, tempo_bpm: float, first_beat_s: float = 0.0) -> FloatArray:
    """Beats (K,) in [0, duration_s) of a steady tempo of which one beat is at ``first_beat_s``."""
    period = 60.0 / tempo_bpm
    start = first_beat_s - period * np.floor(first_beat_s / period)
    count = max(int(np.ceil((duration_s - start) / period)), 0)
    return np.asarray(start + period * np.arange(count), np.float32)


def make_music(
    duration_s: float,
    *,
    tempo_bpm: float = 118.0,
    seed: int = 0,
    rate_hz: int = 44100,
    first_beat_s: float = 0.0,
) -> MadeTrack:
    """Make up a piece; the same arguments give the same samples.

    Args:
        duration_s: length; the waveform has ``round(duration_s * rate_hz)`` samples.
        first_beat_s: time of a beat; the others follow from the tempo in both directions.

    Raises:
        ConfigError: a number is not positive.
    """
    if not (duration_s > 0 and tempo_bpm > 0 and rate_hz > 0):
        raise ConfigError(
            f"length, tempo and rate must be positive, got {duration_s}, {tempo_bpm}, {rate_hz}"
        )
    rng = np.random.default_rng([seed, 0xBEA7])
    period = 60.0 / tempo_bpm
    start = first_beat_s - period * np.ceil(first_beat_s / period)
    count = int(np.ceil((duration_s - start) / period))
    mix = _Mix(round(duration_s * rate_hz), rate_hz)
    key_hz = 55.0 * 2 ** (rng.integers(-2, 5) / 12)
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    kick, snare, hat = _kick(rate_hz), _snare(rate_hz, rng), _hat(rate_hz, rng)
    drums = (
        (kick, _KICKS[rng.integers(len(_KICKS))], 0.90),
        (snare, _SNARES[rng.integers(len(_SNARES))], 0.42),
        (hat, _HATS[rng.integers(len(_HATS))], 0.16),
    )
    bass = _BASSES[rng.integers(len(_BASSES))]
    arpeggio = rng.integers(0, 3, 16)
    for bar in range(-(-count // 4)):
        root = progression[bar % 4]
        at = start + 4 * period * bar
        for sound, pattern, level in drums:
            for step in pattern:
                mix.add(sound, at + step * period / 4, level * (1.0 if step % 4 == 0 else 0.6))
        for step in bass:
            mix.add(_bass(_pitch(key_hz, root), 0.45 * period, rate_hz), at + step * period / 4, 0.30)
        mix.add(
            _chord([_pitch(key_hz * 4, root + third) for third in (0, 2, 4)], 4 * period, rate_hz), at, 0.10
        )
        for step in range(0, 16, 2):
            note = _pitch(key_hz * 8, root + 2 * int(arpeggio[step]))
            mix.add(_pluck(note, 0.6 * period, rate_hz), at + step * period / 4, 0.07)
    waveform = np.tanh(1.1 * mix.samples).astype(np.float32)
    return MadeTrack(Music(waveform, rate_hz), beat_times(duration_s, tempo_bpm, first_beat_s), tempo_bpm)


class _Mix:
    """The sum of sounds placed in time."""

    def __init__(self, count: int, rate_hz: int) -> None:
        self.samples = np.zeros(count)
        self.rate_hz = rate_hz

    def add(self, sound: Array, time_s: float, level: float) -> None:
        begin = round(time_s * self.rate_hz)
        skip = max(-begin, 0)
        end = min(begin + len(sound), len(self.samples))
        if begin + skip < end:
            self.samples[begin + skip : end] += level * sound[skip : end - begin]


def _pitch(key_hz: float, degree: int) -> float:
    octave, step = divmod(degree, 7)
    return float(key_hz * 2 ** (octave + _MINOR[step] / 12))


def _time(duration_s: float, rate_hz: int) -> Array:
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def _kick(rate_hz: int) -> Array:
    t = _time(0.28, rate_hz)
    sweep = 2 * np.pi * (48 * t + 90 / 34 * (1 - np.exp(-34 * t)))
    click = np.exp(-t * 900) * np.sin(2 * np.pi * 1800 * t)
    return np.asarray(np.sin(sweep) * np.exp(-t * 13) + 0.4 * click)


def _snare(rate_hz: int, rng: np.random.Generator) -> Array:
    t = _time(0.2, rate_hz)
    noise = np.diff(rng.normal(0, 1, len(t) + 1))
    return np.asarray(0.55 * noise * np.exp(-t * 24) + 0.7 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 30))


def _hat(rate_hz: int, rng: np.random.Generator) -> Array:
    t = _time(0.06, rate_hz)
    noise = np.diff(rng.normal(0, 1, len(t) + 2), n=2)
    return np.asarray(0.5 * noise * np.exp(-t * 75))


def _harmonics(pitch_hz: float, count: int, t: Array, rate_hz: int) -> Array:
    """A saw tooth of at most ``count`` partials below the Nyquist frequency."""
    order = np.arange(1, count + 1)
    order = order[order * pitch_hz < 0.45 * rate_hz]
    return np.asarray((np.sin(2 * np.pi * pitch_hz * order[:, None] * t) / order[:, None]).sum(0))


def _bass(pitch_hz: float, duration_s: float, rate_hz: int) -> Array:
    t = _time(duration_s, rate_hz)
    return (
        _harmonics(pitch_hz, 5, t, rate_hz)
        * np.exp(-t * 5)
        * np.minimum(t * 400, 1)
        * _release(t, duration_s)
    )


def _chord(pitches_hz: list[float], duration_s: float, rate_hz: int) -> Array:
    t = _time(duration_s, rate_hz)
    voices = [_harmonics(p * detune, 4, t, rate_hz) for p in pitches_hz for detune in (0.997, 1.003)]
    return np.asarray(np.sum(voices, 0) * np.minimum(t * 12, 1) * _release(t, duration_s))


def _pluck(pitch_hz: float, duration_s: float, rate_hz: int) -> Array:
    t = _time(duration_s, rate_hz)
    return (
        _harmonics(pitch_hz, 3, t, rate_hz)
        * np.exp(-t * 9)
        * np.minimum(t * 800, 1)
        * _release(t, duration_s)
    )


def _release(t: Array, duration_s: float) -> Array:
    return np.clip((duration_s - t) * 60, 0, 1)
