"""Too short: the paper drops segments of less than 5 s (section 4.1, rule i)."""

from __future__ import annotations

from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Filter, Rejection
from madata.curation.piece import Piece

__all__ = ["FILTER", "LengthSettings"]

_TOLERANCE_S = 1e-6
"""Frame times are sums of ticks; the difference of two is exact to far less than this."""


class LengthSettings(ClosedModel):
    """``min_s``: shorter stretches are dropped."""

    min_s: float = Field(gt=0)


def examine(piece: Piece, settings: LengthSettings) -> Rejection | None:
    """Windows are at least as long as the settings of the windows say; only whole stretches can be too short."""
    seconds = piece.span.duration_s
    if piece.is_window or seconds >= settings.min_s - _TOLERANCE_S:
        return None
    return Rejection(
        "short", seconds, settings.min_s, f"{seconds:.2f} s is shorter than {settings.min_s:g} s"
    )


FILTER = Filter(
    section="shots",
    settings=LengthSettings,
    reasons={"short": "the stretch is shorter than the shortest allowed"},
    examine=examine,
    charts=(Chart("segment_s", "Segment length", "s", "above", "min_s", per="segment"),),
)
