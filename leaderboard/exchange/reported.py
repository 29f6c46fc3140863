"""What somebody else reports, as it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["ElsewhereNumber", "ElsewhereRow", "finite_number", "text_of"]


@dataclass(frozen=True)
class ElsewhereNumber:
    """One metric under our name for it, in the unit of a result.

    Attributes:
        low, high: of a 95 % interval.
        n: clips behind it.
    """

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""


@dataclass(frozen=True)
class ElsewhereRow:
    """The numbers of one system in one file.

    Attributes:
        source: who says so.
        protocol: how, as far as the file says.
        task: of our tables; ``None`` where the file does not say.
    """

    name: str
    source: str
    protocol: str
    task: str | None
    date: str | None
    numbers: tuple[ElsewhereNumber, ...]
    file: str


def finite_number(value: Any) -> float:
    """``value`` as a finite number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def text_of(value: Any) -> str:
    """``value`` as a text of bounded length.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value[:300]
