"""A confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Interval"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        estimate: the value, bias removed where the method can.
        low, high: ends of the interval.
        method: ``block-jackknife`` or ``wilson``.
        level: confidence, 0.95 unless asked otherwise.
    """

    estimate: float
    low: float
    high: float
    method: str
    level: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies in the interval.

        Example:
            >>> Interval(1.0, 0.5, 2.0, "block-jackknife", 0.95).holds(0.4)
            False
        """
        return self.low <= value <= self.high
