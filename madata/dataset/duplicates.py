"""Pairs of clips that show the same dance in the same recording, by their signatures.

*Candidates* come from matrix products: of every four seconds of a clip the cross-spectra of its nine sequences are
taken, which do not change when the clip is shifted, and 512 numbers are kept of them. The nearest clips by
those, as they are or mirrored, are looked at closely: all shifts, re-timed by up to 6 %, the correlation of each
sequence while both are shown, pooled by Fisher's transformation and weighted by the root of the time they share.
``docs/dataset.md`` says what copies and chance come to.

A song says nothing here, since many dance to it; where pictures agree, ``same_sound`` says whether the sound does too.

Legend: N clips, W windows, D sequences, T samples at 20 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from madata.dataset.signatures import MIRROR, MOTION_COLUMNS, RATE_HZ, Signature
from madata.engine import SILENT, Watch, threads
from madata.types import FloatArray

__all__ = ["LEAST_SCORE", "Recognised", "find_duplicates", "same_from_the_start"]

LEAST_SCORE = 1.3
"""From which on two clips show the same."""
_TOLD_BY = (0, 1, 2, 5, 7)
"""The columns by which pairs are judged: how much moves, its centre, its tilt, one quarter. The extents and the other
quarters say nearly the same once more, and less surely: with all nine, one copy in seventy is lost among pairs by
chance. Candidates are found by all nine: who is near need not be sure."""
_LEAST_SHARED_S = 2.6
_PROMISING = 0.8
"""Score at coarse steps of the rate from which on fine ones are tried: those of strangers end at 0.75, and of 200
copies none gains more than 0.1 by them."""
_COARSE = (0.95, 0.975, 1.0, 1.025, 1.05)
_FINE = tuple(round(0.94 + 0.01 * step, 2) for step in range(13))
_UP = 2
_HZ = RATE_HZ * _UP
_SMOOTH_S = 0.7
"""A sequence is taken without its mean over twice this time: where a dancer stands says little, how he moves much."""
_NEIGHBOURS = 64
_WINDOW, _HOP, _BINS, _KEPT = 40, 5, 12, 512
_LEAST_SEEN = 15
_BLOCK = 256
_SOUND_AGREES = 0.5

Array = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Recognised:
    """A clip and what it is recognised by."""

    clip_id: str
    source_id: str
    signature: Signature


@dataclass(frozen=True)
class _Match:
    """How two clips show the same: ``b`` begins at ``shift_s`` of ``a``, which passes ``rate`` s in a second of it."""

    score: float
    shift_s: float
    rate: float
    mirrored: bool


def find_duplicates(
    clips: Sequence[Recognised],
    *,
    least_score: float = LEAST_SCORE,
    neighbours: int = _NEIGHBOURS,
    jobs: int = 1,
    watch: Watch = SILENT,
) -> list[dict[str, Any]]:
    """Rows of ``duplicates.parquet``: pairs of clips of different sources that show the same, in order of their ids.

    Args:
        neighbours: candidates of each clip.
        jobs: threads, which share what is compared.
        watch: is told how many clips have their candidates, then how many have been compared with them.
    """
    ordered = sorted(clips, key=lambda clip: clip.clip_id)
    filled = [_filled(clip.signature.motion) for clip in ordered]
    there = [number for number, rows in enumerate(filled) if rows is not None]
    ordered, motions = [ordered[i] for i in there], [rows for rows in filled if rows is not None]
    prepared = [_prepared(rows[:, _TOLD_BY]) for rows in motions]

    def compared(pair: tuple[int, list[int]]) -> list[_Match | None]:
        first, others = pair
        return _closely(motions[first], [prepared[other] for other in others])

    found = []
    with threads(jobs) as pool, threadpool_limits(1, "blas"):
        pairs = _candidates(motions, [clip.source_id for clip in ordered], neighbours, pool, watch)
        for number, ((first, others), matches) in enumerate(
            zip(pairs, pool.map(compared, pairs), strict=True), start=1
        ):
            for other, match in zip(others, matches, strict=True):
                if match is not None and match.score >= least_score:
                    found.append(_row(ordered[first], ordered[other], match))
            watch.files("duplicates, compared", number, len(pairs))
    return sorted(found, key=lambda row: (row["clip_a"], row["clip_b"]))


def _row(one: Recognised, other: Recognised, match: _Match) -> dict[str, Any]:
    return {
        "clip_a": one.clip_id,
        "clip_b": other.clip_id,
        "source_a": one.source_id,
        "source_b": other.source_id,
        "score": round(match.score, 4),
        "shift_s": round(match.shift_s, 3),
        "rate": match.rate,
        "mirrored": match.mirrored,
        "same_sound": _sounds_alike(one.signature.sound, other.signature.sound, match.shift_s, match.rate),
    }


def _filled(motion: FloatArray) -> Array | None:
    """Sequences (T, 9) without holes; ``None`` where hardly anything moves."""
    rows = np.asarray(motion, np.float32)
    seen = np.isfinite(rows[:, 0]) if len(rows) else np.zeros(0, bool)
    if seen.sum() < _LEAST_SEEN:
        return None
    at = np.arange(len(rows))
    return np.stack(
        [np.interp(at, at[seen], rows[seen, column]) for column in range(MOTION_COLUMNS)], 1
    ).astype(np.float32)


def _without_mean(rows: Array, reach: int) -> Array:
    """Rows less their mean over ``reach`` rows on both sides."""
    wide = rows.astype(np.float64)
    held = (wide[:1].repeat(reach + 1, axis=0), wide, wide[-1:].repeat(reach, axis=0))
    sums = np.concatenate(held).cumsum(axis=0)
    width = 2 * reach + 1
    return np.asarray(rows - (sums[width:] - sums[:-width]) / width, np.float32)


# Candidates


def _candidates(
    motions: Sequence[Array], sources: Sequence[str], neighbours: int, pool: Executor, watch: Watch
) -> list[tuple[int, list[int]]]:
    """Each clip with the later ones that are worth a close look; every pair comes once."""
    if len(motions) < 2:
        return []
    as_is, mirrored, starts = _embedded(motions)
    code = {name: number for number, name in enumerate(sorted(set(sources)))}
    source = np.array([code[name] for name in sources])
    pairs: list[set[int]] = [set() for _ in motions]
    search = partial(_nearest, as_is=as_is, mirrored=mirrored, starts=starts, source=source, count=neighbours)
    blocks = range(0, len(motions), _BLOCK)
    for first, near in zip(blocks, pool.map(search, blocks), strict=True):
        for number, others in enumerate(near, first):
            for other in others:
                pairs[min(number, other)].add(max(number, other))
        watch.files("duplicates, candidates", min(first + _BLOCK, len(motions)), len(motions))
    return [(number, sorted(later)) for number, later in enumerate(pairs) if later]


def _nearest(
    first: int,
    as_is: Halves,
    mirrored: Halves,
    starts: npt.NDArray[np.intp],
    source: npt.NDArray[np.intp],
    count: int,
) -> list[list[int]]:
    """The nearest clips of other sources for each clip of a block."""
    last = min(first + _BLOCK, len(source))
    rows, other_way = (side[starts[first] : starts[last]].astype(np.float32) for side in (as_is, mirrored))
    best = np.full((last - first, 0), -2.0, np.float32)
    names = np.zeros((last - first, 0), np.intp)
    step = 8 * _BLOCK
    for begin in range(0, len(source), step):
        end = min(begin + step, len(source))
        columns = slice(starts[begin], starts[end])
        shown = as_is[columns].astype(np.float32)
        alike = np.maximum(rows @ shown.T, other_way @ shown.T)
        alike = np.maximum.reduceat(alike, starts[begin:end] - starts[begin], axis=1)
        alike = np.maximum.reduceat(alike, starts[first:last] - starts[first], axis=0)
        alike[source[first:last, None] == source[None, begin:end]] = -2.0
        best = np.concatenate([best, alike], axis=1)
        names = np.concatenate([names, np.tile(np.arange(begin, end), (last - first, 1))], axis=1)
        if best.shape[1] > count:
            kept = np.argpartition(-best, count - 1, axis=1)[:, :count]
            best, names = np.take_along_axis(best, kept, 1), np.take_along_axis(names, kept, 1)
    return [row[near > -1.5].tolist() for row, near in zip(names, best, strict=True)]


def _embedded(motions: Sequence[Array]) -> tuple[Halves, Halves, npt.NDArray[np.intp]]:
    """(W, 512) of all windows as they are and mirrored, and where the windows of each clip begin.

    In half precision, and never whole in any other: 100,000 clips take 1.5 GB.
    """
    as_is, mirrored = [], []
    for motion in motions:
        rows = _without_mean(motion, round(_SMOOTH_S * RATE_HZ))
        as_is.append(_spectra(rows).astype(np.float16))
        mirrored.append(_spectra(rows @ MIRROR).astype(np.float16))
    starts = np.cumsum([0, *(len(one) for one in as_is)])
    near, far = np.concatenate(as_is), np.concatenate(mirrored)
    centre = near.mean(axis=0, dtype=np.float32)
    for side in (near, far):
        for begin in range(0, len(side), _BLOCK):
            part = side[begin : begin + _BLOCK] - centre
            side[begin : begin + _BLOCK] = part / (np.linalg.norm(part, axis=1, keepdims=True) + 1e-9)
    return near, far, starts


_PAIRS = np.triu_indices(MOTION_COLUMNS, 1)
_WIDTH = _BINS * (2 * len(_PAIRS[0]) + MOTION_COLUMNS)
_PROJECTION = np.random.default_rng(0).normal(size=(_WIDTH, _KEPT)).astype(np.float32) / np.sqrt(
    np.float32(_KEPT)
)


def _spectra(rows: Array) -> Array:
    """(W, 512): cross-spectra of the sequences in windows, their amplitudes compressed, projected at random."""
    if len(rows) < _WINDOW:
        rows = np.pad(rows, ((0, _WINDOW - len(rows)), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(rows, _WINDOW, axis=0)[::_HOP].transpose(0, 2, 1)
    scaled = windows / (windows.std(axis=1, keepdims=True) + 1e-3) * np.hanning(_WINDOW)[:, None]
    spectrum = np.fft.rfft(scaled, axis=1)[:, 1 : _BINS + 1]
    cross = spectrum[..., _PAIRS[0]] * np.conj(spectrum[..., _PAIRS[1]])
    cross = cross / np.sqrt(np.abs(cross) + 1e-9)
    own = np.abs(spectrum)
    own = (own - own.mean(axis=1, keepdims=True)) / 1.5
    flat = np.concatenate([part.reshape(len(scaled), -1) for part in (cross.real, cross.imag, own)], axis=1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9
    return np.asarray(flat.astype(np.float32) @ _PROJECTION, np.float32)


# A close look


def _closely(one: Array, others: Sequence[Array]) -> list[_Match | None]:
    """How each of ``others`` shows what ``one`` shows, at its best; ``None`` where they can share too little time.

    Args:
        one: sequences (T, 9) at 10 Hz.
        others: as :func:`_prepared` leaves them.
    """
    matches = _at_rates(one, others, _COARSE)
    worth = [
        number for number, match in enumerate(matches) if match is not None and match.score >= _PROMISING
    ]
    for number, match in zip(worth, _at_rates(one, [others[number] for number in worth], _FINE), strict=True):
        matches[number] = match
    return matches


def _at_rates(one: Array, others: Sequence[Array], rates: Sequence[float]) -> list[_Match | None]:
    """The best match of ``one`` at some rates, as it is and mirrored, with each of ``others``."""
    if not others:
        return []
    variants = [
        (rate, mirrored, _prepared((one @ MIRROR if mirrored else one)[:, _TOLD_BY], rate))
        for rate in rates
        for mirrored in (False, True)
    ]
    shown = _Shown(others, max(len(rows) for *_, rows in variants))
    best: list[_Match | None] = [None] * len(others)
    for rate, mirrored, rows in variants:
        for number, (score, shift) in enumerate(zip(*shown.best_shifts(rows), strict=True)):
            before = best[number]
            if np.isfinite(score) and (before is None or score > before.score):
                best[number] = _Match(float(score), int(shift) * rate / _HZ, rate, mirrored)
    return best


def _prepared(rows: Array, rate: float = 1.0) -> Array:
    """At 20 Hz and ``rate`` times as fast, without its slow part."""
    count = int((len(rows) - 1) / rate * _UP) + 1
    at = np.arange(count) * (rate / _UP)
    low = np.minimum(at.astype(int), len(rows) - 2)
    share = (at - low)[:, None].astype(np.float32)
    return _without_mean(rows[low] * (1 - share) + rows[low + 1] * share, round(_SMOOTH_S * _HZ))


class _Shown:
    """Several prepared clips, K of them, that another one is laid over at all shifts S at once."""

    def __init__(self, clips: Sequence[Array], longest: int) -> None:
        """Take clips (T, D); ``longest`` is the length of the longest that will be laid over them."""
        self._lengths = np.array([len(rows) for rows in clips])
        self._rows = np.zeros((len(clips), self._lengths.max(), clips[0].shape[1]), np.float32)
        for number, rows in enumerate(clips):
            self._rows[number, : len(rows)] = rows
        self._size = 1 << (longest + self._rows.shape[1] - 1).bit_length()
        self._spectra = np.conj(np.fft.rfft(self._rows, self._size, axis=1))
        self._energy = _sums(self._rows)

    def best_shifts(self, one: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
        """Best score (K,), -inf where too little is shared, and shift (K,): samples of ``one`` before the others."""
        n, m = len(one), self._lengths[:, None]
        least = np.minimum(_LEAST_SHARED_S * _HZ, 0.8 * np.minimum(n, m)).astype(int)
        shifts = np.arange((least - m).min(), n - least.min() + 1)
        first, last = np.maximum(shifts, 0), np.clip(shifts + m, 0, n)
        products = np.fft.irfft(np.fft.rfft(one, self._size, axis=0) * self._spectra, self._size, axis=1)
        energy, every = _sums(one[None])[0], np.arange(len(self._rows))[:, None]
        begin, end = np.clip(first - shifts, 0, m), np.clip(last - shifts, 0, m)
        shared = (energy[last] - energy[first]) * (self._energy[every, end] - self._energy[every, begin])
        correlation = products[:, shifts % self._size] / np.sqrt(np.maximum(shared, 1e-9))
        scores = _pooled(correlation.astype(np.float32)) * np.sqrt(np.maximum(last - first, 0) / _HZ)
        scores[(shifts < least - m) | (shifts > n - least)] = -np.inf
        at = scores.argmax(axis=1)
        return scores[every[:, 0], at], shifts[at]


def _pooled(correlation: Array) -> Array:
    """(..., D) correlations as one, by the mean of their Fisher transforms: the tanh of log(product of ratios) / 2D."""
    held = np.clip(correlation, -0.99, 0.99)
    ratios = ((1 + held) / (1 - held)).prod(axis=-1)
    return np.asarray(np.tanh(np.log(ratios) / (2 * held.shape[-1])), np.float32)


def _sums(rows: Array) -> npt.NDArray[np.float64]:
    """(K, T + 1, D) energy of the first samples of (K, T, D)."""
    energy = (rows.astype(np.float64) ** 2).cumsum(axis=1)
    return np.concatenate([np.zeros_like(energy[:, :1]), energy], axis=1)


def same_from_the_start(one: FloatArray, other: FloatArray) -> float | None:
    """Mean correlation of two clips that should begin at the same moment, shifted by at most 0.2 s.

    ``None`` where hardly anything moves in one of them. One may be the beginning of the other.
    """
    first, second = _filled(one), _filled(other)
    if first is None or second is None:
        return None
    a, b = _prepared(first), _prepared(second)
    best = -1.0
    for shift in range(-4, 5):
        x, y = (a[shift:], b) if shift >= 0 else (a, b[-shift:])
        count = min(len(x), len(y))
        power = np.sqrt((x[:count] ** 2).sum(axis=0) * (y[:count] ** 2).sum(axis=0)) + 1e-9
        best = max(best, float(((x[:count] * y[:count]).sum(axis=0) / power).mean()))
    return best


# Sound


def _sounds_alike(one: FloatArray, other: FloatArray, shift_s: float, rate: float) -> bool | None:
    """Whether the sound agrees where the pictures do; ``None`` where there is none to compare."""
    if len(one) < _LEAST_SEEN or len(other) < _LEAST_SEEN:
        return None
    best = -1.0
    for nudge in (-2, -1, 0, 1, 2):
        at = shift_s * RATE_HZ + nudge + np.arange(len(other)) * rate
        inside = (at >= 0) & (at <= len(one) - 1)
        if inside.sum() < _LEAST_SEEN:
            continue
        heard = np.stack(
            [np.interp(at[inside], np.arange(len(one)), band) for band in np.asarray(one, np.float32).T], 1
        )
        best = max(best, _correlation(heard, np.asarray(other, np.float32)[inside]))
    return best >= _SOUND_AGREES


def _correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Of the changes of all bands together."""
    a, b = np.diff(one, axis=0), np.diff(other, axis=0)
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
