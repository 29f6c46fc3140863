"""Near-static: less motion than a threshold, measured by :mod:`madata.flow` (paper section 4.1, rule ii).

People are looked for in a still picture only where the box of one could still reach the threshold: that is what
makes most stills cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece
from madata.flow import is_static
from madata.manifest import Column

__all__ = ["FILTER", "StaticSettings"]

_SMALLEST_PERSON = 0.1
"""A person whose box has less than this share of the picture's diagonal is not looked for."""


class StaticSettings(ClosedModel):
    """``static_below``: % of the diagonal per second, the median over pairs of pictures."""

    static_below: float = Field(ge=0)


def examine(piece: Piece, settings: StaticSettings) -> Rejection | None:
    """Static when neither the picture nor the performer's box moves enough."""
    threshold = settings.static_below
    whole = piece.motion(boxes=False)
    ask_for_boxes = (whole.value or 0.0) < threshold and _could_move(piece, threshold)
    judgement = is_static(piece.motion(boxes=True) if ask_for_boxes else whole, threshold)
    return Rejection("static", judgement.value, threshold, judgement.reason) if judgement.static else None


def _could_move(piece: Piece, threshold: float) -> bool:
    """Whether the box of any person could reach the threshold, although the whole picture does not.

    A box moves at most as fast as its fastest cell, in proportion to its own diagonal.
    """
    peaks = [float(sample.grid.max()) for sample in piece.flow]
    return bool(peaks) and float(np.median(peaks)) / _SMALLEST_PERSON >= threshold


def measure(piece: Piece, settings: StaticSettings) -> Mapping[str, Any]:
    """Medians over the pairs; the performer's where people were looked for."""
    summary = piece.motion(boxes=piece.people_known)
    parts = {
        "flow_whole": summary.whole,
        "flow_residual": summary.residual,
        "flow_person": summary.person,
        "flow_camera": summary.camera,
    }
    return {"flow": summary.value, **{name: part and part.median for name, part in parts.items()}}


_UNIT = "% of the diagonal per s, median over pairs"

FILTER = Filter(
    section="motion",
    settings=StaticSettings,
    reasons={"static": "neither the picture nor the performer moves enough"},
    examine=examine,
    columns={
        "flow": Column(
            "float64", f"the decision value: the larger of flow_residual and flow_person, {_UNIT}"
        ),
        "flow_whole": Column("float64", f"motion of the whole picture, {_UNIT}"),
        "flow_residual": Column("float64", f"motion of the picture without the camera's, {_UNIT}"),
        "flow_person": Column(
            "float64", "motion in the performer's box, % of the box's diagonal per s, median"
        ),
        "flow_camera": Column("float64", f"motion of the camera, {_UNIT}"),
    },
    measure=measure,
    charts=(Chart("flow", "Motion (median flow)", "% of the diagonal per s", "above", "static_below"),),
)
