"""Raters that never were: how often the intervals of a study hold the truth, and whether odd raters are found.

    python -m benchmarks.study [STUDIES]

Systems have strengths that differ between raters and clips, as tastes and songs do. The truth is the preference in the
whole population of both.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.study.preferences import Votes, preferences

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Who votes on what.

    Attributes:
        strengths: (S,) logarithms, best last.
        taste, song: standard deviations of strengths between raters, and between clips.
        tie: tie parameter.
    """

    strengths: tuple[float, ...] = (-0.6, -0.2, 0.2, 0.6)
    taste: float = 0.4
    song: float = 0.5
    tie: float = 0.6

    def chances(self, gap: Floats) -> Floats:
        """(3, ...) of winning, tying and losing at a gap of log strengths."""
        odds = np.stack([np.exp(gap / 2), np.full_like(gap, self.tie), np.exp(-gap / 2)])
        chances: Floats = odds / odds.sum(axis=0)
        return chances

    def truth(self, rng: np.random.Generator) -> Floats:
        """(S,) preference in the whole population."""
        spread = rng.normal(size=20_000) * np.sqrt(2 * (self.taste**2 + self.song**2))
        theta = np.array(self.strengths)
        gaps = theta[:, None, None] - theta[None, :, None] + spread
        won, tied, _ = self.chances(gaps)
        share = (won + tied / 2).mean(axis=-1)
        np.fill_diagonal(share, 0.0)
        preference: Floats = share.sum(axis=1) / (len(theta) - 1)
        return preference

    def votes(self, raters: int, clips: int, each: int, rng: np.random.Generator) -> Votes:
        """Each rater votes on ``each`` pairs."""
        count, total = len(self.strengths), raters * each
        rater, clip = np.repeat(np.arange(raters), each), rng.integers(clips, size=total)
        first = rng.integers(count, size=total)
        second = (first + rng.integers(1, count, size=total)) % count
        theta = np.array(self.strengths)
        of_rater, of_clip = (
            rng.normal(0, size, (many, count)) for size, many in ((self.taste, raters), (self.song, clips))
        )
        strength = theta + of_rater[rater] + of_clip[clip]
        at = np.arange(total)
        won, tied, _ = self.chances(strength[at, first] - strength[at, second])
        drawn = rng.random(total)
        outcome = np.where(drawn < won, 1, np.where(drawn < won + tied, 0, -1))
        return Votes(first, second, outcome, rater, clip, count)


def covered(
    population: Population, studies: int, shape: tuple[int, int, int], *, resamples: int = 200, seed: int = 0
) -> tuple[float, float, float]:
    """Share of intervals that hold the truth, of studies all of whose rank intervals do, and their mean width."""
    rng = np.random.default_rng(seed)
    truth = population.truth(rng)
    order = np.argsort(np.argsort(-truth)) + 1
    held, ranked, width = [], [], []
    for _ in range(studies):
        found = preferences(population.votes(*shape, rng), rng, resamples=resamples)
        held.append((found.interval[:, 0] <= truth) & (truth <= found.interval[:, 1]))
        ranked.append(((found.ranks[:, 0] <= order) & (order <= found.ranks[:, 1])).all())
        width.append(np.diff(found.interval).mean())
    return float(np.mean(held)), float(np.mean(ranked)), float(np.mean(width))


def main(studies: int) -> None:
    """Print the table of docs/study.md."""
    print(
        "| raters | clips | votes of each | systems | intervals that hold | rank intervals that all hold | width |"
    )
    print("|---|---|---|---|---|---|---|")
    for systems, shape in (
        (4, (6, 10, 20)),
        (4, (15, 20, 20)),
        (3, (30, 12, 12)),
        (6, (10, 30, 30)),
        (4, (60, 20, 12)),
    ):
        population = Population(tuple(np.linspace(-0.6, 0.6, systems)))
        raters, clips, each = shape
        held, ranked, width = covered(population, studies, (raters, clips, each))
        print(f"| {raters} | {clips} | {each} | {systems} | {held:.1%} | {ranked:.1%} | {width:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
