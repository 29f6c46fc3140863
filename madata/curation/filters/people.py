"""One performer: clips with two or more people are dropped, and those with none (paper section 4.1, rule iii).

How people are counted is said in :mod:`madata.people`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Excluded, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column

__all__ = ["FILTER", "PerformerSettings"]


class PerformerSettings(ClosedModel):
    """Shares of the samples from which on a stretch is dropped.

    Attributes:
        multi_share: with two or more performers.
        none_share: without one.
        empty_s: a run without a performer that lasts this long, in s, is taken out.
    """

    multi_share: float = Field(gt=0, le=1)
    none_share: float = Field(gt=0, le=1)
    empty_s: float = Field(default=2.0, gt=0)


def exclude(piece: Piece, settings: PerformerSettings) -> Sequence[Excluded]:
    """Every long run of samples without a performer, from the first to the sample in which he is back.

    Where he is seen in a few samples only, nothing is left to keep: the whole stretch is judged.
    """
    people, end = piece.people, piece.span.end
    if (~people.seen).mean() >= settings.none_share if len(people.seen) else True:
        return ()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~people.seen, [False]]))).reshape(-1, 2)
    frames = [piece.span.start, *people.frames[1:].tolist(), end]
    spans = [piece.span_of(frames[first], frames[last]) for first, last in edges.tolist()]
    return [
        Excluded(
            span,
            Rejection(
                "no_person", span.duration_s, settings.empty_s, f"no performer for {span.duration_s:.1f} s"
            ),
        )
        for span in spans
        if span.duration_s >= settings.empty_s
    ]


def examine(piece: Piece, settings: PerformerSettings) -> Rejection | None:
    """Two or more performers, or none."""
    shares = measure(piece, settings)
    two, none, samples = shares["share_two_or_more"], shares["share_none"], shares["samples"]
    if two >= settings.multi_share:
        said = f"two or more performers in {two:.0%} of {samples} samples"
        return Rejection("multi_person", two, settings.multi_share, said)
    if none >= settings.none_share:
        return Rejection(
            "no_person", none, settings.none_share, f"no performer in {none:.0%} of {samples} samples"
        )
    return None


def measure(piece: Piece, settings: PerformerSettings) -> Mapping[str, Any]:
    """Share of the samples with two or more performers, and with none."""
    seen = piece.people
    if not len(seen.counts):
        return {"share_two_or_more": 0.0, "share_none": 1.0, "samples": 0}
    return {
        "share_two_or_more": float((seen.counts >= 2).mean()),
        "share_none": float((~seen.seen).mean()),
        "samples": len(seen.counts),
    }


FILTER = Filter(
    section="people",
    settings=PerformerSettings,
    reasons={
        "multi_person": "two or more performers in too many samples",
        "no_person": "no performer in too many samples, or for too long (then only that run is taken out)",
    },
    examine=examine,
    exclude=exclude,
    columns={
        "share_two_or_more": Column("float64", "share of the samples with two or more performers"),
        "share_none": Column("float64", "share of the samples without a performer"),
        "samples": Column("int32", "number of pictures in which people were looked for"),
    },
    measure=measure,
    charts=(
        Chart("share_two_or_more", "Two or more performers", "share of samples", "below", "multi_share"),
        Chart("share_none", "No performer", "share of samples", "below", "none_share"),
    ),
)
