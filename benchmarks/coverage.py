"""Do 95 % intervals hold their truth? Populations whose truth is known, drawn over and over.

`python -m benchmarks.coverage [--runs 100]` prints the table of docs/statistics.md. The tests run a small part of it,
and with `-m nightly` all of it.

Legend: n songs, m windows of each, D features.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import linalg

from evaluation.metrics.distances import frechet_distance, manifold_scores
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import Design
from evaluation.stats.manifold import density_interval, manifold_estimates, share_interval
from evaluation.stats.means import mean_interval
from evaluation.stats.pairs import diversity_estimate, kernel_estimate
from evaluation.stats.verdicts import Question, judge

SIZES = (20, 40, 100, 200, 500)
WIDTHS = (20, 66, 72)
METRICS = ("fid", "kid", "div", "precision", "recall", "density", "coverage", "mean")


@dataclass(frozen=True)
class Population:
    """What the prediction differs in from a reference of independent columns with deviations from 1.6 to 0.3.

    Attributes:
        shift: of each mean, in deviations.
        scale: of each deviation; one for every other column where two are given.
        tails: degrees of freedom of both sides' t distribution, 0 for normal ones.
        windows: of each song, correlated by one half.
        mixed: correlation of all columns of the prediction with each other.
    """

    shift: float = 0.0
    scale: tuple[float, ...] = (1.0,)
    tails: int = 0
    windows: int = 1
    mixed: float = 0.0

    def draw(self, rng: np.random.Generator, songs: int, width: int, *, real: bool) -> np.ndarray:
        """(songs * windows, width) clips, those of a song together."""
        shared = rng.normal(size=(songs, 1, width))
        own = rng.normal(size=(songs, self.windows, width))
        clips = own if self.windows == 1 else np.sqrt(0.5) * (shared + own)
        if self.tails:
            heavy = rng.chisquare(self.tails, size=(songs, 1, 1)) / (self.tails - 2)
            clips = clips / np.sqrt(heavy)
        mean, root = self.moments(width, real=real)
        return (clips @ root + mean).reshape(-1, width)

    def moments(self, width: int, *, real: bool) -> tuple[np.ndarray, np.ndarray]:
        """Mean, and R with the covariance R^T R."""
        deviation = np.linspace(1.6, 0.3, width)
        if real:
            return np.zeros(width), np.diag(deviation)
        scaled = deviation * np.resize(self.scale, width)
        correlation = (1 - self.mixed) * np.eye(width) + self.mixed
        return self.shift * deviation, linalg.cholesky(correlation) * scaled


POPULATIONS = {
    "same": Population(),
    "shift": Population(shift=0.3),
    "collapsed": Population(scale=(0.5,)),
    "wider": Population(scale=(1.5,)),
    "heavy tails": Population(shift=0.3, tails=5),
    "songs x 8": Population(shift=0.3, windows=8),
    "half frozen": Population(scale=(1.0, 0.1)),
    "all as one": Population(mixed=0.5),
}


def units_of(songs: int, windows: int) -> list[np.ndarray]:
    """Rows of each song."""
    return list(np.arange(songs * windows).reshape(songs, windows))


def true_frechet(population: Population, width: int) -> float:
    """FID of the populations, from their moments."""
    (mean, root), (origin, other) = (population.moments(width, real=real) for real in (False, True))
    overlap = linalg.svdvals(root @ other.T).sum()
    return max(0.0, float(((mean - origin) ** 2).sum() + (root**2).sum() + (other**2).sum() - 2 * overlap))


@cache
def truths(population: Population, songs: int, width: int) -> dict[str, tuple[float, float]]:
    """Metric -> truth and the error it is known to, from closed forms or from many draws."""
    rng = np.random.default_rng(99)
    alone = Population(population.shift, population.scale, population.tails, 1, population.mixed)
    many = 2000
    made, real = (alone.draw(rng, many, width, real=real) for real in (False, True))
    design = Design.of(units_of(many, 1), units_of(many, 1), rng)
    kid, div = kernel_estimate(made, real, design), diversity_estimate(made, design.generated)
    mean, _ = population.moments(width, real=False)
    found = {
        "fid": (true_frechet(population, width), 1e-9),
        "kid": (kid.value, 2 * kid.deviation),
        "div": (div.value, 2 * div.deviation),
        "mean": (float(mean[0]), 0.0),
    }
    repeats = 200 if songs <= 100 else 40
    scores = []
    for _ in range(repeats):
        sides = (population.draw(rng, songs, width, real=real) for real in (False, True))
        score = manifold_scores(*sides)
        scores.append((score.precision, score.recall, score.density, score.coverage))
    centre, error = np.mean(scores, axis=0), np.std(scores, axis=0) / np.sqrt(repeats)
    names = ("precision", "recall", "density", "coverage")
    return found | {name: (float(centre[at]), float(error[at])) for at, name in enumerate(names)}


def intervals(
    population: Population, songs: int, width: int, rng: np.random.Generator
) -> Iterator[tuple[str, Interval]]:
    """One draw of both sides, and every interval of it."""
    made, real = (population.draw(rng, songs, width, real=real) for real in (False, True))
    units = units_of(songs, population.windows)
    design = Design.of(units, units, rng)
    yield "fid", frechet_estimate(made, real, design, rng).interval(minimum=0.0)
    yield "kid", kernel_estimate(made, real, design).interval()
    yield "div", diversity_estimate(made, design.generated).interval(minimum=0.0)
    scores = manifold_estimates(made, real, design)
    for name in ("precision", "recall", "coverage"):
        yield name, share_interval(scores[name], songs, songs)
    yield "density", density_interval(scores["density"], scores["precision"], songs, songs)
    yield "mean", mean_interval(made[:, 0], units)


def coverage(population: Population, songs: int, width: int, runs: int, seed: int = 1) -> dict[str, float]:
    """Metric -> share of runs whose interval holds the truth, within the error the truth is known to."""
    known, rng = truths(population, songs, width), np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {name: [] for name in METRICS}
    for _ in range(runs):
        for name, found in intervals(population, songs, width, rng):
            truth, error = known[name]
            hits[name].append(found.low - error <= truth <= found.high + error)
    return {name: float(np.mean(held)) for name, held in hits.items()}


def wrong_verdicts(
    first: Population, second: Population, songs: int, width: int, runs: int
) -> tuple[float, float]:
    """Share of comparisons by FID whose verdict is wrong, and whose verdict is right.

    Both systems draw from the same noise in every second run, as systems that hear the same songs do.
    """
    truth = true_frechet(first, width) - true_frechet(second, width)
    rng, found = np.random.default_rng(2), []
    for run in range(runs):
        seeds = rng.integers(1 << 30, size=2)
        if run % 2:
            seeds[1] = seeds[0]
        made, other = (
            population.draw(np.random.default_rng(seed), songs, width, real=False)
            for population, seed in zip((first, second), seeds, strict=True)
        )
        real = Population(tails=first.tails, windows=first.windows).draw(rng, songs, width, real=True)
        if first.windows != second.windows:
            other = Population(second.shift, second.scale, second.tails, first.windows, second.mixed).draw(
                np.random.default_rng(seeds[1]), songs, width, real=False
            )
        units = units_of(songs, first.windows)
        design = Design.of(units, units, rng)
        one, two = (frechet_estimate(side, real, design, np.random.default_rng(0)) for side in (made, other))
        found.append(judge({"fid": Question(one.minus(two), songs, False)}, rng)["fid"].verdict)
    right, wrong = ("better", "worse") if truth < 0 else ("worse", "better")
    return found.count(wrong) / runs, found.count(right) / runs


def resampled_interval(
    made: np.ndarray, real: np.ndarray, rng: np.random.Generator, replicates: int = 200
) -> tuple[float, float]:
    """FID's interval as it was made before: the plain value in random halves, written plainly."""
    halves = [
        frechet_distance(*(side[rng.permutation(len(side))[: len(side) // 2]] for side in (made, real)))
        for _ in range(replicates)
    ]
    centre = 2 * frechet_distance(made, real) - np.mean(halves)
    below, above = np.quantile(np.array(halves) - np.mean(halves), [0.025, 0.975])
    return max(0.0, centre - above), max(0.0, centre - below)


def resampled_coverage(population: Population, songs: int, width: int, runs: int) -> float:
    """Coverage of :func:`resampled_interval`."""
    truth, rng, held = true_frechet(population, width), np.random.default_rng(1), []
    for _ in range(runs):
        low, high = resampled_interval(
            *(population.draw(rng, songs, width, real=real) for real in (False, True)), rng
        )
        held.append(low <= truth <= high)
    return float(np.mean(held))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Coverage of 95 % intervals, simulated.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    arguments = parser.parse_args()
    print("| population | n | features | " + " | ".join(METRICS) + " |")
    print("|---|---|---|" + "---|" * len(METRICS))
    for name, population in POPULATIONS.items():
        for songs in arguments.sizes:
            for width in arguments.widths:
                found = coverage(population, songs, width, arguments.runs)
                cells = " | ".join(f"{found[metric]:.0%}" for metric in METRICS)
                print(f"| {name} | {songs} | {width} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
