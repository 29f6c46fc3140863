"""Which clips have the same music: a fingerprint of 32 bits, 64 times a second, and who shares one with whom.

The bits are those of Haitsma and Kalker ("A highly robust audio fingerprinting system", ISMIR 2002): does the
difference between neighbouring bands grow or fall from one moment to the next? Loudness, coding and noise change few of
them; another speed changes most, so a song is known at its own speed only.

Two clips in which a fingerprint recurs are laid over each other there and compared bit by bit. A song joins its clips
in chains, so each occurrence is compared with the next one alone: the work grows with the clips, not with their pairs.

Legend: N samples, T fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from madata.dataset.groups import Tie, group_of_sources
from madata.types import FloatArray

__all__ = ["Fingerprints", "find_songs", "fingerprints"]

Fingerprints = npt.NDArray[np.uint32]

_HZ = 64
_RATE_HZ = 8000
_WINDOW_S = 0.37
_BANDS = 33
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 2000.0
_LEAST_SHARED_S = 2.6
_MOST_ERRORS = 0.2
"""Share of the bits. Clips of one song differ in 2 to 15 % at 15 dB of noise, songs of one drum pattern in 24 %."""
_LEAST_VOTES = 2
_SILENCE = 1e-6
"""Power of the full scale; what is weaker is no music."""
_AT_A_TIME = 256


def fingerprints(waveform: FloatArray, rate_hz: int) -> Fingerprints:
    """(T,) 32 bits of every 64th of a second; 0 where it is silent. Mono samples -1..1 (N,)."""
    from madata.video.audio import resample_sound

    sound = waveform if rate_hz == _RATE_HZ else resample_sound(waveform[None], rate_hz, _RATE_HZ)[0]
    length = round(_WINDOW_S * _RATE_HZ)
    if len(sound) < length:
        return np.zeros(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(sound, length)[:: _RATE_HZ // _HZ]
    hz = np.fft.rfftfreq(length, 1 / _RATE_HZ)
    edges = np.searchsorted(hz, np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1))
    window = np.hanning(length).astype(np.float32)
    parts = []
    for first in range(0, len(windows), _AT_A_TIME):
        power = np.abs(np.fft.rfft(windows[first : first + _AT_A_TIME] * window, axis=1)) ** 2
        parts.append(np.add.reduceat(power, edges, axis=1)[:, :_BANDS])
    bands = np.concatenate(parts)
    heard = (windows.astype(np.float64) ** 2).mean(axis=1)[1:] > _SILENCE
    bits = np.diff(np.diff(bands, axis=1), axis=0) > 0
    order = np.uint32(1) << np.arange(_BANDS - 1, dtype=np.uint32)
    return np.where(heard, (bits * order).sum(axis=1), 0).astype(np.uint32)


def find_songs(clips: Mapping[str, Fingerprints]) -> dict[str, str]:
    """Clip id -> the smallest id of the clips with the same music; clips with too little sound are left out."""
    least = round(_LEAST_SHARED_S * _HZ)
    names = [name for name in sorted(clips) if int((clips[name] != 0).sum()) >= least]
    prints = [clips[name] for name in names]
    joined: list[tuple[str, str, Tie]] = [
        (names[one], names[other], "song")
        for one, other, shift in _candidates(prints)
        if _alike(prints[one], prints[other], shift, least)
    ]
    return group_of_sources(names, joined)


def _candidates(prints: list[Fingerprints]) -> list[tuple[int, int, int]]:
    """(clip, later clip, shift) that several recurring fingerprints agree on."""
    if not prints:
        return []
    lengths = [len(one) for one in prints]
    value = np.concatenate(prints)
    clip = np.repeat(np.arange(len(prints), dtype=np.int32), lengths)
    place = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    order = np.argsort(value, kind="stable")  # clips stay in order where the value is the same
    order = order[np.searchsorted(value[order], 1) :]
    value, clip, place = value[order], clip[order], place[order]
    again = (value[1:] == value[:-1]) & (clip[1:] != clip[:-1])
    shift = place[:-1][again] - place[1:][again]
    votes = np.stack([clip[:-1][again], clip[1:][again], shift], axis=1)
    found, count = np.unique(votes, axis=0, return_counts=True)
    return [(int(a), int(b), int(at)) for a, b, at in found[count >= _LEAST_VOTES]]


def _alike(one: Fingerprints, other: Fingerprints, shift: int, least: int) -> bool:
    """Whether few bits differ where both sound, ``other`` beginning at ``shift`` of ``one``."""
    first, last = max(0, -shift), min(len(other), len(one) - shift)
    if last - first < least:
        return False
    a, b = one[first + shift : last + shift], other[first:last]
    both = (a != 0) & (b != 0)
    if int(both.sum()) < least:
        return False
    return float(np.bitwise_count(a[both] ^ b[both]).mean()) < 32 * _MOST_ERRORS
