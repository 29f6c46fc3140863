"""Distances between two sets of features, and the diversity of one.

``FID = |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr (S1 S2)^(1/2)``; ``DIV`` = mean distance of all pairs; ``KID`` =
unbiased squared maximum mean discrepancy with the kernel ``(x.y / D + 1)^3``; precision, recall, density and
coverage after Naeem et al. 2020.

The trace of the root is the sum of the singular values of ``R1 R2^T`` where ``S = R^T R``: the symmetric form
of the definition, without the squaring that costs half of the digits, and real by construction.
:func:`official_frechet` is what upstream scripts do instead.

Legend: N, M clips, D features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.spatial.distance import cdist, pdist

from evaluation.definitions import FrechetRule

__all__ = [
    "KernelDistance",
    "Manifold",
    "diversity",
    "extrapolated_frechet",
    "frechet_distance",
    "kernel_distance",
    "manifold_scores",
    "nearest_distance",
    "official_frechet",
]

Array = npt.NDArray[np.floating[Any]]
Features = npt.NDArray[np.float64]

_BLOCK = 256


def frechet_distance(first: Array, second: Array) -> float:
    """Frechet distance of two sets of features, from singular values in float64.

    Args:
        first, second: (N, D) and (M, D), two clips or more in each. With N or M below D the covariances are
            singular: the value is exact for the sample and far above that of the population.

    Raises:
        ValueError: shapes do not fit or a value is not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clips = rng.normal(size=(100, 4))
        >>> frechet_distance(clips, clips + 1.0).__round__(6)
        4.0
    """
    _check_pair(first, second, least=2)
    mean_1, root_1, trace_1 = _root(first)
    mean_2, root_2, trace_2 = _root(second)
    overlap = linalg.svdvals(root_1 @ root_2.T, check_finite=False).sum()
    shift = mean_1 - mean_2
    return max(0.0, float(shift @ shift + trace_1 + trace_2 - 2.0 * overlap))


def _root(features: Array) -> tuple[Features, Features, float]:
    """Mean, R with S = R^T R (ddof 1; at most D rows), and the trace of S."""
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    centred = (values - mean) / np.sqrt(len(values) - 1)
    trace = float(np.square(centred).sum())
    if centred.shape[0] > centred.shape[1]:
        centred = linalg.qr(centred, mode="r", check_finite=False, overwrite_a=True)[0][: centred.shape[1]]
    return mean, centred, trace


_OFFSETS: dict[FrechetRule, float] = {"lodge": 1e-5, "mint": 1e-6}
_MAX_IMAGINARY = 1e-3


def official_frechet(prediction: Array, reference: Array, rule: FrechetRule = "lodge") -> float:
    """Frechet distance as the published scripts compute it, with a matrix square root of the product.

    ``lodge`` serves MACE-Dance, LODGE, Bailando and MEGADance: where their root is not finite, 1e-5 is added
    to the diagonals; where it is complex, the real part is returned (the 3D scripts print a complex number).
    ``mint`` adds 1e-6 and refuses an imaginary part above 1e-3.

    Raises:
        ValueError: ``mint`` only, when the imaginary part is large; whether it is depends on the scipy
            version.
    """
    _check_pair(prediction, reference, least=2)
    shift = np.mean(prediction, axis=0) - np.mean(reference, axis=0)
    first, second = (
        np.atleast_2d(np.cov(prediction, rowvar=False)),
        np.atleast_2d(np.cov(reference, rowvar=False)),
    )
    root = _matrix_root(first @ second)
    if not np.isfinite(root).all():
        offset = np.eye(len(first)) * _OFFSETS[rule]
        root = _matrix_root((first + offset) @ (second + offset))
    imaginary = float(np.abs(np.diagonal(root).imag).max())
    if rule == "mint" and imaginary > _MAX_IMAGINARY:
        raise ValueError(
            f"the matrix root has an imaginary part of {imaginary:.3g}; mint's script stops here"
        )
    return float(shift.dot(shift) + np.trace(first) + np.trace(second) - 2.0 * np.trace(root).real)


def _matrix_root(product: Features) -> npt.NDArray[Any]:
    """SciPy's matrix square root without its remarks on singular input, which the callers deal with."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.asarray(linalg.sqrtm(product))
        except (ValueError, np.linalg.LinAlgError):
            return np.full_like(product, np.nan)


def extrapolated_frechet(
    first: Array, second: Array, rng: np.random.Generator, *, points: int = 12, repeats: int = 4
) -> float:
    """Frechet distance for infinitely many clips: a line in 1/n through subsets of n clips, at 1/n = 0.

    The plug-in value is too large by about c / n, so that more clips seem better. Both sets are thinned alike
    (Chong & Forsyth 2020), from half of the smaller set up to all of it.

    Raises:
        ValueError: fewer than four times as many clips as features, where the bias is not a line.
    """
    _check_pair(first, second, least=2)
    size, width = min(len(first), len(second)), first.shape[1]
    if size < 4 * width:
        raise ValueError(f"extrapolation in 1/n needs 4 x {width} clips, there are {size}")
    inverse, values = [], []
    for inverse_n in np.linspace(1.0 / size, 2.0 / size, points):
        count = round(1.0 / inverse_n)
        for _ in range(repeats):
            chosen = (_subset(first, count, rng), _subset(second, count, rng))
            inverse.append(1.0 / count)
            values.append(frechet_distance(*chosen))
    return float(np.polynomial.polynomial.polyfit(inverse, values, 1)[0])


def _subset(features: Array, count: int, rng: np.random.Generator) -> Array:
    return features[rng.permutation(len(features))[:count]]


def diversity(features: Array) -> float:
    """Mean Euclidean distance over all pairs, in blocks: memory does not grow with the number of clips.

    Raises:
        ValueError: fewer than two clips.

    Example:
        >>> diversity(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])).__round__(4)
        3.3333
    """
    count = len(features)
    if features.ndim != 2 or count < 2:
        raise ValueError(f"expected at least two clips (N, D), got {features.shape}")
    total = sum(float(block.sum()) for block in _pair_blocks(features))
    return total / (count * (count - 1) / 2)


def _pair_blocks(features: Array) -> Iterator[Features]:
    """Distances of every unordered pair, block by block."""
    values = np.ascontiguousarray(features, np.float64)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        yield pdist(block)
        for other in range(start + _BLOCK, len(values), _BLOCK):
            yield cdist(block, values[other : other + _BLOCK])


@dataclass(frozen=True)
class KernelDistance:
    """Unbiased KID and its standard deviation over subsets; around 0 (also below) for equal sets."""

    value: float
    deviation: float


def kernel_distance(
    first: Array, second: Array, rng: np.random.Generator, *, subsets: int = 50, subset_size: int = 100
) -> KernelDistance:
    """Kernel distance (KID) with a cubic kernel, over all clips; the deviation comes from random subsets.

    Args:
        first, second: (N, D) and (M, D), two clips or more in each.
        subset_size: clips per subset, at most half of the smaller set.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clips = rng.normal(size=(100, 2))
        >>> kernel_distance(clips, clips + 3, rng).value > 10
        True
    """
    _check_pair(first, second, least=2)
    first, second = first.astype(np.float64), second.astype(np.float64)
    value = _mmd(first, second)
    size = min(subset_size, len(first) // 2, len(second) // 2)
    if size < 2:
        return KernelDistance(value, float("nan"))
    values = [_mmd(_subset(first, size, rng), _subset(second, size, rng)) for _ in range(subsets)]
    shrink = np.sqrt(size / min(len(first), len(second)))
    return KernelDistance(value, float(np.std(values, ddof=1) * shrink))


def _mmd(first: Array, second: Array) -> float:
    n, m, width = len(first), len(second), first.shape[1]

    def total(a: Array, b: Array) -> float:
        blocks = (a[start : start + _BLOCK] @ b.T for start in range(0, len(a), _BLOCK))
        return float(sum(((block / width + 1.0) ** 3).sum() for block in blocks))

    def alone(a: Array) -> float:
        return float(((np.square(a).sum(axis=1) / width + 1.0) ** 3).sum())

    within = (total(first, first) - alone(first)) / (n * (n - 1))
    within += (total(second, second) - alone(second)) / (m * (m - 1))
    return within - 2.0 * total(first, second) / (n * m)


@dataclass(frozen=True)
class Manifold:
    """Fidelity (precision, density) and variety (recall, coverage), each 0..1; density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(prediction: Array, reference: Array, *, neighbours: int = 5) -> Manifold:
    """Precision, recall, density and coverage from ``neighbours``-th neighbour balls.

    Raises:
        ValueError: one set has no more than ``neighbours`` clips.

    Example:
        >>> clips = np.random.default_rng(0).normal(size=(50, 2))
        >>> manifold_scores(clips, clips).coverage
        1.0
    """
    _check_pair(prediction, reference, least=neighbours + 1)
    real_radius, fake_radius = _radii(reference, neighbours), _radii(prediction, neighbours)
    inside = np.zeros(len(prediction), int)
    recalled = np.zeros(len(reference), bool)
    nearest = np.full(len(reference), np.inf)
    for start in range(0, len(prediction), _BLOCK):
        rows = slice(start, start + _BLOCK)
        between = cdist(prediction[rows].astype(np.float64), reference.astype(np.float64))
        inside[rows] = (between <= real_radius).sum(axis=1)
        recalled |= (between <= fake_radius[rows, None]).any(axis=0)
        nearest = np.minimum(nearest, between.min(axis=0))
    return Manifold(
        precision=float((inside > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside.mean() / neighbours),
        coverage=float((nearest <= real_radius).mean()),
    )


def _radii(features: Array, neighbours: int) -> Features:
    values = features.astype(np.float64)
    radii = np.empty(len(values))
    for start in range(0, len(values), _BLOCK):
        block = cdist(values[start : start + _BLOCK], values)
        radii[start : start + _BLOCK] = np.partition(block, neighbours, axis=1)[:, neighbours]
    return radii


def nearest_distance(prediction: Array, reference: Array) -> Features:
    """(N,) distance of each clip of the prediction to the nearest reference clip.

    Example:
        >>> nearest_distance(np.array([[1.0], [9.0]]), np.array([[0.0], [5.0]])).tolist()
        [1.0, 4.0]
    """
    _check_pair(prediction, reference, least=1)
    values = reference.astype(np.float64)
    blocks = [
        cdist(prediction[i : i + _BLOCK].astype(np.float64), values)
        for i in range(0, len(prediction), _BLOCK)
    ]
    return np.concatenate([block.min(axis=1) for block in blocks])


def _check_pair(first: Array, second: Array, least: int) -> None:
    if (
        first.ndim != 2
        or second.ndim != 2
        or first.shape[1] != second.shape[1]
        or min(len(first), len(second)) < least
    ):
        raise ValueError(
            f"expected two sets of {least} or more clips with equal features (N, D), "
            f"got {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("features are not all finite: leave out the clips without movement or pose first")
