"""What a filter is.

A filter looks at one stretch of a shot, a :class:`~madata.curation.piece.Piece`, and says ``None``, or why the stretch
is dropped. First it is asked about the whole stretch, then about each window in it, so that a second dancer who
enters late costs the windows he is in. It decides by what was measured alone, never by pictures of its own: what was
measured is kept, and a decision can be made again without a decode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from madata.curation.piece import Piece
from madata.manifest import Column
from madata.types import Span

__all__ = ["Chart", "Excluded", "Filter", "Rejection", "measured_nothing"]

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class Rejection:
    """Why a stretch is dropped: the measured ``value`` met the ``threshold``.

    Attributes:
        reason: one of the filter's reasons.
        value: ``None`` where nothing could be measured.
        message: the two in words.
    """

    reason: str
    value: float | None
    threshold: float
    message: str


@dataclass(frozen=True)
class Excluded:
    """Frames inside a stretch that no clip may show; what lies before and behind them is judged by itself."""

    span: Span
    rejection: Rejection


@dataclass(frozen=True)
class Chart:
    """A histogram of one column, with the threshold that it is held against.

    Attributes:
        column: of the tables of clips and dropped stretches.
        keeps: which side of the threshold is kept.
        setting: the filter's setting that is the threshold.
        per: what is counted once: each row, or each ``"segment"``, whatever the number of its windows.
    """

    column: str
    title: str
    unit: str
    keeps: Literal["above", "below"]
    setting: str
    per: Literal["row", "segment"] = "row"


def measured_nothing(piece: Piece, settings: Any) -> dict[str, Any]:
    """The values of a filter that adds no column."""
    return {}


def _nothing_excluded(piece: Piece, settings: Any) -> Sequence[Excluded]:
    return ()


@dataclass(frozen=True)
class Filter(Generic[Settings]):
    """One rule of the curation.

    Attributes:
        section: of the settings in which its thresholds stand; also its ``stage`` in the table of dropped stretches.
        settings: its thresholds, as a closed model.
        reasons: every reason it may give, and what it means.
        examine: says why a stretch or a window is dropped; ``None`` keeps it.
        columns: what it adds to the tables of clips and of dropped stretches.
        measure: the values of its columns, asked for after :attr:`examine`.
        exclude: frames inside a stretch that no clip may show, in order, none overlapping; asked before
            :attr:`examine`, of whole stretches only.
        charts: its histograms in the report.
    """

    section: str
    settings: type[Settings]
    reasons: Mapping[str, str]
    examine: Callable[[Piece, Settings], Rejection | None]
    columns: Mapping[str, Column] = field(default_factory=dict)
    measure: Callable[[Piece, Settings], Mapping[str, Any]] = measured_nothing
    exclude: Callable[[Piece, Settings], Sequence[Excluded]] = _nothing_excluded
    charts: tuple[Chart, ...] = ()
