"""From votes to strengths: Bradley-Terry with ties, and how sure it is.

The model is R. R. Davidson's (1970): of two systems of strengths a and b, A is preferred with probability
``a / (a + b + v sqrt(a b))`` and neither with ``v sqrt(a b) / (a + b + v sqrt(a b))``. What is reported of a system is
its preference: the share of votes it wins against an average rival, ties counting half.

Raters and clips are both samples. Raters are drawn anew, clips are, and single votes are; the variance of the first
two less that of the third is that of both ways of clustering (A. C. Cameron, J. B. Gelbach and D. L. Miller, 2011), so
that a thousand votes of three people do not pass for a thousand.

Legend: S systems, V votes, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special, stats

__all__ = ["Preferences", "Votes", "fit_strengths", "preferences", "shares", "two_way_variance"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_RIDGE = 0.02
"""Pseudo-votes that keep a system without a win finite: as if each pair had met so often in addition, and tied."""
_STEPS = 40


@dataclass(frozen=True)
class Votes:
    """Votes on pairs of systems.

    Attributes:
        first, second: (V,) numbers of the systems, as they stood from left to right.
        outcome: (V,) 1 where the first was preferred, -1 the second, 0 neither.
        rater, clip: (V,) who voted on what.
        systems: how many there are.
    """

    first: Ints
    second: Ints
    outcome: Ints
    rater: Ints
    clip: Ints
    systems: int

    def __len__(self) -> int:
        return len(self.first)

    def of(self, chosen: npt.NDArray[np.bool_]) -> Votes:
        """Some of them."""
        return replace(
            self,
            first=self.first[chosen],
            second=self.second[chosen],
            outcome=self.outcome[chosen],
            rater=self.rater[chosen],
            clip=self.clip[chosen],
        )

    def counts(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Wins of row over column, and ties (symmetric), weighted: (..., S, S) each for weights (..., V)."""
        weights = np.ones(len(self)) if weights is None else weights
        winner = np.where(self.outcome > 0, self.first, self.second)
        loser = np.where(self.outcome > 0, self.second, self.first)
        place, cells = winner * self.systems + loser, self.systems**2
        of_cell = np.zeros((len(self), 2 * cells))
        of_cell[np.arange(len(self)), place + cells * (self.outcome == 0)] = 1.0
        shape = (*weights.shape[:-1], 2, self.systems, self.systems)
        counted = (weights @ of_cell).reshape(shape)
        wins, ties = counted[..., 0, :, :], counted[..., 1, :, :]
        return wins, ties + np.swapaxes(ties, -1, -2)


def fit_strengths(wins: Floats, ties: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the strengths (..., S), mean 0, and the tie parameters v (...), of one or many tables of counts.

    Maximum of the likelihood with a trace of tied pseudo-votes, by Newton's method in the logarithms.

    Args:
        wins: (..., S, S) of row over column.
        ties: (..., S, S), symmetric.

    Example:
        >>> wins = np.array([[0.0, 30], [10, 0]])
        >>> strengths, tie = fit_strengths(wins, np.zeros((2, 2)))
        >>> round(float(np.exp(strengths[0] - strengths[1])), 1), float(tie) < 0.1
        (3.0, True)
    """
    count = wins.shape[-1]
    first, second = np.triu_indices(count, 1)
    won, lost, tied = wins[..., first, second], wins[..., second, first], ties[..., first, second]
    trace = _RIDGE * (won + lost + tied > 0)
    won, lost, tied = won + trace, lost + trace, tied + trace
    total = won + lost + tied
    # parameters: S log strengths and the log of v; a row of ``design`` is a pair
    design = np.zeros((len(first), count))
    design[np.arange(len(first)), first], design[np.arange(len(first)), second] = 1.0, -1.0
    theta = np.zeros((*wins.shape[:-2], count + 1))
    for _ in range(_STEPS):
        gap, tie = theta[..., :-1] @ design.T, theta[..., -1:]
        odds = np.stack([gap / 2, -gap / 2, np.broadcast_to(tie, gap.shape)])
        share = np.exp(odds - odds.max(axis=0))
        share /= share.sum(axis=0)
        lead = share[0] - share[1]
        gradient = np.concatenate(
            [
                ((won - lost - total * lead) / 2) @ design - theta[..., :-1].mean(axis=-1, keepdims=True),
                (tied - total * share[2]).sum(axis=-1, keepdims=True),
            ],
            axis=-1,
        )
        curvature = np.zeros((*wins.shape[:-2], count + 1, count + 1))
        of_gap = total * (share[0] + share[1] - lead**2) / 4
        curvature[..., :-1, :-1] = np.einsum("...p,pi,pj->...ij", of_gap, design, design)
        curvature[..., :-1, :-1] += 1.0 / count + 1e-9 * np.eye(count)  # the mean is free: it is pinned at 0
        cross = (-total * lead * share[2] / 2) @ design
        curvature[..., :-1, -1] = curvature[..., -1, :-1] = cross
        curvature[..., -1, -1] = (total * share[2] * (1 - share[2])).sum(axis=-1) + 1e-9
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        largest = np.abs(step).max(axis=-1, keepdims=True)
        theta += step * np.minimum(1.0, 2.0 / np.maximum(largest, 1e-12))
        if largest.max() < 1e-8:
            break
    strengths = theta[..., :-1]
    return strengths - strengths.mean(axis=-1, keepdims=True), np.exp(theta[..., -1])


def shares(strengths: Floats, tie: float) -> Floats:
    """(..., S) share of votes each would win against an average rival, ties counting half.

    Example:
        >>> shares(np.array([0.0, 0.0, 0.0]), 0.5).tolist()
        [0.5, 0.5, 0.5]
    """
    ratio = np.exp((strengths[..., :, None] - strengths[..., None, :]) / 2)
    won = (ratio + tie / 2) / (ratio + 1 / ratio + tie)
    count = strengths.shape[-1]
    return np.asarray((won.sum(axis=-1) - 0.5) / (count - 1), np.float64)  # against itself: a half


@dataclass(frozen=True)
class Preferences:
    """What votes say of the systems.

    Attributes:
        share: (S,) preference of each, 0..1.
        interval: (S, 2) 95 % of it.
        ranks: (S, 2) best and worst rank that the votes allow.
        tie: the tie parameter.
        better: (S, S) how sure it is that row is preferred to column, 0..1.
        needed: votes in all that would tell the first two apart with 80 % power, ``None`` where they are apart.
        votes: V.
        drawn: (B, S) log strengths with raters and clips drawn anew at once.
    """

    share: Floats
    interval: Floats
    ranks: Ints
    tie: float
    better: Floats
    needed: int | None
    votes: int
    drawn: Floats


def preferences(votes: Votes, rng: np.random.Generator, *, resamples: int = 400) -> Preferences:
    """Fit the votes and say how sure the result is.

    Raises:
        ValueError: fewer than two raters or two clips, or systems that never met.
    """
    raters, clips = (np.unique(one, return_inverse=True) for one in (votes.rater, votes.clip))
    if min(len(raters[0]), len(clips[0])) < 2:
        raise ValueError("needs two raters and two clips at least")
    if not _connected(votes):
        raise ValueError("some systems never met, not even through others")
    strengths, ties = fit_strengths(*votes.counts())
    tie = float(ties)
    drawn = _drawn(votes, (raters[1], clips[1], np.arange(len(votes))), rng, resamples)
    freedom = min(len(raters[0]), len(clips[0])) - 1
    share = shares(strengths, tie)
    # on the scale of log odds no interval leaves 0..1
    odds = [_log_odds(shares(way, tie)) for way in drawn]
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(two_way_variance([way.var(axis=0) for way in odds]))
    centre = _log_odds(share)
    apart = [way[:, :, None] - way[:, None, :] for way in drawn]
    deviation = np.sqrt(two_way_variance([way.var(axis=0) for way in apart]))
    gap = strengths[:, None] - strengths[None, :]
    better = stats.t.cdf(gap / np.where(deviation > 0, deviation, 1.0), freedom)
    return Preferences(
        share=share,
        interval=special.expit(np.stack([centre - reach, centre + reach], axis=1)),
        ranks=_ranks(better),
        tie=tie,
        better=better,
        needed=_needed(strengths, deviation, len(votes), freedom),
        votes=len(votes),
        drawn=_drawn_at_once(votes, (raters[1], clips[1]), rng, resamples),
    )


def _drawn(votes: Votes, groups: tuple[Ints, ...], rng: np.random.Generator, resamples: int) -> list[Floats]:
    """Strengths (B, S) with the members of each grouping drawn anew."""
    ways = []
    for group in groups:
        # exponential weights: every member keeps some, so that no resample falls apart
        weights = rng.exponential(size=(resamples, int(group.max()) + 1))
        ways.append(fit_strengths(*votes.counts(weights[:, group]))[0])
    return ways


def _drawn_at_once(
    votes: Votes, groups: tuple[Ints, ...], rng: np.random.Generator, resamples: int
) -> Floats:
    """Strengths (B, S) with the members of all groupings drawn anew: a vote weighs what its rater and clip do."""
    weights = np.ones((resamples, len(votes)))
    for group in groups:
        weights *= rng.exponential(size=(resamples, int(group.max()) + 1))[:, group]
    return fit_strengths(*votes.counts(weights))[0]


def two_way_variance(ways: Sequence[Floats]) -> Floats:
    """Variance under both clusterings, from those with raters, clips and votes drawn anew.

    Never less than that of the larger clustering alone.
    """
    by_rater, by_clip, by_vote = ways
    both: Floats = np.maximum(by_rater + by_clip - by_vote, np.maximum(by_rater, by_clip))
    return both


def _log_odds(share: Floats) -> Floats:
    odds: Floats = special.logit(np.clip(share, 1e-6, 1 - 1e-6))
    return odds


def _connected(votes: Votes) -> bool:
    met = np.eye(votes.systems, dtype=bool)
    met[votes.first, votes.second] = met[votes.second, votes.first] = True
    for _ in range(votes.systems):
        met = (met.astype(int) @ met.astype(int)) > 0
    return bool(met.all())


def _ranks(better: Floats) -> Ints:
    """Best and worst rank of each system: those surely above it, and those surely below it, over all pairs at once."""
    count = len(better)
    sure = 1 - 0.025 / max(1, count * (count - 1) // 2)  # over all pairs
    above, below = (sure < better.T).sum(axis=1), (better > sure).sum(axis=1)
    return np.stack([above + 1, count - below], axis=1)


def _needed(strengths: Floats, deviation: Floats, votes: int, freedom: int) -> int | None:
    """Votes that would tell the first two apart in 80 % of studies."""
    first, second = np.argsort(-strengths)[:2]
    gap = float(strengths[first] - strengths[second])
    edge = float(stats.t.ppf(0.975, freedom))
    if gap > edge * deviation[first, second] or gap <= 0:
        return None
    return int(np.ceil(votes * ((edge + stats.norm.ppf(0.8)) * float(deviation[first, second]) / gap) ** 2))
