"""Do 95 % intervals hold their truth, and do verdicts point the right way? Populations of known truth, drawn anew.

`python -m benchmarks.coverage [--draws 40]` prints the tables of docs/statistics.md. The tests run a small part of it,
and with `-m nightly` all of it.

Legend: n songs, m windows of each, D features.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import linalg

from evaluation.metrics.distances import frechet_distance, manifold_scores
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import BlockEstimate, Design, distance_to
from evaluation.stats.manifold import density_interval, manifold_estimates, share_interval
from evaluation.stats.means import mean_interval
from evaluation.stats.pairs import diversity_estimate, kernel_estimate
from evaluation.stats.verdicts import Question, clips_needed, judge

Array = npt.NDArray[np.float64]

SIZES = (20, 40, 100, 200, 500)
WIDTHS = (20, 66, 72)
SHARES = ("precision", "recall", "density", "coverage")
MEANS = {
    "mean": lambda values: values,
    "squares": np.square,  # long tails to one side, as PFC has
    "beats": lambda values: np.exp(-np.square(values) / 2),  # between 0 and 1, as BAS is
    "rare": lambda values: (values > 2.0) * 1.0,  # in one clip of twenty, as missing joints are
}
BOUNDED = ("beats", "rare")
DIFFERENCES = {"fid": "ΔFID", "kid": "ΔKID", "div": "ΔDIV"}
METRICS = ("fid", "kid", "div", *SHARES, *MEANS, *DIFFERENCES.values())
_WIDEST = 1.6


@dataclass(frozen=True)
class Population:
    """What the prediction differs in from a reference of independent columns with deviations from 1.6 to 0.3.

    Attributes:
        shift: of each mean, in deviations.
        scale: of each deviation; one for every other column where two are given.
        tails: degrees of freedom of both sides' t distribution, 0 for normal ones.
        windows: of each song, correlated by one half.
        mixed: correlation of all columns of the prediction with each other.
        shared: correlation of a clip with the real one to the same music; both sides are then left out together.
    """

    shift: float = 0.0
    scale: tuple[float, ...] = (1.0,)
    tails: int = 0
    windows: int = 1
    mixed: float = 0.0
    shared: float = 0.0

    def noise(self, rng: np.random.Generator, songs: int, width: int) -> Array:
        """(songs, windows, width) of variance 1."""
        clips = rng.normal(size=(songs, self.windows, width))
        if self.windows > 1:
            clips = math.sqrt(0.5) * (rng.normal(size=(songs, 1, width)) + clips)
        if self.tails:
            clips = clips / np.sqrt(rng.chisquare(self.tails, size=(songs, 1, 1)) / (self.tails - 2))
        return clips

    def placed(self, noise: Array, *, real: bool = False) -> Array:
        """(songs * windows, width) clips, those of a song together."""
        width = noise.shape[-1]
        mean, root = self.moments(width, real=real)
        return np.asarray((noise @ root + mean).reshape(-1, width))

    def sides(self, rng: np.random.Generator, songs: int, width: int) -> tuple[Array, Array]:
        """Prediction and reference."""
        made, real = (self.noise(rng, songs, width) for _ in range(2))
        made = math.sqrt(self.shared) * real + math.sqrt(1 - self.shared) * made
        return self.placed(made), self.placed(real, real=True)

    def moments(self, width: int, *, real: bool = False) -> tuple[Array, Array]:
        """Mean, and R with the covariance R^T R."""
        deviation = np.linspace(_WIDEST, 0.3, width)
        if real:
            return np.zeros(width), np.diag(deviation)
        scaled = deviation * np.resize(self.scale, width)
        correlation = (1 - self.mixed) * np.eye(width) + self.mixed
        return self.shift * deviation, linalg.cholesky(correlation) * scaled


POPULATIONS = {
    "shift": Population(shift=0.3),
    "collapsed": Population(scale=(0.5,)),
    "wider": Population(scale=(1.5,)),
    "heavy tails": Population(shift=0.3, tails=5),
    "songs x 8": Population(shift=0.3, windows=8),
    "same": Population(),
    "same music": Population(shift=0.3, shared=0.5),
    "half frozen": Population(scale=(1.0, 0.1)),
    "all as one": Population(mixed=0.5),
    "one factor": Population(mixed=0.9),
}


def units_of(songs: int, windows: int) -> list[npt.NDArray[np.intp]]:
    """Rows of each song."""
    return list(np.arange(songs * windows).reshape(songs, windows))


def true_frechet(population: Population, width: int) -> float:
    """FID of the populations, from their moments."""
    (mean, root), (origin, other) = (population.moments(width, real=real) for real in (False, True))
    overlap = linalg.svdvals(root @ other.T).sum()
    return max(0.0, float(((mean - origin) ** 2).sum() + (root**2).sum() + (other**2).sum() - 2 * overlap))


def true_kernel(population: Population, width: int) -> float:
    """KID of the populations, from their moments; a t distribution has the same ones as far as the kernel asks."""

    def expected(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
        (m, s), (q, p) = ((mean, root.T @ root) for mean, root in (first, second))
        once = m @ q
        twice = once**2 + m @ p @ m + q @ s @ q + np.trace(s @ p)
        thrice = (
            once**3 + 3 * once * (m @ p @ m) + 3 * once * (q @ s @ q + np.trace(s @ p)) + 6 * (m @ p @ s @ q)
        )
        return float(1 + 3 * once / width + 3 * twice / width**2 + thrice / width**3)

    made, real = (population.moments(width, real=real) for real in (False, True))
    return expected(made, made) + expected(real, real) - 2 * expected(made, real)


@cache
def true_diversity(population: Population, width: int) -> float:
    """Mean distance of two clips, from many pairs."""
    rng, alone = np.random.default_rng(98), replace(population, windows=1)
    found = [
        np.linalg.norm(np.subtract(*(alone.placed(alone.noise(rng, 4000, width)) for _ in range(2))), axis=1)
        for _ in range(10)
    ]
    return float(np.mean(found))


@cache
def true_means(population: Population) -> dict[str, float]:
    """What the first column comes to, by the means that are looked at."""
    rng, alone = np.random.default_rng(97), replace(population, windows=1)
    column = alone.placed(alone.noise(rng, 400_000, 2))[:, 0] / _WIDEST
    return {name: float(mean(column).mean()) for name, mean in MEANS.items()}


@cache
def true_shares(population: Population, songs: int, width: int) -> dict[str, float]:
    """Mean of what is printed of so many clips."""
    rows, rng = songs * population.windows, np.random.default_rng(99)
    repeats = 100 if rows <= 400 else 40 if rows <= 1000 else 15
    scores = [manifold_scores(*population.sides(rng, songs, width)) for _ in range(repeats)]
    return {name: float(np.mean([getattr(score, name) for score in scores])) for name in SHARES}


def truths(population: Population, songs: int, width: int) -> dict[str, float]:
    """Metric -> truth."""
    other = opponent(population)
    found = {
        "fid": true_frechet(population, width),
        "kid": true_kernel(population, width),
        "div": true_diversity(population, width),
        "ΔFID": true_frechet(population, width) - true_frechet(other, width),
        "ΔKID": true_kernel(population, width) - true_kernel(other, width),
    }
    real, rival = (true_diversity(one, width) for one in (replace(population, **_REAL), other))
    found["ΔDIV"] = abs(found["div"] - real) - abs(rival - real)
    return found | true_means(population) | true_shares(population, songs, width)


_REAL = {"shift": 0.0, "scale": (1.0,), "mixed": 0.0}


def opponent(population: Population) -> Population:
    """The system it is compared with: a perfect one, or a collapsed one where it is perfect itself."""
    perfect = replace(population, **_REAL)
    return replace(perfect, scale=(0.5,)) if population == perfect else perfect


@dataclass
class Cell:
    """What became of the draws of one population, size and width.

    Attributes:
        held: metric -> draws whose interval held the truth.
        wrong, right: metric -> comparisons whose verdict was in the wrong or in the right direction.
    """

    draws: int = 0
    held: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def coverage(self, metric: str) -> float:
        """Share of draws whose interval held the truth."""
        return self.held[metric] / self.draws

    def add(self, other: Cell) -> None:
        """Count the draws of another cell to these."""
        self.draws += other.draws
        for mine, more in ((self.held, other.held), (self.wrong, other.wrong), (self.right, other.right)):
            mine.update(more)


def simulate(population: Population, songs: int, width: int, draws: int, seed: int = 1) -> Cell:
    """Every interval that is printed, and the verdicts against a rival, over so many draws.

    The rival draws from the same noise in every second draw, as systems that hear the same songs do.
    """
    known, rival = truths(population, songs, width), opponent(population)
    rng, cell, units = (
        np.random.default_rng([seed, songs, width]),
        Cell(),
        units_of(songs, population.windows),
    )
    for draw in range(draws):
        made, real = population.sides(rng, songs, width)
        mean, root = population.moments(width)
        noise = linalg.solve(root.T, (made - mean).T).T.reshape(songs, -1, width)
        other = rival.placed(noise if draw % 2 else population.noise(rng, songs, width))
        design = Design.of(units, units, rng, paired=population.shared > 0)
        estimates = {
            name: tuple(_estimate(name, side, real, design) for side in (made, other)) for name in DIFFERENCES
        }
        found = {
            name: first.interval(minimum=-np.inf if name == "kid" else 0.0)
            for name, (first, _) in estimates.items()
        }
        estimates["div"] = tuple(_to_reference(one, real, design) for one in estimates["div"])
        found |= _shares(made, real, design) | _means(made[:, 0] / _WIDEST, units)
        questions = {name: Question(one.minus(two), songs, False) for name, (one, two) in estimates.items()}
        for name, judged in judge(questions, rng).items():
            truth = known[DIFFERENCES[name]]
            found[DIFFERENCES[name]] = Interval(judged.difference, judged.low, judged.high, "", 0.95)
            cell.wrong[name] += judged.verdict == ("better" if truth > 0 else "worse")
            cell.right[name] += judged.verdict == ("worse" if truth > 0 else "better")
        cell.draws += 1
        cell.held.update(
            name for name in METRICS if name not in found or found[name].holds(known[name])
        )  # one that is absent, for a reason, claims nothing
    return cell


def _estimate(name: str, made: Array, real: Array, design: Design) -> BlockEstimate:
    if name == "fid":
        return frechet_estimate(made, real, design, np.random.default_rng(0))
    if name == "kid":
        return kernel_estimate(made, real, design)
    return diversity_estimate(made, design.generated)


def _to_reference(diversity: BlockEstimate, real: Array, design: Design) -> BlockEstimate:
    return distance_to(diversity, diversity_estimate(real, design.reference), paired=design.paired)


def _shares(made: Array, real: Array, design: Design) -> dict[str, Interval]:
    scores, songs = manifold_estimates(made, real, design), len(design.generated.units)
    found = {name: share_interval(scores[name], songs, songs) for name in SHARES}
    return found | {"density": density_interval(scores["density"], scores["precision"], songs, songs)}


def _means(column: Array, units: list[npt.NDArray[np.intp]]) -> dict[str, Interval]:
    found = {}
    for name, mean in MEANS.items():
        limits = {"minimum": 0.0, "maximum": 1.0} if name in BOUNDED else {}
        found[name] = mean_interval(mean(column), units, **limits)
    return found


def wrong_verdicts(
    first: Population, second: Population, songs: int, width: int, draws: int
) -> tuple[float, float]:
    """Share of comparisons by FID whose verdict is wrong, and is right; half of them on the same noise."""
    truth = true_frechet(first, width) - true_frechet(second, width)
    rng, found, units = np.random.default_rng(2), Counter[str](), units_of(songs, first.windows)
    for draw in range(draws):
        made, other, real = (first.noise(rng, songs, width) for _ in range(3))
        sides = first.placed(made), second.placed(made if draw % 2 else other)
        design = Design.of(units, units, rng)
        one, two = (_estimate("fid", side, first.placed(real, real=True), design) for side in sides)
        found[judge({"fid": Question(one.minus(two), songs, False)}, rng)["fid"].verdict] += 1
    right, wrong = ("better", "worse") if truth < 0 else ("worse", "better")
    return found[wrong] / draws, found[right] / draws


def power_as_planned(
    first: Population, second: Population, metric: str, songs: int, width: int, draws: int
) -> tuple[int, float]:
    """Clips that studies of ``songs`` clips advise for the true difference, and share of such studies that decide."""
    true, rng = {"fid": true_frechet, "kid": true_kernel}[metric], np.random.default_rng(3)
    truth = true(first, width) - true(second, width)

    def compared(count: int) -> BlockEstimate:
        made, other, real = (first.noise(rng, count, width) for _ in range(3))
        reference, units = first.placed(real, real=True), units_of(count, first.windows)
        design = Design.of(units, units, rng)
        sides = first.placed(made), second.placed(other)
        one, two = (_estimate(metric, side, reference, design) for side in sides)
        return one.minus(two)

    advised = [clips_needed(replace(compared(songs), value=truth), songs) for _ in range(15)]
    count = int(np.median([clips for clips in advised if clips is not None]))
    found = [
        judge({metric: Question(compared(count), count, False)}, rng)[metric].verdict for _ in range(draws)
    ]
    return count, found.count("better" if truth < 0 else "worse") / draws


def resampled_coverage(population: Population, songs: int, width: int, draws: int) -> float:
    """Coverage of FID's interval as it was made before: the plain value in random halves, written plainly."""
    truth, rng, held = true_frechet(population, width), np.random.default_rng(1), []
    for _ in range(draws):
        made, real = population.sides(rng, songs, width)
        halves = np.array(
            [
                frechet_distance(
                    *(side[rng.permutation(len(side))[: len(side) // 2]] for side in (made, real))
                )
                for _ in range(200)
            ]
        )
        centre = 2 * frechet_distance(made, real) - halves.mean()
        below, above = np.quantile(halves - halves.mean(), [0.025, 0.975])
        held.append(max(0.0, centre - above) <= truth <= max(0.0, centre - below))
    return float(np.mean(held))


def main() -> None:
    """Print coverage and verdicts of each population and size, over all widths; beside it the lowest of one width."""
    parser = argparse.ArgumentParser(
        description="Coverage of 95 % intervals and directions of verdicts, simulated."
    )
    parser.add_argument("--draws", type=int, default=40, help="of each population, size and width")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--populations", nargs="+", default=list(POPULATIONS), choices=POPULATIONS)
    arguments = parser.parse_args()
    words = [f"{name}: {word}" for name in DIFFERENCES for word in ("wrong", "right")]
    print("| population | n | " + " | ".join((*METRICS, *words)) + " |")
    print("|---|---|" + "---|" * (len(METRICS) + len(words)))
    for name in arguments.populations:
        for songs in arguments.sizes:
            cells = [
                simulate(POPULATIONS[name], songs, width, arguments.draws, arguments.seed)
                for width in arguments.widths
            ]
            every = Cell()
            for cell in cells:
                every.add(cell)
            shown = [f"{every.coverage(metric):.0%}" for metric in METRICS]
            for place, metric in enumerate(METRICS):
                if (lowest := min(cell.coverage(metric) for cell in cells)) < 0.9:
                    shown[place] += f" ({lowest:.0%})"
            for metric in DIFFERENCES:
                shown += [f"{times[metric] / every.draws:.1%}" for times in (every.wrong, every.right)]
            print(f"| {name} | {songs} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
