"""The columns of the three tables of the paper, and of every further metric a result may bring.

A column says how a metric is called, in which direction it is better, in which unit and with how many digits it
is shown. Directions are ours: a result file cannot turn one around.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from evaluation.result import Metric

__all__ = ["TASKS", "TASK_TITLES", "Column", "Task", "columns_of", "extra_column", "in_shown_unit"]

Task = Literal["video", "motion", "animation"]

TASKS: tuple[Task, ...] = get_args(Task)
TASK_TITLES: dict[Task, str] = {
    "video": "Music-driven dance video",
    "motion": "Music-driven 3D dance",
    "animation": "Pose-driven image animation",
}


@dataclass(frozen=True)
class Column:
    """One metric of a table.

    Attributes:
        metric: name of the metric in a result.
        label: its short name; what follows ``_`` is a subscript.
        title: its full name.
        higher_is_better: ``None`` where neither side is better; such a column is never ranked.
        digits: decimals shown.
        group: heading the paper puts above it, or "".
        scale: what a result's value is multiplied with to be shown.
        extra: not in the paper's table.
    """

    metric: str
    label: str
    title: str
    higher_is_better: bool | None
    digits: int = 2
    group: str = ""
    scale: float = 1.0
    extra: bool = False

    @property
    def arrow(self) -> str:
        """``↑``, ``↓``, or nothing."""
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]

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


def _appearance(metric: str, label: str, title: str) -> Column:
    return Column(metric, label, title, True, 2, "Appearance", 100.0)


_FID_K = Column("fid_k", "FID_k", "Fréchet distance of kinetic features", False, 2, "Motion")
_FID_G = Column("fid_g", "FID_g", "Fréchet distance of geometric features", False, 2, "Motion")
_FSR = Column("fsr", "FSR", "Foot sliding ratio", False, 3, "Motion")
_DIV_K = Column("div_k", "DIV_k", "Diversity of kinetic features", True, 2, "Motion")
_DIV_G = Column("div_g", "DIV_g", "Diversity of geometric features", True, 2, "Motion")
_BAS = Column("bas", "BAS", "Beat alignment score", True, 3, "Motion")
_FPS = Column("fps", "FPS", "Frames generated per second", True, 0, "Efficiency")

_COLUMNS: dict[Task, tuple[Column, ...]] = {
    "video": (
        _appearance("imaging_quality", "IQ", "Imaging quality"),
        _appearance("aesthetic_quality", "AQ", "Aesthetic quality"),
        _appearance("subject_consistency", "SC", "Subject consistency"),
        _appearance("background_consistency", "BC", "Background consistency"),
        _appearance("motion_smoothness", "MS", "Motion smoothness"),
        _appearance("temporal_flickering", "TF", "Temporal flickering"),
        _FID_K,
        _FID_G,
        _DIV_K,
        _DIV_G,
        _BAS,
    ),
    "motion": (_FID_K, _FID_G, _FSR, _DIV_K, _DIV_G, _BAS, _FPS),
    "animation": (
        Column("fvd", "FVD", "Fréchet video distance", False, 2, "Reconstruction"),
        Column("ssim", "SSIM", "Structural similarity", True, 3, "Reconstruction"),
        Column("lpips", "LPIPS", "Learned perceptual distance", False, 3, "Reconstruction"),
        Column("psnr", "PSNR", "Peak signal-to-noise ratio, dB", True, 2, "Reconstruction"),
    ),
}

_KNOWN = {
    column.metric: column
    for column in (
        *(column for columns in _COLUMNS.values() for column in columns),
        Column("fid_k_infinity", "FID_k,∞", "FID_k extrapolated to infinitely many clips", False, 2),
        Column("fid_g_infinity", "FID_g,∞", "FID_g extrapolated to infinitely many clips", False, 2),
        Column("kid_k", "KID_k", "Kernel distance of kinetic features, unbiased", False, 3),
        Column("kid_g", "KID_g", "Kernel distance of geometric features, unbiased", False, 3),
        Column("precision", "Precision", "Share of dances near real ones", True, 3),
        Column("recall", "Recall", "Share of real dances near generated ones", True, 3),
        Column("density", "Density", "How densely real dances surround generated ones", True, 3),
        Column("coverage", "Coverage", "Share of real dances with a generated one nearby", True, 3),
        Column("bas_chance", "BAS_chance", "Beat alignment on the music of other clips", None, 3),
        Column("bas_z", "BAS_z", "Beat alignment above chance, in standard deviations", True, 2),
        Column("bas_music_to_motion", "BAS_music", "Music beats met by the motion", True, 3),
        Column("bas_motion_to_music", "BAS_motion", "Motion beats met by the music", True, 3),
        Column("pfc", "PFC", "Physical foot contact score", False, 3),
        Column("missing_rate", "Missing", "Share of keypoints that are not seen", None, 3),
        _appearance(
            "subject_consistency_video_mean", "SC_video", "Subject consistency, every video counting the same"
        ),
        _appearance(
            "background_consistency_video_mean",
            "BC_video",
            "Background consistency, every video counting the same",
        ),
        Column("motion_magnitude", "Change", "Mean absolute change from frame to frame, 0..255", None, 2),
    )
}


def columns_of(task: Task) -> tuple[Column, ...]:
    """The columns of the paper's table for ``task``, in its order."""
    return _COLUMNS[task]


def extra_column(metric: Metric) -> Column:
    """A column for a metric that is not in the paper's table of a task; one of another task keeps its unit."""
    known = _KNOWN.get(metric.name)
    if known is None:
        known = Column(metric.name, metric.name, metric.name, metric.higher_is_better, 3)
    return replace(known, group=f"More {metric.track}", extra=True)


def in_shown_unit(value: float, column: Column, unit: str) -> float:
    """``value`` of a result in the unit its column shows; percentages stay what they are."""
    return value if unit in {"%", "0..100"} else value * column.scale
