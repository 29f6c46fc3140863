"""What metrics look at: the feature tables of a prediction and its reference, under one protocol.

Legend: N rows (clips, windows of clips, or videos).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable, RunFeatures
from evaluation.result import Side

__all__ = ["RowValues", "Tables", "why_none"]

Floats = npt.NDArray[np.float64]

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class RowValues:
    """One metric of every row of a side.

    Attributes:
        values: (N,), NaN where a row has none.
        weights: (N,) what each counts in the mean; ``None`` where rows count alike.
        reasons: (N,) why a row has none; empty texts elsewhere, or no text at all where nobody said.
    """

    values: Floats
    weights: Floats | None = None
    reasons: Sequence[str] = ()

    def mean(self, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        """The weighted mean over those of ``rows`` that have a value; NaN where none has.

        Example:
            >>> RowValues(np.array([1.0, np.nan, 4.0]), np.array([2.0, 1.0, 1.0])).mean()
            2.0
        """
        values = self.values[rows]
        there = np.isfinite(values)
        if not there.any():
            return float("nan")
        if self.weights is None:
            return float(values[there].mean())
        weights = self.weights[rows][there]
        return float((values[there] * weights).sum() / weights.sum())


def why_none(reasons: Sequence[str], what: str) -> str | None:
    """The most frequent reason, and how many rows share it; ``None`` where none is stated.

    Args:
        reasons: (N,) of rows without a value.
        what: a row is, in a word.

    Example:
        >>> why_none(["too short", "too short", "no feet"], "clip")
        'no clip has a value: too short (2 of 3)'
        >>> why_none(["too short"] * 3, "clip")
        'too short'
    """
    stated = Counter(reason for reason in reasons if reason)
    if not stated:
        return None
    text, count = stated.most_common(1)[0]
    return text if count == len(reasons) else f"no {what} has a value: {text} ({count} of {len(reasons)})"


@dataclass(frozen=True)
class Tables(RunFeatures):
    """Both sides of one run, with what several metrics share.

    Attributes:
        notes: what a reader should know besides the numbers; metrics add to it.
    """

    notes: list[str] = field(default_factory=list)
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, run: RunFeatures) -> Tables:
        """The tables of a run that was read."""
        return cls(run.protocol, run.prediction, run.reference, run.videos, run.missing, run.no_motion)

    def motion(self, side: Side) -> FeatureTable:
        """The motion of one side.

        Raises:
            ValueError: there is none.
        """
        found = self.prediction if side == "prediction" else self.reference
        if found is None:
            raise ValueError(self.no_motion)
        return found

    def shared(
        self, function: Callable[Concatenate[Tables, _P], _T], *arguments: _P.args, **named: _P.kwargs
    ) -> _T:
        """``function(self, ...)``, computed once for all the metrics that are made of it.

        Raises:
            ValueError: what ``function`` raised, every time.
        """
        key = (function, arguments, tuple(named.items()))
        if key not in self._known:
            try:
                self._known[key] = function(self, *arguments, **named)
            except ValueError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, ValueError):
            raise found
        return found  # type: ignore[no-any-return]

    def note(self, text: str) -> None:
        """Add to the notes what is not there yet."""
        if text not in self.notes:
            self.notes.append(text)
