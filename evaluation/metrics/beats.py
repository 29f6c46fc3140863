"""Beat alignment: do the stops of the dancer fall on the beats of the music?

Published: the score of a clip is the mean over the beats of one side of ``exp(-d^2 / (2 sigma^2))``, d being the
distance in frames to the nearest beat of the other side and sigma three frames whatever the frame rate. The rules
differ in direction, see :class:`~evaluation.definitions.BeatRule`.

Corrected (:func:`beat_alignment`): times in seconds, both directions and their harmonic mean, beatless clips
excluded and counted, and beside the score its chance level: the same dances with the music of other clips.

Legend: N clips, T frames, J joints, C coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.definitions import BeatRule

__all__ = [
    "BeatAlignment",
    "NoBeatsError",
    "beat_alignment",
    "beatless",
    "clip_alignment",
    "clip_directions",
    "distance_to_nearest",
    "official_alignment",
]

Array = npt.NDArray[np.floating[Any]]
Times = npt.NDArray[np.float64]

_SIGMA_FRAMES = 3.0


class NoBeatsError(ValueError):
    """A clip without beats where the published script stops with an error."""


def official_alignment(
    music_beats: npt.NDArray[np.integer[Any]], motion_beats: npt.NDArray[np.integer[Any]], rule: BeatRule
) -> float:
    """Beat alignment of one clip by a published rule.

    Args:
        music_beats, motion_beats: frame numbers.

    Raises:
        NoBeatsError: no beats, and the script of ``rule`` does not go on from there.

    Example:
        >>> rule = BeatRule(5.0, 1, "mean", "music", 0.0, None)
        >>> round(official_alignment(np.array([10, 20]), np.array([10, 23]), rule), 4)
        0.8033
    """
    sides = {"music": (music_beats, rule.empty_music), "motion": (motion_beats, rule.empty_motion)}
    own, other = ("music", "motion") if rule.direction == "music" else ("motion", "music")
    for side in (own, other):
        beats, score = sides[side]
        if len(beats) == 0:
            if score is None:
                raise NoBeatsError(f"the clip has no {side} beats")
            return score
    times, targets = (np.asarray(sides[side][0], np.float64) for side in (own, other))
    return float(_closeness(times, targets, _SIGMA_FRAMES).mean())


def _closeness(own: Times, other: Times, sigma: float) -> Times:
    """``exp(-d^2 / (2 sigma^2))`` of every time to the nearest of ``other`` (ascending, not empty)."""
    return np.asarray(np.exp(-np.square(distance_to_nearest(own, other)) / (2.0 * sigma**2)), np.float64)


def beatless(
    motion: Sequence[Times], music: Sequence[Times], least: int = 1, beats: str = "sure beats"
) -> tuple[str, ...]:
    """(N,) why a clip has no value: a side with fewer than ``least`` beats; empty texts elsewhere.

    Args:
        beats: what those of the music are called.

    Example:
        >>> beatless([np.array([1.0]), np.array([1.0])], [np.array([0.5]), np.empty(0)])
        ('', 'the music has no sure beats')
    """
    few = "no" if least == 1 else f"fewer than {least}"
    sides = ((music, f"the music has {few} {beats}"), (motion, f"the dance has {few} stops"))
    return tuple(
        next((text for times, text in sides if len(times[row]) < least), "") for row in range(len(motion))
    )


def distance_to_nearest(own: Times, other: Times) -> Times:
    """From each time to the nearest of ``other`` (ascending, not empty).

    Example:
        >>> distance_to_nearest(np.array([1.0, 2.75]), np.array([1.25, 3.0])).tolist()
        [0.25, 0.25]
    """
    right = np.clip(np.searchsorted(other, own), 1, max(len(other) - 1, 1))
    after = other[np.minimum(right, len(other) - 1)]
    return np.asarray(np.minimum(np.abs(own - other[right - 1]), np.abs(own - after)), np.float64)


@dataclass(frozen=True)
class BeatAlignment:
    """Beat alignment of a set of clips.

    Attributes:
        score: mean over the clips of the harmonic mean of both directions, 0..1.
        music_to_motion, motion_to_music: each direction.
        chance: mean score with the music of other clips; NaN for fewer than two clips.
        chance_deviation: standard deviation of the score of the set over such shuffles.
        z: (score - chance) / chance_deviation.
        clips: (N,) harmonic mean of each clip, NaN where excluded.
        excluded: positions of clips without music beats or without motion beats.
    """

    score: float
    music_to_motion: float
    motion_to_music: float
    chance: float
    chance_deviation: float
    z: float
    clips: Times
    excluded: tuple[int, ...]


def beat_alignment(
    motion: Sequence[Times],
    music: Sequence[Times],
    rng: np.random.Generator,
    *,
    sigma_ms: float = 100.0,
    shuffles: int = 200,
) -> BeatAlignment:
    """Beat alignment of a set, with what chance alone would give.

    Args:
        motion: per clip the times of the motion beats, seconds, ascending.
        music: per clip the times of the music beats, seconds from the same zero, ascending.
        sigma_ms: tolerance; 100 ms are the three frames at 30 per second of the first papers.
        shuffles: how often the music is dealt out anew, no clip keeping its own.

    Raises:
        ValueError: the two lists differ in length.

    Example:
        >>> beats = [np.arange(0.5 + i / 10, 4.0, 0.5) for i in range(5)]
        >>> result = beat_alignment(beats, beats, np.random.default_rng(0))
        >>> result.score, result.z > 3
        (1.0, True)
    """
    if len(motion) != len(music):
        raise ValueError(f"{len(motion)} clips of motion beats but {len(music)} of music beats")
    kept = [i for i in range(len(motion)) if len(motion[i]) and len(music[i])]
    excluded = tuple(sorted(set(range(len(motion))) - set(kept)))
    clips = np.full(len(motion), np.nan)
    if not kept:
        nan = float("nan")
        return BeatAlignment(nan, nan, nan, nan, nan, nan, clips, excluded)
    dances, tracks = [motion[i] for i in kept], [music[i] for i in kept]
    sigma = sigma_ms / 1000.0
    heard = _pair_scores(tracks, dances, sigma).T
    danced = _pair_scores(dances, tracks, sigma)
    both = _harmonic(heard, danced)
    own = np.diagonal(both)
    clips[kept] = own
    chance, deviation = float("nan"), float("nan")
    if len(kept) > 1:
        rows = np.arange(len(kept))
        dealt = [float(both[rows, _derangement(len(kept), rng)].mean()) for _ in range(shuffles)]
        chance = float((both.sum() - own.sum()) / (len(kept) * (len(kept) - 1)))
        deviation = float(np.std(dealt))
    score = float(own.mean())
    return BeatAlignment(
        score=score,
        music_to_motion=float(np.diagonal(heard).mean()),
        motion_to_music=float(np.diagonal(danced).mean()),
        chance=chance,
        chance_deviation=deviation,
        z=(score - chance) / deviation if deviation > 0 else float("nan"),
        clips=clips,
        excluded=excluded,
    )


def clip_alignment(motion: Sequence[Times], music: Sequence[Times], *, sigma_ms: float = 100.0) -> Times:
    """(N,) beat alignment of each clip with its own music alone, NaN where it has no beats on one side.

    Example:
        >>> beats = [np.array([1.0, 2.0]), np.empty(0)]
        >>> clip_alignment(beats, beats).tolist()
        [1.0, nan]
    """
    return _harmonic(*clip_directions(motion, music, sigma_ms=sigma_ms))


def clip_directions(
    motion: Sequence[Times], music: Sequence[Times], *, sigma_ms: float = 100.0
) -> tuple[Times, Times]:
    """(N,) of each clip how near its music beats are met by the motion, and (N,) its motion beats by the music.

    NaN where it has no beats on one side.

    Example:
        >>> clip_directions([np.array([1.0, 2.0])], [np.array([1.0])])[0].tolist()
        [1.0]
    """
    kept = [row for row in range(len(motion)) if len(motion[row]) and len(music[row])]
    heard, danced = np.full((2, len(motion)), np.nan)
    if kept:
        sides = [music[row] for row in kept], [motion[row] for row in kept]
        heard[kept], danced[kept] = (_own_scores(*pair, sigma_ms / 1000.0) for pair in (sides, sides[::-1]))
    return heard, danced


def _harmonic(heard: Times, danced: Times) -> Times:
    return np.asarray(2.0 * heard * danced / np.maximum(heard + danced, 1e-300), np.float64)


def _own_scores(own: Sequence[Times], other: Sequence[Times], sigma: float) -> Times:
    """(N,) mean closeness of the beats of clip i (``own``) to those of the same clip (``other``)."""
    near = [_closeness(times, targets, sigma) for times, targets in zip(own, other, strict=True)]
    starts = np.concatenate([[0], np.cumsum([len(times) for times in own])[:-1]])
    return np.asarray(np.add.reduceat(np.concatenate(near), starts) / [len(times) for times in own])


def _pair_scores(own: Sequence[Times], other: Sequence[Times], sigma: float) -> Times:
    """(N, N) mean closeness of the beats of clip i (``own``) to those of clip j (``other``)."""
    flat = np.concatenate(own)
    starts = np.concatenate([[0], np.cumsum([len(times) for times in own])[:-1]])
    sizes = np.array([len(times) for times in own])
    scores = np.empty((len(own), len(other)))
    for column, times in enumerate(other):
        scores[:, column] = np.add.reduceat(_closeness(flat, times, sigma), starts) / sizes
    return scores


def _derangement(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """A random order in which nothing keeps its place: a random cycle."""
    order = rng.permutation(count)
    dealt = np.empty(count, np.intp)
    dealt[order] = np.roll(order, 1)
    return dealt
