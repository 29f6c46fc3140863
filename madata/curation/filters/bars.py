"""Bars around the picture: clips show what lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column

__all__ = ["FILTER", "BarsSettings"]


class BarsSettings(ClosedModel):
    """What is done about bars.

    Attributes:
        crop: kinds of bars that clips leave out; where there are others alone the row says so and the clip keeps them.
        most: share of the frame that bars may take.
    """

    crop: tuple[Literal["black", "colour", "blurred"], ...] = ("black", "blurred")
    most: float = Field(default=0.8, gt=0, le=1)


def examine(piece: Piece, settings: BarsSettings) -> Rejection | None:
    """The picture takes enough of the frame."""
    share = measure(piece, settings)["bars_share"]
    if share < settings.most:
        return None
    return Rejection("mostly_bars", share, settings.most, f"bars take {share:.0%} of the frame")


def measure(piece: Piece, settings: BarsSettings) -> Mapping[str, Any]:
    """Where the picture lies, and whether a clip shows it alone."""
    picture, kinds = piece.bars.picture, piece.bars.kinds
    return {
        "bars": "+".join(kinds) or "none",
        "bars_share": 1 - picture.width * picture.height / (piece.size[0] * piece.size[1]),
        "picture_left": picture.left,
        "picture_top": picture.top,
        "picture_width": picture.width,
        "picture_height": picture.height,
        "cropped": not set(kinds).isdisjoint(settings.crop),
    }


FILTER = Filter(
    section="bars",
    settings=BarsSettings,
    reasons={"mostly_bars": "bars take most of the frame"},
    examine=examine,
    columns={
        "bars": Column("string", "black, colour or blurred, joined by + where they lie in one another; none"),
        "bars_share": Column("float64", "share of the frame that they take"),
        "picture_left": Column(
            "int32", "px of the source as shown: where the picture inside its bars begins"
        ),
        "picture_top": Column("int32", "px of the source as shown: where the picture inside its bars begins"),
        "picture_width": Column("int32", "px of the source as shown: of the picture inside its bars"),
        "picture_height": Column("int32", "px of the source as shown: of the picture inside its bars"),
        "cropped": Column("bool", "whether a clip shows the picture without its bars"),
    },
    measure=measure,
    charts=(Chart("bars_share", "Bars", "share of the frame", "below", "most"),),
)
