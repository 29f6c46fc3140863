"""The columns of the three tables of the paper, and of every further metric a result may bring.

A column shows a metric as its :class:`~evaluation.metrics.spec.MetricSpec` says: label, direction, unit, decimals.
A result file cannot turn a direction around.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evaluation.metrics.printed import scale_of, unit_of
from evaluation.metrics.registry import find_metric
from evaluation.metrics.spec import ARROWS, Direction, MetricSpec
from evaluation.result import Metric
from leaderboard.paper import Task, paper_table
from madata.errors import ConfigError

__all__ = [
    "SPEED",
    "BoardColumn",
    "board_column",
    "columns_of",
    "extra_column",
    "in_shown_unit",
    "in_stored_unit",
    "known_column",
]

_HIGHER: dict[Direction, bool | None] = {"higher": True, "lower": False, "reference": None, "none": None}


@dataclass(frozen=True)
class BoardColumn:
    """One metric of a table.

    Attributes:
        metric: name of the metric in a result.
        label: its short name; what follows ``_`` is a subscript.
        title: its full name.
        direction: ``higher`` or ``lower`` is better, or nearer to the ``reference``; a column with ``none`` is never
            ranked.
        digits: decimals shown.
        group: heading the paper puts above it, or "".
        scale: what a result's value is multiplied with to be shown.
        unit: of what is shown; "" for a number without one.
        latex: the label in LaTeX, where it is not made of ``label``.
        by_music: whether values on other music are other values.
        corrected: the direction in corrected protocols, where the paper's tables print another one.
        extra: not in the paper's table.
        panel: of a group of its own beside the paper's
    """

    metric: str
    label: str
    title: str
    direction: Direction
    digits: int = 3
    group: str = ""
    scale: float = 1.0
    unit: str = ""
    latex: str = ""
    by_music: bool = False
    corrected: Direction | None = None
    extra: bool = False
    panel: bool = False

    @property
    def higher_is_better(self) -> bool | None:
        """The direction of a number line; ``None`` where it has none."""
        return _HIGHER[self.direction]

    @property
    def is_ranked(self) -> bool:
        """Whether one value can be better than another."""
        return self.direction != "none"

    @property
    def arrow(self) -> str:
        """``↑``, ``↓``, ``→`` (nearer to the reference), or nothing."""
        return ARROWS[self.direction]

    @property
    def stem(self) -> str:
        """The label without its subscript."""
        return self.label.partition("_")[0] if self._has_subscript else self.label

    @property
    def subscript(self) -> str:
        """The subscript of the label, or nothing."""
        return self.label.partition("_")[2] if self._has_subscript else ""

    @property
    def _has_subscript(self) -> bool:
        return not (self.extra and self.label == self.metric)


SPEED = BoardColumn("fps", "FPS", "Frames generated per second", "higher", 0, "Efficiency")
"""No metric of what was made but of how: it is in a result's ``generation``, not among its metrics."""


def board_column(spec: MetricSpec) -> BoardColumn:
    """The column of a metric, in the direction the paper's tables print."""
    return BoardColumn(
        metric=spec.name,
        label=spec.label,
        title=spec.title,
        direction=spec.published_direction or spec.direction,
        digits=spec.decimals,
        group=spec.group,
        scale=spec.scale,
        unit=unit_of(spec),
        latex=spec.latex,
        by_music="music" in spec.needs,
        corrected=spec.direction if spec.published_direction else None,
        panel=bool(spec.panel),
    )


def known_column(name: str) -> BoardColumn | None:
    """The column of the metric called ``name``; ``None`` where this installation has no such metric."""
    try:
        spec = find_metric(name)
    except ConfigError:  # a metric of others that cannot be imported here: its numbers are shown all the same
        return None
    return None if spec is None else board_column(spec)


def columns_of(task: Task) -> tuple[BoardColumn, ...]:
    """The columns of the paper's table for ``task``, in its order.

    Raises:
        ConfigError: another package takes the name of one of its metrics.
    """
    return tuple(_paper_column(name) for name in paper_table(task)["metrics"])


def _paper_column(name: str) -> BoardColumn:
    if name == SPEED.metric:
        return SPEED
    spec = find_metric(name)
    if spec is None:
        raise ValueError(f"the paper's tables name {name!r}, which is no metric")
    return board_column(spec)


def extra_column(metric: Metric) -> BoardColumn:
    """A column for a metric that is not in the paper's table of a task; one of another task keeps its unit."""
    known = known_column(metric.name)
    if known is None:
        stated: dict[bool | None, Direction] = {True: "higher", False: "lower", None: "none"}
        direction = stated[metric.higher_is_better]
        known = BoardColumn(metric.name, metric.name, metric.name, direction, unit=metric.unit)
    return replace(known, group=known.group if known.panel else f"More {metric.track}", extra=True)


def in_shown_unit(value: float, column: BoardColumn, unit: str) -> float:
    """``value`` of a result, stated in ``unit``, in the unit its column shows."""
    return value * scale_of(column.metric, unit)


def in_stored_unit(value: float, column: BoardColumn) -> float:
    """A shown value in the unit in which results hold it; the last bits of a product are not kept."""
    return value if column.scale == 1.0 else float(f"{value / column.scale:.14g}")
