"""Frozen pictures: a picture that is held, by an editor, a bad line or a recorder that hangs, is no dance.

A frame is held when no pixel of its thumbnail differs from the frame before by more than 2 grey levels. A run of them
goes on at both ends while the difference is at most 5: an encoder takes some frames to settle on a picture that has
come to rest. A frame on which it refreshes the still picture interrupts a run only if there are several. Where nearly
all of a stretch is held it is left to the filter of motion, which calls it static.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from madata.config import ClosedModel
from madata.curation.filter import Chart, Excluded, Filter, Rejection
from madata.curation.piece import Piece
from madata.manifest import Column

__all__ = ["FILTER", "FrozenSettings"]

_HELD_LEVELS, _SETTLING_LEVELS = 2, 5
_REFRESH_FRAMES = 1
_MOVING_S = 1.0
"""With less than this that moves, a stretch is a still picture."""


class FrozenSettings(ClosedModel):
    """``frozen_s``: the picture is held for this long, in s, from which on the run is taken out."""

    frozen_s: float = Field(default=1.0, gt=0)


def held_runs(changes: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """[start, end) of every run of held frames, refreshed ones inside it counted in.

    >>> held_runs(np.array([9, 9, 0, 1, 9, 0, 9, 9, 0]))
    [(2, 6), (8, 9)]
    """
    held, settling = (np.asarray(changes) <= levels for levels in (_HELD_LEVELS, _SETTLING_LEVELS))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]))).reshape(-1, 2).tolist()
    runs: list[tuple[int, int]] = []
    for start, end in (_extended(run, settling) for run in edges):
        if runs and start - runs[-1][1] <= _REFRESH_FRAMES:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


def _extended(run: Sequence[int], settling: npt.NDArray[np.bool_]) -> tuple[int, int]:
    start, end = run
    while start > 0 and settling[start - 1]:
        start -= 1
    while end < len(settling) and settling[end]:
        end += 1
    return start, end


def exclude(piece: Piece, settings: FrozenSettings) -> Sequence[Excluded]:
    """Every held run that lasts too long."""
    first, times = piece.span.start, piece.frame_times_s
    spans = [piece.span_of(first + start, first + end) for start, end in held_runs(piece.changes)]
    long = [span for span in spans if span.duration_s >= settings.frozen_s]
    if float(times[-1] - times[0]) - sum(span.duration_s for span in long) < _MOVING_S:
        return ()
    return [
        Excluded(
            span,
            Rejection(
                "frozen",
                span.duration_s,
                settings.frozen_s,
                f"the picture is held for {span.duration_s:.2f} s",
            ),
        )
        for span in long
    ]


def examine(piece: Piece, settings: FrozenSettings) -> Rejection | None:
    """What is held for long has been taken out."""
    return None


def measure(piece: Piece, settings: FrozenSettings) -> Mapping[str, Any]:
    """The longest held run."""
    times = piece.frame_times_s
    return {
        "longest_frozen_s": max(
            (float(times[end] - times[start]) for start, end in held_runs(piece.changes)), default=0.0
        )
    }


FILTER = Filter(
    section="motion",
    settings=FrozenSettings,
    reasons={"frozen": "the picture is held; what lies before and behind it is judged by itself"},
    examine=examine,
    exclude=exclude,
    columns={"longest_frozen_s": Column("float64", "longest time for which the picture is held, s")},
    measure=measure,
    charts=(Chart("longest_frozen_s", "Longest frozen run", "s", "below", "frozen_s"),),
)
