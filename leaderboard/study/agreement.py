"""How far people agree with each other, with one scale of strength, and with the metrics.

Legend: V votes, S systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from leaderboard.study.preferences import Votes, fit_strengths, two_way_variance
from madata.config import ClosedModel

__all__ = ["Agreement", "intransitivity", "krippendorff_alpha", "metric_agreement"]

Floats = npt.NDArray[np.float64]

_SIGNIFICANT = 0.05
_SHUFFLES = 1999
_ROUNDING = 1e-9


def krippendorff_alpha(votes: Votes) -> float:
    """Agreement of raters on the same pair of videos: 1 all alike, 0 as by chance.

    Nominal alpha (K. Krippendorff, Content Analysis, 2004) over what several raters were shown.

    Returns:
        NaN where no two raters saw the same pair, or all said the same of everything.

    Example:
        >>> pair = np.array([0, 0, 0, 0])
        >>> of = dict(first=pair, second=pair + 1, rater=np.array([0, 1, 0, 1]), systems=2)
        >>> krippendorff_alpha(Votes(outcome=np.array([1, 1, -1, -1]), clip=np.array([0, 0, 1, 1]), **of))
        1.0
    """
    low, high = np.minimum(votes.first, votes.second), np.maximum(votes.first, votes.second)
    said = np.where(votes.first == low, votes.outcome, -votes.outcome) + 1
    unit = np.unique(np.stack([low, high, votes.clip]), axis=1, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((int(unit.max()) + 1, 3))
    np.add.at(counts, (unit, said), 1)
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return float("nan")
    size = counts.sum(axis=1, keepdims=True)
    alike = (counts * (counts - 1) / (size - 1)).sum()
    total, marginal = counts.sum(), counts.sum(axis=0)
    by_chance = (marginal * (marginal - 1)).sum() / (total - 1)
    return float(1 - (total - alike) / (total - by_chance)) if total > by_chance else float("nan")


def intransitivity(votes: Votes) -> float:
    """How likely such votes are (p) if one scale of strength were behind them; small where A beats B beats C beats A.

    Likelihood of every pair having a preference of its own against that of the fitted scale (chi squared).

    Returns:
        NaN with fewer than three systems.
    """
    if votes.systems < 3:
        return float("nan")
    wins, ties = votes.counts()
    strengths, _ = fit_strengths(wins, ties)
    upper = np.triu_indices(votes.systems, 1)
    won, lost = wins[upper], wins.T[upper]
    met = won + lost > 0
    expected = 1 / (1 + np.exp(-(strengths[upper[0]] - strengths[upper[1]])))
    own = np.divide(won, won + lost, out=np.full_like(won, 0.5), where=met)

    def likelihood(share: Floats) -> float:
        inside = np.clip(share[met], 1e-9, 1 - 1e-9)
        return float((won[met] * np.log(inside) + lost[met] * np.log1p(-inside)).sum())

    freedom = int(met.sum()) - (votes.systems - 1)
    if freedom < 1:
        return float("nan")
    return float(stats.chi2.sf(max(0.0, 2 * (likelihood(own) - likelihood(expected))), freedom))


class Agreement(ClosedModel):
    """How often a metric says what people say.

    Attributes:
        of_clips: share of decided votes in which the preferred clip has the better value; ``None`` without values of
            single clips.
        interval: 95 % of it, raters and clips drawn anew.
        votes: decided votes it rests on.
        of_systems: Kendall's tau between the orders of systems by the metric and by people; ``None`` for fewer than
            three.
        systems_interval: 95 % of it, raters and clips drawn anew; of other systems it says nothing.
        systems_p: of so large a tau where the metric has nothing to do with people: so few systems have an order in
            common by chance.
    """

    metric: str
    protocol: str
    of_clips: float | None
    interval: tuple[float, float] | None
    votes: int
    of_systems: float | None
    systems_interval: tuple[float, float] | None
    systems_p: float | None

    @property
    def follows(self) -> Literal["with", "against", "open"]:
        """Whether it goes with people or against them: by the votes on clips, or by systems where clips have no value.

        ``open`` where the interval holds what a coin would do, or so few systems would agree by chance.
        """
        ends, coin = (self.interval, 0.5) if self.of_clips is not None else (self.systems_interval, 0.0)
        by_chance = self.of_clips is None and (self.systems_p is None or self.systems_p >= _SIGNIFICANT)
        if by_chance or ends is None or ends[0] <= coin <= ends[1]:
            return "open"
        return "with" if ends[0] > coin else "against"


def metric_agreement(
    metric: str,
    protocol: str,
    votes: Votes,
    clips: Sequence[str],
    values: Mapping[int, Mapping[str, float]],
    of_system: Mapping[int, float],
    share: Floats,
    drawn: Floats,
    rng: np.random.Generator,
    *,
    resamples: int = 400,
) -> Agreement:
    """One metric against the votes on one question.

    Args:
        clips: names by number.
        values: system -> clip -> value, larger is better; may be empty.
        of_system: system -> value of the set, larger is better.
        share: (S,) preference of the systems.
        drawn: (B, S) the same, or what orders them alike, with raters and clips drawn anew.
    """
    nan = float("nan")
    ours = np.array(
        [
            [values.get(system, {}).get(clips[clip], nan) for system in (first, second)]
            for first, second, clip in zip(votes.first, votes.second, votes.clip, strict=True)
        ]
    ).reshape(-1, 2)
    usable = np.isfinite(ours).all(axis=1) & (votes.outcome != 0)
    found, interval = None, None
    if usable.any():
        # a metric that sees no difference is right half of the time
        right = (1 + _signs(ours)[:, 0] * votes.outcome) / 2
        found = float(right[usable].mean())
        interval = _interval(right[usable], votes.of(usable), rng, resamples)
    known = sorted(of_system)
    tau, reach, p = None, None, None
    orders = _signs(np.array([of_system[one] for one in known], np.float64))
    if len(known) > 2 and orders.any():
        tau = float(_taus(orders, share[None, known])[0])
        low, high = np.quantile(_taus(orders, drawn[:, known]), [0.025, 0.975])
        reach = (
            min(tau, float(low)),
            max(tau, float(high)),
        )  # systems that people find alike are never drawn so
        shuffled = _taus(orders, rng.permuted(np.tile(share[known], (_SHUFFLES, 1)), axis=1))
        p = float((1 + (np.abs(shuffled) >= abs(tau) - 1e-9).sum()) / (1 + _SHUFFLES))
    return Agreement(
        metric=metric,
        protocol=protocol,
        of_clips=found,
        interval=interval,
        votes=int(usable.sum()),
        of_systems=tau,
        systems_interval=reach,
        systems_p=p,
    )


def _signs(values: Floats) -> Floats:
    """(..., P) which of every two of (..., S) values is the larger: 1, -1, or 0 where they are alike."""
    first, second = np.triu_indices(values.shape[-1], 1)
    one, other = values[..., first], values[..., second]
    alike = np.abs(one - other) <= _ROUNDING * np.maximum(np.abs(one), np.abs(other))
    return np.where(alike, 0.0, np.sign(one - other))


def _taus(order: Floats, values: Floats) -> Floats:
    """(B,) Kendall's tau-b of an order, as (P,) signs, with those of (B, S) values; 0 where these are all alike."""
    signs = _signs(values)
    resolved = np.sqrt(np.count_nonzero(order) * np.count_nonzero(signs, axis=-1).astype(np.float64))
    return np.asarray(np.divide(signs @ order, resolved, out=np.zeros(len(values)), where=resolved > 0))


def _interval(
    right: Floats, votes: Votes, rng: np.random.Generator, resamples: int
) -> tuple[float, float] | None:
    """Of a share of votes, by raters and clips; ``None`` with fewer than two of either.

    Where all votes say the same, their spread says nothing of those that were not seen: it reaches as far as the share
    of raters or clips that say otherwise may be (Clopper & Pearson 1934).
    """
    groups = [np.unique(one, return_inverse=True)[1] for one in (votes.rater, votes.clip)]
    if min(int(group.max()) for group in groups) < 1:
        return None
    groups.append(np.arange(len(votes)))
    variances = []
    for group in groups:
        weights = rng.exponential(size=(resamples, int(group.max()) + 1))[:, group]
        variances.append(float(((weights * right).sum(axis=1) / weights.sum(axis=1)).var()))
    variance = float(two_way_variance([np.array(one) for one in variances]))
    freedom = min(int(group.max()) for group in groups[:2])
    reach = float(stats.t.ppf(0.975, freedom)) * variance**0.5
    centre = float(right.mean())
    if np.ptp(right) == 0:
        unseen = float(stats.beta.ppf(0.975, 1, freedom + 1))
        return centre - unseen * centre, centre + unseen * (1 - centre)
    return max(0.0, centre - reach), min(1.0, centre + reach)
