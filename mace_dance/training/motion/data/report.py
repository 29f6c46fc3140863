"""What became of the takes of a source."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["DataReport", "DroppedTake"]


@dataclass(frozen=True)
class DroppedTake:
    """A take that is not in the cache.

    Attributes:
        take: name of the take.
        reason: short code: ``not_finite``, ``too_short``, ``no_music``, ``unknown_genre``, ``ignored``,
            ``keypoints_only``, ``no_motion``, ``same_name``, ``crashed``, or the reason of a
            :class:`~madata.errors.MediaError`.
        message: one line that names the file and what to do.
    """

    take: str
    reason: str
    message: str


@dataclass(frozen=True)
class DataReport:
    """Counts of a cache.

    Attributes:
        takes, held_out_takes: takes for training, and held out.
        windows, held_out_windows: windows of each.
        seconds, held_out_seconds: seconds of motion of each.
        cut_s: seconds of motion left out because their music ends before.
        drops: what was left out altogether, in the order of the takes.
    """

    takes: int
    held_out_takes: int
    windows: int
    held_out_windows: int
    seconds: float
    held_out_seconds: float
    cut_s: float
    drops: tuple[DroppedTake, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DataReport:
        """The report that :meth:`to_json` wrote."""
        return cls(**{**values, "drops": tuple(DroppedTake(**drop) for drop in values["drops"])})
