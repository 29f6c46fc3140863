"""Beat alignment: do the stops of the dancer fall on the beats of the music?

Published: motion beats are strict local minima of the joint speed; the score of a clip is the mean over the
beats of one side of ``exp(-d^2 / (2 sigma^2))``, d being the distance in frames to the nearest beat of the
other side and sigma three frames whatever the frame rate. The rules differ in speed, smoothing and direction,
see :class:`BeatRule`.

Corrected (:func:`beat_alignment`): times in seconds, both directions and their harmonic mean, beatless clips
excluded and counted, and beside the score its chance level: the same dances with the music of other clips.

Legend: N clips, T frames, J joints, C coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from evaluation.metrics.body import Body

__all__ = [
    "BeatAlignment",
    "BeatRule",
    "NoBeatsError",
    "beat_alignment",
    "motion_beat_times",
    "motion_beats",
    "official_alignment",
]

Array = npt.NDArray[np.floating[Any]]
Times = npt.NDArray[np.float64]

_SIGMA_FRAMES = 3.0


class NoBeatsError(ValueError):
    """A clip without beats where the published script stops with an error."""


@dataclass(frozen=True)
class BeatRule:
    """One published definition.

    Attributes:
        smoothing: sigma of the Gaussian over the speed curve, frames; 0 for none.
        order: a minimum is below this many neighbours on each side.
        speed: ``mean`` over joints of T - 1 speeds, or ``sum`` over joints of T speeds, the first 0.
        direction: whose beats are averaged over.
        empty_music, empty_motion: score without beats; ``None`` where the script raises.
    """

    smoothing: float
    order: int
    speed: Literal["mean", "sum"]
    direction: Literal["music", "motion"]
    empty_music: float | None
    empty_motion: float | None


def motion_beats(joints: Array, rule: BeatRule) -> list[npt.NDArray[np.intp]]:
    """Motion beats of clips of equal length.

    Args:
        joints: (N, T, J, C), in the precision upstream has (it decides ties): float64 pixels, float32 metres.

    Returns:
        For each clip the frame numbers of its beats, ascending.

    Example:
        >>> rule = BeatRule(0.0, 1, "mean", "music", 0.0, 0.0)
        >>> path = np.cumsum([0.0, 3, 2, 1, 2, 3, 2, 3])
        >>> [beats.tolist() for beats in motion_beats(path[None, :, None, None], rule)]
        [[2, 5]]
    """
    moved = joints[:, 1:] - joints[:, :-1]
    speeds = np.square(moved[..., 0])
    for axis in range(1, joints.shape[-1]):
        speeds += np.square(moved[..., axis])
    np.sqrt(speeds, out=speeds)
    if rule.speed == "mean":
        curve = speeds.mean(axis=-1)
    else:
        curve = np.zeros(joints.shape[:2], np.float32)
        curve[:, 1:] = speeds.sum(axis=-1)
    if rule.smoothing:
        curve = gaussian_filter1d(curve, rule.smoothing, axis=-1)
    return [np.flatnonzero(row) for row in _strict_minima(curve, rule.order)]


def _strict_minima(curve: Array, order: int) -> npt.NDArray[np.bool_]:
    """Where (..., T) is below ``order`` neighbours on each side; beyond an end its last value stands."""
    padded = np.pad(curve, [(0, 0)] * (curve.ndim - 1) + [(order, order)], mode="edge")
    length = curve.shape[-1]
    lowest = np.ones(curve.shape, bool)
    for shift in range(2 * order + 1):
        if shift != order:
            lowest &= curve < padded[..., shift : shift + length]
    return lowest


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
    right = np.clip(np.searchsorted(other, own), 1, max(len(other) - 1, 1))
    after = other[np.minimum(right, len(other) - 1)]
    distance = np.minimum(np.abs(own - other[right - 1]), np.abs(own - after))
    return np.asarray(np.exp(-np.square(distance) / (2.0 * sigma**2)), np.float64)


SMOOTHING_S = 0.06
NEIGHBOURHOOD_S = 0.16


def motion_beat_times(body: Body) -> Times:
    """Times of the motion beats of one clip, in seconds from its first frame.

    The curve is the mean speed of the joints seen, travel of the body included, in torso lengths per second,
    smoothed over ``SMOOTHING_S``. A beat is lower than everything within ``NEIGHBOURHOOD_S``; its time is
    refined by a parabola through three frames. Nothing is found in gaps and at the ends of the clip.
    """
    place = body.points + body.hips[:, None]
    known = body.valid[1:] & body.valid[:-1]
    speed = np.linalg.norm(np.diff(place, axis=0), axis=-1) * body.fps
    count = known.sum(axis=1)
    curve = np.where(known, speed, 0.0).sum(axis=1) / np.maximum(count, 1)
    seen = (count > 0).astype(np.float64)
    sigma = SMOOTHING_S * body.fps
    weight = gaussian_filter1d(seen, sigma, mode="constant")
    smooth = gaussian_filter1d(curve * seen, sigma, mode="constant") / np.maximum(weight, 1e-12)
    order = max(1, round(NEIGHBOURHOOD_S * body.fps))
    at = np.flatnonzero(_strict_minima(smooth, order))
    at = at[(seen[at - 1] > 0) & (seen[at] > 0) & (seen[at + 1] > 0)] if len(at) else at
    before, here, after = smooth[at - 1], smooth[at], smooth[at + 1]
    shift = 0.5 * (before - after) / (before - 2.0 * here + after)
    return np.asarray((at + shift + 0.5) / body.fps, np.float64)


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
    both = 2.0 * heard * danced / np.maximum(heard + danced, 1e-300)
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
