"""What certainty costs: every interval of two sets of dances, against the resampling loop written plainly.

`python -m benchmarks.certainty [--clips 300 750 3000]`, in CPU seconds of one thread (set OMP_NUM_THREADS=1), both in
one run. The plain loop computes each metric again in 400 random halves of both sides, as intervals are usually made; it
is timed on 20 of them. Its interval is printed beside ours: it has the bias of few clips in it.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.coverage import units_of
from evaluation.metrics.distances import diversity, frechet_distance, kernel_distance, manifold_scores
from evaluation.stats.frechet import frechet_estimate
from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import Design
from evaluation.stats.manifold import manifold_estimates, share_interval
from evaluation.stats.means import mean_interval
from evaluation.stats.pairs import diversity_estimate, kernel_estimate

HALVES, TIMED = 400, 20
WIDTHS = {"fid_k": 51, "fid_g": 44}
"""Kinetic and limb-angle features of 17 joints in 2D."""

Statistic = Callable[[np.ndarray, np.ndarray], float]


def plain(statistic: Statistic, made: np.ndarray, real: np.ndarray) -> tuple[Interval, float]:
    """The interval from random halves, and the CPU seconds of all of them."""
    rng, found, start = np.random.default_rng(0), [], time.process_time()
    for _ in range(TIMED):
        left, right = (side[rng.permutation(len(side))[: len(side) // 2]] for side in (made, real))
        found.append(statistic(left, right))
    seconds = (time.process_time() - start) * HALVES / TIMED
    whole, away = statistic(made, real), np.array(found) - np.mean(found)
    low, high = np.quantile(away, [0.025, 0.975])
    centre = 2 * whole - float(np.mean(found))
    return Interval(centre, centre - high, centre - low, "half-sampling", 0.95), seconds


def kid(first: np.ndarray, second: np.ndarray) -> float:
    return kernel_distance(first, second, np.random.default_rng(0), subset_size=1).value


def timed(clips: int) -> Iterator[tuple[str, Interval, float, Interval, float]]:
    """Metric, our interval and its CPU seconds, the plain one and its CPU seconds."""
    rng = np.random.default_rng(1)
    sides = {
        name: [rng.normal(size=(clips, width)) * np.linspace(1.6, 0.3, width) for _ in range(2)]
        for name, width in WIDTHS.items()
    }
    both = [np.concatenate([sides[name][side] for name in WIDTHS], axis=1) for side in range(2)]
    units = units_of(clips, 1)
    design = Design.of(units, units, rng)

    def fid(made: np.ndarray, real: np.ndarray) -> Interval:
        return frechet_estimate(made, real, design, np.random.default_rng(0)).interval(minimum=0.0)

    def div(made: np.ndarray, _: np.ndarray) -> Interval:
        return diversity_estimate(made, design.generated).interval(minimum=0.0)

    def precision(made: np.ndarray, real: np.ndarray) -> Interval:
        return share_interval(manifold_estimates(made, real, design)["precision"], clips, clips)

    jobs: list[tuple[str, list[np.ndarray], Callable[..., Interval], Statistic]] = []
    for name, pair in sides.items():
        part = name.removeprefix("fid")
        jobs += [
            (f"fid{part}", pair, fid, frechet_distance),
            (f"kid{part}", pair, lambda made, real: kernel_estimate(made, real, design).interval(), kid),
            (f"div{part}", pair, div, lambda left, _: diversity(left)),
        ]
    jobs += [
        (
            "precision and its three",
            both,
            precision,
            lambda left, right: manifold_scores(left, right).precision,
        ),
        (
            "a mean",
            both,
            lambda made, _: mean_interval(made[:, 0], units),
            lambda left, _: float(left[:, 0].mean()),
        ),
    ]
    for name, pair, ours, statistic in jobs:
        start = time.process_time()
        found = ours(*pair)
        seconds = time.process_time() - start
        yield name, found, seconds, *plain(statistic, *pair)


def main() -> None:
    """Print a table for each number of clips."""
    parser = argparse.ArgumentParser(description="CPU seconds of intervals.")
    parser.add_argument("--clips", type=int, nargs="+", default=[300, 750])
    for clips in parser.parse_args().clips:
        print(f"\n{clips} clips\n\n| metric | ours, s | interval | plain loop, s | interval | ratio |")
        print("|---|---|---|---|---|---|")
        total = np.zeros(2)
        for name, found, own, theirs, seconds in timed(clips):
            total += (own, seconds)
            ends = [f"{one.low:.3f} .. {one.high:.3f}" for one in (found, theirs)]
            print(f"| {name} | {own:.3f} | {ends[0]} | {seconds:.1f} | {ends[1]} | {seconds / own:.0f} |")
        print(f"| all | {total[0]:.2f} | | {total[1]:.0f} | | {total[1] / total[0]:.0f} |")
    print(
        f"\nlargest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
