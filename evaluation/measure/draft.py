"""A metric in the making: its kind, its value, its interval from resampled clips, its noise floor.

Whole clips are resampled, so that windows of one clip never count as independent. The interval of a distance
has the bias of finite n removed and therefore lies below the plain value, which holds that bias.

Legend: N rows, C clips.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluation.features.table import Features
from evaluation.features.video.scores import DIMENSIONS, PAIR_WEIGHTED
from evaluation.protocol import Protocol
from evaluation.result import Metric
from evaluation.stats.estimate import noise_floor
from evaluation.stats.intervals import half_sampling_interval, mean_interval

__all__ = ["METRICS", "Draft", "MetricKind", "RowStatistic", "Rows", "Statistics", "clip_groups", "on_clips"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
RowStatistic = Callable[[Rows, Rows], float]


@dataclass(frozen=True)
class MetricKind:
    """What the name of a metric stands for."""

    version: int
    unit: str
    higher_is_better: bool | None
    track: Literal["motion", "appearance"] = "motion"


METRICS = {
    **dict.fromkeys(("fid_k", "fid_g", "fid_k_infinity", "fid_g_infinity"), MetricKind(1, "", False)),
    **dict.fromkeys(("kid_k", "kid_g"), MetricKind(1, "", False)),
    **dict.fromkeys(("div_k", "div_g"), MetricKind(1, "", True)),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), MetricKind(1, "", True)),
    **dict.fromkeys(("bas", "bas_z", "bas_music_to_motion", "bas_motion_to_music"), MetricKind(1, "", True)),
    "bas_chance": MetricKind(1, "", None),
    "fsr": MetricKind(1, "", False),
    "pfc": MetricKind(1, "", False),
    "missing_rate": MetricKind(1, "", None),
    **dict.fromkeys(
        (*DIMENSIONS, *(f"{name}_video_mean" for name in sorted(PAIR_WEIGHTED)), "ssim"),
        MetricKind(1, "", True, "appearance"),
    ),
    "motion_magnitude": MetricKind(1, "levels per frame", None, "appearance"),
    **dict.fromkeys(("fvd", "lpips"), MetricKind(1, "", False, "appearance")),
    "psnr": MetricKind(1, "dB", True, "appearance"),
}


@dataclass
class Draft:
    """What :class:`~evaluation.result.Metric` needs besides the kind.

    Attributes:
        directed: the metric has its better side here; corrected DIV has none, the nearer to the reference the
            better.
    """

    n: int
    value: float | None = None
    reason: str | None = None
    n_reference: int | None = None
    ci95: tuple[float, float] | None = None
    ci_method: str | None = None
    noise_floor: float | None = None
    noise_floor_n: int | None = None
    reference: float | None = None
    reference_ci95: tuple[float, float] | None = None
    cautions: list[str] = field(default_factory=list)
    directed: bool = True

    def set_interval(self, low: float, high: float, method: str) -> None:
        """Take an interval, unless it is not finite."""
        if np.isfinite(low) and np.isfinite(high):
            self.ci95, self.ci_method = (float(low), float(high)), method
        else:
            self.cautions.append(f"no interval: {method} gave one that is not finite")

    def finish(self, name: str) -> Metric:
        """The metric: a finite value, or a reason."""
        kind = METRICS[name]
        finite = self.value is not None and bool(np.isfinite(self.value))
        reason = self.reason or ("not computed" if self.value is None else "the value is not finite")
        return Metric(
            name=name,
            track=kind.track,
            value=self.value if finite else None,
            reason=None if finite else reason,
            unit=kind.unit,
            higher_is_better=kind.higher_is_better if self.directed else None,
            n=self.n,
            n_reference=self.n_reference,
            ci95=self.ci95 if finite else None,
            ci_method=self.ci_method if finite else None,
            noise_floor=self.noise_floor,
            noise_floor_n=self.noise_floor_n,
            reference=self.reference,
            reference_ci95=self.reference_ci95,
            caution="; ".join(self.cautions) or None,
            version=kind.version,
        )


def clip_groups(features: Features) -> list[Rows]:
    """Rows of each clip, clips in order of their first row."""
    rows: dict[str, list[int]] = {}
    for row, clip in enumerate(features.clip_ids):
        rows.setdefault(clip, []).append(row)
    return [np.array(members, np.intp) for members in rows.values()]


def on_clips(
    statistic: RowStatistic, generated: list[Rows], reference: list[Rows]
) -> Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]:
    """A statistic of rows as one of clip numbers."""

    def of_clips(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
        left = np.concatenate([generated[int(clip)] for clip in first])
        right = np.concatenate([reference[int(clip)] for clip in second])
        return statistic(left, right)

    return of_clips


@dataclass(frozen=True)
class Statistics:
    """Resampling of two sides, clip by clip.

    Attributes:
        generated, reference: rows of each clip.
        paired: clip i of both sides belongs together.
    """

    generated: list[Rows]
    reference: list[Rows]
    paired: bool
    protocol: Protocol

    @classmethod
    def of(cls, prediction: Features, reference: Features, protocol: Protocol) -> Statistics:
        """For two sides; clips of equal names in equal order belong together."""
        paired = list(dict.fromkeys(prediction.clip_ids)) == list(dict.fromkeys(reference.clip_ids))
        return cls(clip_groups(prediction), clip_groups(reference), paired, protocol)

    def rng(self, name: str) -> np.random.Generator:
        """A stream for each purpose, so that no number depends on which others are asked for."""
        return np.random.default_rng([self.protocol.statistics.seed, zlib.crc32(name.encode())])

    def interval(
        self, draft: Draft, statistic: RowStatistic, *, minimum: float = -np.inf, maximum: float = np.inf
    ) -> None:
        """Give ``draft`` the half-sampling interval of a statistic of two sets of rows, within its limits."""
        try:
            found = half_sampling_interval(
                on_clips(statistic, self.generated, self.reference),
                np.arange(len(self.generated), dtype=np.float64),
                np.arange(len(self.reference), dtype=np.float64),
                self.rng("halves"),
                replicates=self.protocol.statistics.resamples,
                minimum=minimum,
                paired=self.paired,
            )
        except ValueError as error:
            draft.cautions.append(f"no interval: {error}")
            return
        draft.set_interval(min(found.low, maximum), min(found.high, maximum), found.method)

    def floor(self, draft: Draft, statistic: RowStatistic) -> None:
        """Give ``draft`` the value of a statistic of reference rows between two parts of the reference."""
        try:
            found = noise_floor(
                on_clips(statistic, self.reference, self.reference),
                np.arange(len(self.reference), dtype=np.float64),
                len(self.generated),
                self.rng("floor"),
                repeats=self.protocol.statistics.floor_repeats,
            )
        except ValueError as error:
            draft.cautions.append(f"no noise floor: {error}")
            return
        if not np.isfinite(found.value):
            return
        draft.noise_floor, draft.noise_floor_n = found.value, found.size
        if not found.size == len(self.generated) == len(self.reference):
            draft.cautions.append(f"the noise floor is that of two parts of {found.size} reference clips")

    def mean(self, draft: Draft, values: Floats, name: str, *, maximum: float = np.inf) -> None:
        """Give ``draft`` the mean over the rows that have a value, with its interval within 0..``maximum``.

        The bootstrap draws clips; windows of a clip enter through the linearised ratio of sums to counts.
        """
        there = np.isfinite(values)
        draft.n = int(there.sum())
        if not there.any():
            draft.reason = "no clip has a value"
            return
        mean = float(values[there].mean())
        draft.value = mean
        sums = np.array([values[rows][there[rows]].sum() for rows in self.generated])
        sizes = np.array([there[rows].sum() for rows in self.generated])
        kept = sizes > 0
        influence = mean + (sums - mean * sizes)[kept] * kept.sum() / sizes.sum()
        try:
            found = mean_interval(influence, self.rng(name))
        except ValueError as error:
            draft.cautions.append(f"no interval: {error}")
            return
        draft.set_interval(max(found.low, 0.0), min(found.high, maximum), found.method)
