"""Precision, recall, density and coverage (Naeem et al. 2020) with what each block of clips does to them.

**Truth.** Balls that reach to the fifth neighbour shrink as clips are added, so these four have no value for infinitely
many clips: their truth is the mean of the printed value over many draws of as many clips as there are here. It has no
bias by its making, and leaving out blocks shows its variance, never too small (Efron & Stein 1981). A share that comes
out as 0 or 1 does so without any variance; :func:`share_interval` is therefore Wilson's, with the number of independent
clips that the variance stands for, and never more than there are units.

Each distance is made once. Without a block, the fifth neighbour of a clip is found among its nearest few.

Legend: N, M clips, G, H blocks, K neighbours kept.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from evaluation.stats.intervals import Interval
from evaluation.stats.jackknife import Array, BlockEstimate, Blocks, Design, Floats, Rows

__all__ = ["NEIGHBOURS", "density_interval", "manifold_estimates", "share_interval"]

NEIGHBOURS = 5
_NAMES = ("precision", "recall", "density", "coverage")
_SLICE = 256


def manifold_estimates(
    generated: Array, reference: Array, design: Design, *, neighbours: int = NEIGHBOURS
) -> dict[str, BlockEstimate]:
    """``precision``, ``recall``, ``density`` and ``coverage`` of the rows of all units.

    Args:
        generated, reference: (N, D) and (M, D) features; each side without its largest block still needs more than
            ``neighbours`` rows.

    Raises:
        ValueError: too few rows.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clips = rng.normal(size=(30, 2))
        >>> units = [np.array([row]) for row in range(30)]
        >>> manifold_estimates(clips, clips, Design.of(units, units, rng))["coverage"].value
        1.0
    """
    made, real = np.asarray(generated, np.float64), np.asarray(reference, np.float64)
    mine, theirs = _block_of_row(design.generated, len(made)), _block_of_row(design.reference, len(real))
    counts = design.generated.count, design.reference.count
    made_radii = _radii(made, mine, counts[0], neighbours)
    real_radii = _radii(real, theirs, counts[1], neighbours)
    between = cdist(made, real)
    whole = _scores(between, made_radii[0], real_radii[0], neighbours)
    left = np.array(
        [
            _scores(between[kept], made_radii[1 + block, kept], real_radii[0], neighbours)
            for block, kept in enumerate(mine != np.arange(counts[0])[:, None])
        ]
    )
    right = np.array(
        [
            _scores(between[:, kept], made_radii[0], real_radii[1 + block, kept], neighbours)
            for block, kept in enumerate(theirs != np.arange(counts[1])[:, None])
        ]
    )
    found = {}
    for name, value, first, second in zip(_NAMES, whole, (left - whole).T, (right - whole).T, strict=True):
        if design.paired:
            first, second = first + second, np.zeros(0)
        found[name] = BlockEstimate(float(value), first, second)
    return found


def _scores(between: Floats, made_radius: Floats, real_radius: Floats, neighbours: int) -> Floats:
    """(4,) of ``_NAMES``, from distances (N, M) and the radii of the balls of both sides."""
    inside = (between <= real_radius).sum(axis=1)
    recalled = (between <= made_radius[:, None]).any(axis=0)
    covered = between.min(axis=0) <= real_radius
    return np.array([(inside > 0).mean(), recalled.mean(), inside.mean() / neighbours, covered.mean()])


def _block_of_row(blocks: Blocks, total: int) -> Rows:
    unit = blocks.unit_of_row(total)
    if (unit < 0).any():
        raise ValueError("a row belongs to no unit")
    return blocks.block_of[unit]


def _radii(features: Floats, block_of: Rows, count: int, neighbours: int) -> Floats:
    """(1 + G, N) distance to the k-th neighbour, and to it without each block."""
    largest = int(np.bincount(block_of, minlength=count).max())
    kept = neighbours + largest
    if len(features) <= kept:
        raise ValueError(
            f"needs more than {neighbours} clips beside the largest block of {largest}, there are {len(features)}"
        )
    found = np.empty((1 + count, len(features)))
    for start in range(0, len(features), _SLICE):
        rows = slice(start, start + _SLICE)
        distance = cdist(features[rows], features)
        distance[np.arange(len(distance)), np.arange(start, start + len(distance))] = -1.0
        near = np.argpartition(distance, kept, axis=1)[:, : kept + 1]
        near = np.take_along_axis(
            near, np.argsort(np.take_along_axis(distance, near, axis=1), axis=1), axis=1
        )[:, 1:]
        sorted_ = np.take_along_axis(distance, near, axis=1)
        found[0, rows] = sorted_[:, neighbours - 1]
        owner = block_of[near]
        for block in range(count):
            place = ((owner != block).cumsum(axis=1) >= neighbours).argmax(axis=1)
            found[1 + block, rows] = sorted_[np.arange(len(near)), place]
    return found


def share_interval(
    estimate: BlockEstimate, units: int, reference_units: int, *, level: float = 0.95
) -> Interval:
    """Wilson's interval of a share, for the number of independent clips its variance stands for.

    Args:
        units, reference_units: of both sides. Both were drawn, so the variance is never taken as that of more clips
            than ``1 / (1 / units + 1 / reference_units)``.

    Example:
        >>> found = share_interval(BlockEstimate(1.0, np.zeros(20), np.zeros(0)), 20, 20)
        >>> round(found.low, 2), found.high
        (0.7, 1.0)
    """
    value = min(max(estimate.value, 0.0), 1.0)
    variance = estimate.deviation**2
    plain, most = value * (1 - value), 1 / (1 / units + 1 / reference_units)
    size = min(most, plain / variance) if variance > 0 and plain > 0 else most
    weight = float(stats.t.ppf((1 + level) / 2, estimate.freedom)) ** 2 / size
    centre = (value + weight / 2) / (1 + weight)
    reach = math.sqrt(weight * plain + weight**2 / 4) / (1 + weight)
    low, high = max(0.0, min(value, centre - reach)), min(1.0, max(value, centre + reach))
    return Interval(value, low, high, "wilson", level)


def density_interval(
    density: BlockEstimate,
    precision: BlockEstimate,
    units: int,
    reference_units: int,
    *,
    level: float = 0.95,
    neighbours: int = NEIGHBOURS,
) -> Interval:
    """Student's and Hall's interval, and at least what the interval of the precision stands for.

    A density is a precision times the number of balls that hold a clip which is in any; where hardly a clip is in one,
    its own variance says nothing.

    Example:
        >>> none = BlockEstimate(0.0, np.zeros(20), np.zeros(0))
        >>> round(density_interval(none, none, 20, 20).high, 2)
        0.06
    """
    own = density.interval(level=level, minimum=0.0)
    share = share_interval(precision, units, reference_units, level=level)
    balls = density.value / precision.value if precision.value > 0 else 1.0 / neighbours
    ends = min(own.low, share.low * balls), max(own.high, share.high * balls)
    return Interval(own.estimate, *ends, "wilson", level)
