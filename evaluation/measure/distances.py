"""Numbers of whole sets: FID, its limit for many clips, KID, DIV, precision, recall, density, coverage.

A published definition is scaled anew in every resample, as its script would; in the corrected one the scale
is that of the whole reference.

Legend: N rows of the prediction, M of the reference, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.features.table import Features
from evaluation.measure.draft import METRICS, Draft, Rows, RowStatistic, Statistics
from evaluation.metrics.distances import (
    diversity,
    extrapolated_frechet,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    nearest_distance,
    official_frechet,
)
from evaluation.metrics.scaling import fit_scale, scale_officially
from evaluation.protocol import Protocol
from evaluation.stats.intervals import diversity_interval

__all__ = ["Scaled", "distances", "scaled_sides"]

Array = npt.NDArray[Any]
Part = Literal["k", "g"]

_FIELDS: dict[Part, str] = {"k": "kinetic", "g": "geometric"}
_NEIGHBOURS = 5
_MANIFOLD = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Scaled:
    """One kind of features of both sides, as the distances take them.

    Attributes:
        generated, reference: (N, D) and (M, D).
        dropped: names of the columns left out because the reference does not vary in them.
        protocol: by whose definition they were scaled.
        raw_generated, raw_reference: before scaling.
    """

    generated: Array
    reference: Array
    dropped: tuple[str, ...]
    protocol: Protocol
    raw_generated: Array
    raw_reference: Array

    def between(self, first: Rows, second: Rows) -> tuple[Array, Array]:
        """Prediction rows ``first`` and reference rows ``second``, scaled."""
        return self._pick(self.raw_generated, self.generated, first, second)

    def within(self, first: Rows, second: Rows) -> tuple[Array, Array]:
        """Reference rows ``first`` in the place of the prediction, and ``second``, scaled."""
        return self._pick(self.raw_reference, self.reference, first, second)

    def _pick(self, raw: Array, scaled: Array, first: Rows, second: Rows) -> tuple[Array, Array]:
        variant = VARIANTS.get(self.protocol.definition)
        if variant is None or not variant.scaling.own:
            return scaled[first], self.reference[second]
        real, generated = scale_officially(self.raw_reference[second], raw[first], variant.scaling)
        return generated, real


def scaled_sides(prediction: Features, reference: Features, protocol: Protocol, part: Part) -> Scaled:
    """Kinetic (``k``) or geometric (``g``) features of both sides, scaled as the protocol says.

    Raises:
        ValueError: the reference does not allow it: fewer than two clips, or nothing varies.
    """
    generated, real = getattr(prediction, _FIELDS[part]), getattr(reference, _FIELDS[part])
    if protocol.definition != "corrected":
        scaling = VARIANTS[protocol.definition].scaling
        scaled_real, scaled_generated = scale_officially(real, generated, scaling)
        return Scaled(scaled_generated, scaled_real, (), protocol, generated, real)
    scale = fit_scale(real)
    columns = getattr(reference, f"{_FIELDS[part]}_columns")
    dropped = tuple(columns[column] for column in scale.dropped)
    return Scaled(scale.apply(generated), scale.apply(real), dropped, protocol, generated, real)


def distances(
    prediction: Features, reference: Features, statistics: Statistics, notes: list[str]
) -> tuple[dict[str, Draft], npt.NDArray[np.float64] | None]:
    """Every distance the protocol asks for, and the distance of each row to the nearest reference row."""
    prefixes = ("fid", "kid", "div", *_MANIFOLD)
    wanted = [name for name in statistics.protocol.metrics if name.startswith(prefixes)]
    drafts = {
        name: Draft(len(prediction), n_reference=len(reference))
        for name in METRICS
        if name.startswith(prefixes)
    }
    if not wanted:
        return drafts, None
    least = statistics.protocol.statistics.min_n
    if min(len(prediction), len(reference)) < least:
        sizes = f"{len(prediction)} predictions and {len(reference)} references"
        for draft in drafts.values():
            draft.reason = f"needs at least {least} clips on each side, there are {sizes}"
        return drafts, None
    sides = []
    for part in _FIELDS:
        try:
            sides.append(scaled_sides(prediction, reference, statistics.protocol, part))
        except ValueError as error:
            for name in (f"fid_{part}", f"fid_{part}_infinity", f"kid_{part}", f"div_{part}"):
                drafts[name].reason = str(error)
            continue
        if sides[-1].dropped:
            dropped = ", ".join(sides[-1].dropped)
            notes.append(f"columns in which the reference does not vary are left out: {dropped}")
        _frechet(part, drafts, sides[-1], statistics)
        _diversity(drafts[f"div_{part}"], sides[-1], statistics)
        if f"kid_{part}" in wanted:
            _kernel(drafts[f"kid_{part}"], sides[-1], statistics)
    if len(sides) < len(_FIELDS):
        return drafts, None
    generated = np.concatenate([side.generated for side in sides], axis=1)
    real = np.concatenate([side.reference for side in sides], axis=1)
    if "coverage" in wanted:
        _manifold(drafts, generated, real, statistics)
    finite = bool(np.isfinite(generated).all() and np.isfinite(real).all())
    return drafts, nearest_distance(generated, real) if finite else None


def _frechet(part: Part, drafts: dict[str, Draft], sides: Scaled, statistics: Statistics) -> None:
    draft, limit = drafts[f"fid_{part}"], drafts[f"fid_{part}_infinity"]
    smaller, width = min(len(sides.generated), len(sides.reference)), sides.generated.shape[1]
    try:
        if sides.protocol.definition == "corrected":
            draft.value = frechet_distance(sides.generated, sides.reference)
        else:
            rule = VARIANTS[sides.protocol.definition].frechet
            draft.value = official_frechet(sides.generated, sides.reference, rule)
    except ValueError as error:
        draft.reason = str(error)
    if smaller <= width:
        draft.cautions.append(
            f"n = {smaller} is not above the {width} features: the covariances are singular, and the value "
            "is far above that of many clips"
        )
    statistics.interval(draft, lambda a, b: frechet_distance(*sides.between(a, b)), minimum=0.0)
    statistics.floor(draft, lambda a, b: frechet_distance(*sides.within(a, b)))
    if f"fid_{part}_infinity" not in statistics.protocol.metrics:
        return
    try:
        rng = statistics.rng(f"fid_{part}_infinity")
        limit.value = max(0.0, extrapolated_frechet(sides.generated, sides.reference, rng))
        limit.ci95, limit.ci_method = draft.ci95, draft.ci_method
    except ValueError as error:
        limit.reason = str(error)


def _diversity(draft: Draft, sides: Scaled, statistics: Statistics) -> None:
    draft.value, draft.reference = diversity(sides.generated), diversity(sides.reference)
    if len(statistics.generated) == len(sides.generated):
        try:
            own, real = diversity_interval(sides.generated), diversity_interval(sides.reference)
            draft.set_interval(max(own.low, 0.0), own.high, own.method)
            if np.isfinite(real.low):
                draft.reference_ci95 = (max(real.low, 0.0), real.high)
        except ValueError as error:
            draft.cautions.append(f"no interval: {error}")
    else:
        statistics.interval(draft, lambda a, b: diversity(sides.generated[a]), minimum=0.0)
    draft.directed = sides.protocol.definition != "corrected"
    if not draft.directed and draft.value > draft.reference:
        draft.cautions.append("above the reference: noise and glitches raise it as well")


def _kernel(draft: Draft, sides: Scaled, statistics: Statistics) -> None:
    unused = np.random.default_rng(0)

    def kid(first: Array, second: Array) -> float:
        return kernel_distance(first, second, unused, subset_size=1).value

    draft.value = kid(sides.generated, sides.reference)
    statistics.interval(draft, lambda a, b: kid(*sides.between(a, b)))
    statistics.floor(draft, lambda a, b: kid(*sides.within(a, b)))


def _manifold(drafts: dict[str, Draft], generated: Array, real: Array, statistics: Statistics) -> None:
    if min(len(generated), len(real)) <= _NEIGHBOURS:
        for name in _MANIFOLD:
            drafts[name].reason = f"needs more than {_NEIGHBOURS} clips on each side"
        return
    found = manifold_scores(generated, real, neighbours=_NEIGHBOURS)
    known: dict[tuple[bool, bytes, bytes], Any] = {}

    def part_of(name: str, left: Array) -> RowStatistic:
        """All four come from one computation, and all four meet the same resamples."""

        def value(first: Rows, second: Rows) -> float:
            key = (left is real, first.tobytes(), second.tobytes())
            if key not in known:
                known[key] = manifold_scores(left[first], real[second], neighbours=_NEIGHBOURS)
            return float(getattr(known[key], name))

        return value

    for name in _MANIFOLD:
        drafts[name].value = float(getattr(found, name))
        highest = np.inf if name == "density" else 1.0
        statistics.interval(drafts[name], part_of(name, generated), minimum=0.0, maximum=highest)
        statistics.floor(drafts[name], part_of(name, real))
