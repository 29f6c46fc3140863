"""Whole bodies: a dance data set wants hips and feet, not talking heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column
from madata.skeletons import skeleton

__all__ = ["FILTER", "FullBodySettings"]

_HIPS = ("left_hip", "right_hip")
_ANKLES = ("left_ankle", "right_ankle")
_VISIBLE = 0.5


class FullBodySettings(ClosedModel):
    """What a whole body is.

    Attributes:
        body_share: share of the samples with the performer in which hips and an ankle must be seen; 0 asks for
            nothing.
        min_height: the performer's height as a share of the picture's, the median; 0 asks for nothing.
    """

    body_share: float = Field(default=0.5, ge=0, le=1)
    min_height: float = Field(default=0.2, ge=0, le=1)


def examine(piece: Piece, settings: FullBodySettings) -> Rejection | None:
    """Hips and feet are seen, and the performer is large enough."""
    row = measure(piece, settings)
    share, height = row["share_full_body"], row["person_height"]
    if share is not None and share < settings.body_share:
        said = f"hips and feet are seen in {share:.0%} of the samples"
        return Rejection("part_of_body", share, settings.body_share, said)
    if height is not None and height < settings.min_height:
        said = f"the performer is {height:.0%} of the picture high"
        return Rejection("too_small", height, settings.min_height, said)
    return None


def measure(piece: Piece, settings: FullBodySettings) -> Mapping[str, Any]:
    """Share of the samples with a whole body, and the median height; ``None`` where nobody is seen."""
    people = piece.people
    found = people.score.max(axis=1, initial=0.0) > 0
    if not found.any():
        return {"share_full_body": None, "person_height": None}
    joints = skeleton(people.skeleton)
    inside = ((people.xy >= 0) & (people.xy <= np.array(people.size))).all(axis=2)
    seen = np.where(inside, people.score, 0.0)[found]
    hips = seen[:, [joints.index(name) for name in _HIPS]].max(axis=1)
    ankles = seen[:, [joints.index(name) for name in _ANKLES]].max(axis=1)
    boxes = np.clip(people.boxes[found], 0.0, 1.0)
    return {
        "share_full_body": float(((hips >= _VISIBLE) & (ankles >= _VISIBLE)).mean()),
        "person_height": float(np.median(boxes[:, 3] - boxes[:, 1])),
    }


FILTER = Filter(
    section="people",
    settings=FullBodySettings,
    reasons={
        "part_of_body": "hips or feet are not seen often enough",
        "too_small": "the performer is too small in the picture",
    },
    examine=examine,
    columns={
        "share_full_body": Column(
            "float64", "share of the performer's samples in which hips and an ankle are seen"
        ),
        "person_height": Column("float64", "median height of the performer, share of the picture's"),
    },
    measure=measure,
    charts=(
        Chart("share_full_body", "Whole body seen", "share of samples", "above", "body_share"),
        Chart("person_height", "Height of the performer", "share of the picture", "above", "min_height"),
    ),
)
