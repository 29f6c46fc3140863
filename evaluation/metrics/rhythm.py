"""How a dance follows its music: several questions, each with what chance gives, the same dances to music of others.

Beats of a dance are the moments at which it stops; those of music are heard. A hit is a pair within the tolerance of
the protocol (``beats.sigma_ms``), each beat in one pair at most. Below two beats on a side a window has no value.

A number above chance by less than two standard deviations (``*_z``) says nothing about the music. Chance is that of the
music of other songs: other windows of one's own song are no strangers to it. Two of the questions are of bars, and
have an answer where a user says where these begin (:mod:`evaluation.inputs.beat_files`).

Legend: N rows (windows), U songs or sources; K music beats, M motion beats of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.metrics.beats import beatless, distance_to_nearest
from evaluation.metrics.estimate import Estimate, clip_sources
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables
from evaluation.stats.jackknife import Units

__all__ = ["METRICS", "Rhythm", "above_chance", "rhythm_scores"]

Floats = npt.NDArray[np.float64]
Times = Sequence[Floats]

_TEMPO_TOLERANCE = 0.08
"""Two tempi agree within 8 %, as MIREX compares estimates of tempo."""
_TEMPI_HZ = np.geomspace(0.5, 4.0, 241)
"""30 to 240 beats a minute."""
_LEAST_BEATS = 2


@dataclass(frozen=True)
class Rhythm:
    """One question for a dance and its music.

    Attributes:
        of_pairs: (motion, music) lists of beat times of N rows -> (N, N), row i's dance to the music of row j.
        of_bars: music is that of downbeats, which a user brings.
    """

    name: str
    label: str
    title: str
    of_pairs: Callable[[Times, Times, float], Floats]
    of_bars: bool = False


def _hits(motion: Times, music: Times, tolerance_s: float) -> Floats:
    """(N, N) music beats of j that a motion beat of i meets, each motion beat meeting one."""
    flat, starts, _ = _joined(music)
    dance, begins, _ = _joined(motion)
    hits = np.empty((len(motion), len(music)))
    for row, times in enumerate(motion):
        hits[row] = np.add.reduceat(distance_to_nearest(flat, times) <= tolerance_s, starts)
    for column, times in enumerate(music):  # a motion beat between two music beats counts once
        met = np.add.reduceat(distance_to_nearest(dance, times) <= tolerance_s, begins)
        hits[:, column] = np.minimum(hits[:, column], met)
    return hits


def _hit_share(motion: Times, music: Times, tolerance_s: float) -> Floats:
    return _hits(motion, music, tolerance_s) / _joined(motion)[2][:, None]


def _coverage(motion: Times, music: Times, tolerance_s: float) -> Floats:
    return _hits(motion, music, tolerance_s) / _joined(music)[2][None, :]


def _f1(motion: Times, music: Times, tolerance_s: float) -> Floats:
    total = _joined(motion)[2][:, None] + _joined(music)[2][None, :]
    return 2 * _hits(motion, music, tolerance_s) / total


def _phase(motion: Times, music: Times, tolerance_s: float) -> Floats:
    """How sharply motion beats gather at one place between two music beats, wherever that is.

    Length of the mean of their phases as unit vectors, less what so few would have at random: a dance that is late by
    the same share of a beat throughout has 1, one that knows no beat 0 on average.
    """
    flat, starts, _ = _joined(motion)
    found = np.full((len(motion), len(music)), np.nan)
    for column, times in enumerate(music):
        place = np.interp(flat, times, np.arange(len(times)), left=np.nan, right=np.nan)
        known = np.isfinite(place)
        turn = np.exp(2j * np.pi * np.where(known, place, 0.0)) * known
        count = np.add.reduceat(known.astype(np.float64), starts)
        square = np.abs(np.add.reduceat(turn, starts)) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            unbiased = (square - count) / (count * (count - 1))
        found[:, column] = np.where(count >= _LEAST_BEATS, np.maximum(unbiased, 0.0), np.nan)
    length: Floats = np.sqrt(found)
    return length


def _continuity(motion: Times, music: Times, tolerance_s: float) -> Floats:
    """The longest run of beats met without a miss, as a share of the beats, at the metrical level that fits best.

    Levels are every beat, every second one (from the first or from the second) and the beat doubled.
    """
    best = np.zeros((len(motion), len(music)))
    doubled = [np.sort(np.concatenate([times, (times[1:] + times[:-1]) / 2])) for times in music]
    for level in (music, [times[::2] for times in music], [times[1::2] for times in music], doubled):
        flat, starts, sizes = _joined(level)
        for row, times in enumerate(motion):
            met = distance_to_nearest(flat, times) <= tolerance_s
            best[row] = np.maximum(best[row], _longest_runs(met, starts) / np.maximum(sizes, 2))
    return best


def _tempo(motion: Times, music: Times, tolerance_s: float) -> Floats:
    """1 where the dance stops in the tempo of the music, or in a double, half or quarter of it, else 0."""
    heard = np.array([1.0 / np.median(np.diff(times)) for times in music])
    danced = np.array([_pulse(times) for times in motion])
    octaves = np.log2(danced[:, None] / heard[None, :])
    octaves -= np.clip(np.round(octaves), -2, 1)
    agree: Floats = (np.abs(np.exp2(octaves) - 1) <= _TEMPO_TOLERANCE).astype(np.float64)
    return agree


def _pulse(times: Floats) -> float:
    """The rate at which events recur, Hz: where their phases agree most; the slower one of two that are as good."""
    agreement = np.abs(np.exp(2j * np.pi * _TEMPI_HZ[:, None] * (times - times[0])).mean(axis=1))
    return float(_TEMPI_HZ[int(np.argmax(agreement > 0.98 * agreement.max()))])


RHYTHMS = (
    Rhythm("beat_hit", "Beat hits", "Motion beats that fall on a music beat", _hit_share),
    Rhythm("beat_coverage", "Beats met", "Music beats on which the dance stops", _coverage),
    Rhythm("beat_f1", "Beat F1", "Agreement of motion and music beats, F1", _f1),
    Rhythm("beat_phase", "Phase", "How sharply motion beats gather at one place of the beat", _phase),
    Rhythm(
        "beat_continuity", "Continuity", "Longest run of beats met, at the best metrical level", _continuity
    ),
    Rhythm("tempo_agreement", "Tempo", "Dances in the tempo of the music, or an octave of it", _tempo),
    Rhythm("downbeat_coverage", "Downbeats", "Downbeats on which the dance stops", _coverage, of_bars=True),
    Rhythm(
        "bar_phase", "Bar", "How sharply motion beats gather at one place of the bar", _phase, of_bars=True
    ),
)


def rhythm_scores(rhythm: Rhythm, motion: Times, music: Times, tolerance_s: float) -> Floats:
    """(N, N) the dance of row i to the music of row j; NaN where one has fewer than two beats.

    Example:
        >>> beats = np.arange(0.2, 5.0, 0.5)
        >>> asked = [one for one in RHYTHMS if one.name in ("beat_f1", "beat_phase")]
        >>> [round(float(rhythm_scores(one, [beats + 0.2], [beats], 0.1)[0, 0]), 2) for one in asked]
        [0.0, 1.0]
    """
    dances = [row for row, times in enumerate(motion) if len(times) >= _LEAST_BEATS]
    tracks = [row for row, times in enumerate(music) if len(times) >= _LEAST_BEATS]
    scores = np.full((len(motion), len(music)), np.nan)
    if dances and tracks:
        beats = [motion[row] for row in dances], [music[row] for row in tracks]
        scores[np.ix_(dances, tracks)] = rhythm.of_pairs(*beats, tolerance_s)
    return scores


def above_chance(
    scores: Floats, songs: Units, rng: np.random.Generator, shuffles: int
) -> tuple[float, float]:
    """Mean and standard deviation of the score of a set whose dances go with the music of other songs.

    Args:
        scores: (N, N) of every dance to every music.
        songs: U arrays of rows.

    Returns:
        NaN for fewer than two songs with values.
    """
    rows = np.flatnonzero(np.isfinite(np.diagonal(scores)))
    song_of = np.full(len(scores), -1)
    for number, song in enumerate(songs):
        song_of[song] = number
    members = [rows[song_of[rows] == number] for number in np.unique(song_of[rows])]
    if len(members) < 2:
        return float("nan"), float("nan")
    strangers = song_of[rows][:, None] != song_of[rows][None, :]
    chance = float(np.nanmean(scores[np.ix_(rows, rows)][strangers]))
    dealt = []
    for _ in range(shuffles):
        order = rng.permutation(len(members))
        total, count = 0.0, 0
        for mine, other in zip(order, np.roll(order, 1), strict=True):
            values = scores[members[mine], rng.choice(members[other], len(members[mine]))]
            total, count = total + float(np.nansum(values)), count + int(np.isfinite(values).sum())
        dealt.append(total / count if count else np.nan)
    return chance, float(np.nanstd(dealt))


def _joined(lists: Times) -> tuple[Floats, npt.NDArray[np.intp], Floats]:
    """All times in a row, where each list begins, and how long each is."""
    sizes = np.array([len(times) for times in lists])
    return np.concatenate(lists), np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes.astype(np.float64)


def _longest_runs(met: npt.NDArray[np.bool_], starts: npt.NDArray[np.intp]) -> Floats:
    """Longest run of True in each part of ``met``."""
    place = np.arange(len(met))
    missed = np.where(met, -1, place)
    missed[starts] = np.maximum(missed[starts], starts - 1)
    run = np.where(met, place - np.maximum.accumulate(missed), 0)
    longest: Floats = np.maximum.reduceat(run, starts).astype(np.float64)
    return longest


@dataclass(frozen=True)
class _Found:
    own: RowValues
    chance: float
    deviation: float


def _found(tables: Tables, rhythm: Rhythm, side: Side) -> _Found:
    """One question for one side, with its chance.

    Raises:
        ValueError: there is no music, or nothing to compare with.
    """
    rule, features = tables.protocol.beats, tables.motion(side)
    if rule is None:
        raise ValueError(f"protocol {tables.protocol.name} has no [beats]")
    if not rhythm.of_bars and not features.heard.any():
        raise ValueError("no music: give a folder of sound files, or videos with sound as the reference")
    music = features.downbeats if rhythm.of_bars else features.music_beats
    scores = rhythm_scores(rhythm, features.motion_beats, music, rule.sigma_ms / 1000)
    sources = tables.shared(clip_sources)
    songs = sources.prediction if side == "prediction" else sources.reference
    chance, deviation = above_chance(scores, songs, sources.rng(rhythm.name), rule.shuffles)
    own, beats = np.diagonal(scores).copy(), "downbeats" if rhythm.of_bars else "sure beats"
    why = [
        text or (f"fewer than {_LEAST_BEATS} stops between the {beats}" if np.isnan(value) else "")
        for text, value in zip(beatless(features.motion_beats, music, _LEAST_BEATS, beats), own, strict=True)
    ]
    return _Found(RowValues(own, reasons=why), chance, deviation)


def _estimate(tables: Tables, rhythm: Rhythm) -> Estimate:
    found, estimate = tables.shared(_found, rhythm, "prediction"), Estimate()
    tables.shared(clip_sources).mean(estimate, found.own, (0.0, 1.0))
    if np.isfinite(found.chance):
        estimate.noise_floor = found.chance
        estimate.cautions.append(
            "its noise floor is the chance level: the same dances to the music of others"
        )
    with suppress(ValueError):  # the music of the prediction alone
        real = tables.shared(_found, rhythm, "reference").own.values
        estimate.reference = float(np.nanmean(real)) if np.isfinite(real).any() else None
    return estimate


def _z(tables: Tables, rhythm: Rhythm) -> Estimate:
    found, mean = tables.shared(_found, rhythm, "prediction"), tables.shared(_estimate, rhythm)
    estimate = Estimate(mean.n, reason="needs two songs with beats, and a chance level that varies")
    if mean.value is None:
        estimate.reason = mean.reason
        return estimate
    if not found.deviation > 1e-6:
        return estimate
    estimate.value = (mean.value - found.chance) / found.deviation
    if mean.ci95 is not None:
        low, high = ((end - found.chance) / found.deviation for end in mean.ci95)
        estimate.set_interval(low, high, mean.ci_method or "")
    return estimate


def _specs(rhythm: Rhythm) -> tuple[MetricSpec, MetricSpec]:
    own = MetricSpec(
        name=rhythm.name,
        version=1,
        label=rhythm.label,
        title=rhythm.title,
        needs=frozenset({"keypoints", "bars" if rhythm.of_bars else "music"}),
        direction="higher",
        bounds=(0.0, 1.0),
        panel="Rhythm",
        absent="fewer than two beats",
        values=lambda tables, side: tables.shared(_found, rhythm, side).own,
        estimate=lambda tables: tables.shared(_estimate, rhythm),
    )
    above = MetricSpec(
        name=f"{rhythm.name}_z",
        version=1,
        label=f"{rhythm.label}_z",
        title=f"{rhythm.title}: above chance, in standard deviations",
        needs=own.needs,
        direction="higher",
        decimals=1,
        panel="Rhythm",
        compared=False,
        estimate=lambda tables: _z(tables, rhythm),
    )
    return own, above


METRICS = tuple(spec for rhythm in RHYTHMS for spec in _specs(rhythm))
