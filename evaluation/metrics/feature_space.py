"""The space in which sets of dances are compared: kinetic or geometric features, scaled as the protocol says.

A published definition is scaled anew in every resample, as its script would; in the corrected one the scale
is that of the whole reference.

Legend: N rows of the prediction, M of the reference, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.features.table import FeatureTable
from evaluation.metrics.estimate import Estimate, Rows, sized
from evaluation.metrics.scaling import fit_scale, scale_officially
from evaluation.metrics.tables import Tables
from evaluation.protocol import Protocol

__all__ = ["FeatureSpace", "Part", "feature_space", "joint_space", "sized_space"]

Array = npt.NDArray[Any]
Part = Literal["k", "g"]

_FIELDS: dict[Part, str] = {"k": "kinetic", "g": "geometric"}


@dataclass(frozen=True)
class FeatureSpace:
    """One kind of features of both sides, as the distances take them.

    Attributes:
        prediction, reference: (N, D) and (M, D).
        dropped: names of the columns left out because the reference does not vary in them.
        protocol: by whose definition they were scaled.
        raw_prediction, raw_reference: before scaling.
    """

    prediction: Array
    reference: Array
    dropped: tuple[str, ...]
    protocol: Protocol
    raw_prediction: Array
    raw_reference: Array

    def between(self, first: Rows, second: Rows) -> tuple[Array, Array]:
        """Prediction rows ``first`` and reference rows ``second``, scaled."""
        return self._pick(self.raw_prediction, self.prediction, first, second)

    def within(self, first: Rows, second: Rows) -> tuple[Array, Array]:
        """Reference rows ``first`` in the place of the prediction, and ``second``, scaled."""
        return self._pick(self.raw_reference, self.reference, first, second)

    def _pick(self, raw: Array, scaled: Array, first: Rows, second: Rows) -> tuple[Array, Array]:
        variant = VARIANTS.get(self.protocol.definition)
        if variant is None or not variant.scaling.own:
            return scaled[first], self.reference[second]
        real, prediction = scale_officially(self.raw_reference[second], raw[first], variant.scaling)
        return prediction, real


def feature_space(tables: Tables, part: Part) -> FeatureSpace:
    """Kinetic (``k``) or geometric (``g``) features of both sides, scaled as the protocol says.

    Raises:
        ValueError: the reference does not allow it: fewer than two clips, or nothing varies.
    """
    protocol, reference = tables.protocol, tables.motion("reference")
    raw, real = (_raw(tables.motion(side), part) for side in ("prediction", "reference"))
    if protocol.definition != "corrected":
        scaled_real, scaled = scale_officially(real, raw, VARIANTS[protocol.definition].scaling)
        return FeatureSpace(scaled, scaled_real, (), protocol, raw, real)
    scale = fit_scale(real)
    columns = getattr(reference, f"{_FIELDS[part]}_columns")
    dropped = tuple(columns[column] for column in scale.dropped)
    if dropped:
        tables.note(f"columns in which the reference does not vary are left out: {', '.join(dropped)}")
    return FeatureSpace(scale.apply(raw), scale.apply(real), dropped, protocol, raw, real)


def sized_space(tables: Tables, part: Part) -> tuple[Estimate, FeatureSpace | None]:
    """A distance under way, and the space it is taken in; none where the estimate says why there is no value."""
    estimate = sized(tables)
    if estimate.reason is not None:
        return estimate, None
    try:
        return estimate, tables.shared(feature_space, part)
    except ValueError as error:
        estimate.reason = str(error)
        return estimate, None


def _raw(features: FeatureTable, part: Part) -> Array:
    raw: Array = getattr(features, _FIELDS[part])
    return raw


def joint_space(tables: Tables) -> tuple[Array, Array]:
    """Kinetic and geometric features side by side, of the prediction and of the reference.

    Raises:
        ValueError: one of them has no scale.
    """
    spaces = [tables.shared(feature_space, part) for part in get_args(Part)]
    return (
        np.concatenate([space.prediction for space in spaces], axis=1),
        np.concatenate([space.reference for space in spaces], axis=1),
    )
