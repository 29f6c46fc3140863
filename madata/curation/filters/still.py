"""A still person in a moving picture: a photo under falling snow, scrolling text or a pan is no dance.

Pixels move there, joints do not. The pose is taken relative to the body, so that neither the camera nor the place of
the body in the picture counts; what is left is the deviation of the joints over time,
:func:`madata.people.joint_change`. Measured: photos 0.002-0.02, under snow 0.03; people who talk 0.06-0.11; dance and
everyday motion 0.13-0.35.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column
from madata.people import joint_change

__all__ = ["FILTER", "StillSettings"]


class StillSettings(ClosedModel):
    """``pose_below``: change of the pose below which the person is a picture of one."""

    pose_below: float = Field(default=0.045, ge=0)


def _change(piece: Piece) -> float | None:
    """``None`` where too few sightings say nothing."""
    found = piece.people.score.max(axis=1, initial=0.0) > 0
    change = joint_change(piece.people.xy[found], piece.people.score[found])
    return change if np.isfinite(change) else None


def examine(piece: Piece, settings: StillSettings) -> Rejection | None:
    """The joints do not move."""
    change = _change(piece)
    if change is None or change >= settings.pose_below:
        return None
    said = f"the picture moves, but the joints of the person do not ({change:.3f} of the body)"
    return Rejection("static", change, settings.pose_below, said)


def measure(piece: Piece, settings: StillSettings) -> Mapping[str, Any]:
    """The change of the pose."""
    return {"pose_change": _change(piece)}


FILTER = Filter(
    section="motion",
    settings=StillSettings,
    reasons={"static": "the picture moves, the joints of the person do not"},
    examine=examine,
    columns={
        "pose_change": Column(
            "float64", "mean deviation of the visible joints over time, in sizes of the body"
        )
    },
    measure=measure,
    charts=(Chart("pose_change", "Motion of the joints", "sizes of the body", "above", "pose_below"),),
)
