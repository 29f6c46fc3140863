"""From rows of videos to metrics, each with n, its interval and its value on the reference.

FVD also has its noise floor. Subject and background consistency are weighted by frame pairs, as VBench
reports them from one process; their plain means over videos stand beside them. Intervals resample whole
videos: a weighted mean enters the bootstrap through the linearised ratio of its sums.

Legend: N videos, D = 400 logits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.features.extractors import DERIVED
from evaluation.features.video.scores import PAIR_WEIGHTED, VideoScore
from evaluation.features.video_rows import VideoRow
from evaluation.measure import metrics_of
from evaluation.measure.draft import Draft, Statistics
from evaluation.metrics.distances import frechet_distance
from evaluation.protocol import Protocol
from evaluation.result import Metric
from evaluation.stats.intervals import mean_interval

__all__ = ["Column", "measure_videos", "sample_values", "value_of"]

Floats = npt.NDArray[np.float64]

_FEW_VIDEOS = 256
"""Under this many videos in either set a value is not to be compared with published ones."""
_SCALE = {"imaging_quality": 0.01}
_LIMITS = {"psnr": (-np.inf, np.inf), "ssim": (-1.0, 1.0), "motion_magnitude": (0.0, 255.0)}
_LIMITS["lpips"] = (0.0, np.inf)
_FAVOURS_STILLNESS = (
    "a slow or frozen video scores higher: read it beside the reference, a frozen frame and motion_magnitude"
)
_STILL = {"motion_smoothness", "temporal_flickering"}


def measure_videos(
    generated: Sequence[VideoRow],
    reference: Sequence[VideoRow],
    protocol: Protocol,
    missing: Mapping[str, str],
) -> list[Metric]:
    """Every metric of pictures of ``protocol``.

    Args:
        generated: the videos to score, those with a fault included.
        reference: of the same clips where the protocol compares pairs; may be empty elsewhere.
        missing: metric -> why it was not measured.
    """
    return [
        _metric(name, generated, reference, protocol, missing) for name in metrics_of(protocol, "appearance")
    ]


def _metric(
    name: str,
    generated: Sequence[VideoRow],
    reference: Sequence[VideoRow],
    protocol: Protocol,
    missing: Mapping[str, str],
) -> Metric:
    source = DERIVED.get(name, name)
    if source in missing:
        return Draft(0, reason=missing[source]).finish(name)
    if name == "fvd":
        return _fvd(generated, reference, protocol).finish(name)
    column = Column.of(generated, name, protocol)
    draft = Draft(column.n)
    if not column.n:
        draft.reason = _why_none(generated, source)
        return draft.finish(name)
    draft.value = column.mean
    _give_interval(draft, column, name, protocol)
    if column.n < len(generated):
        draft.cautions.append(f"{len(generated) - column.n} of {len(generated)} videos have no value")
    if name in _STILL:
        draft.cautions.append(_FAVOURS_STILLNESS)
    if protocol.pairs is None:
        real = Column.of(reference, name, protocol)
        if real.n:
            beside = Draft(real.n, value=real.mean)
            _give_interval(beside, real, name, protocol)
            draft.n_reference, draft.reference, draft.reference_ci95 = real.n, real.mean, beside.ci95
    return draft.finish(name)


@dataclass(frozen=True)
class Column:
    """The values of one metric, (n,) each, of the videos that have one, and what each weighs in the mean."""

    values: Floats
    weights: Floats

    @classmethod
    def of(cls, rows: Sequence[VideoRow], name: str, protocol: Protocol) -> Column:
        """Frame pairs or frames weigh where the metric or the protocol says so; else videos count alike."""
        found = [(value_of(row, name), _score(row, name)) for row in rows]
        there = [(value, score.num_samples) for value, score in found if value is not None and score]
        values = np.array([value for value, _ in there], np.float64)
        pooled = protocol.pairs is not None and protocol.pairs.pooled
        weighted = pooled or name in PAIR_WEIGHTED
        weights = [float(samples) if weighted else 1.0 for _, samples in there]
        return cls(values, np.array(weights, np.float64))

    @property
    def n(self) -> int:
        """How many videos have a value."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The weighted mean."""
        return float((self.values * self.weights).sum() / self.weights.sum())

    @property
    def influence(self) -> Floats:
        """(n,) whose plain mean is the weighted mean."""
        found: Floats = self.mean + self.weights * (self.values - self.mean) / self.weights.mean()
        return found


def _score(row: VideoRow, name: str) -> VideoScore | None:
    return row.scores.get(DERIVED.get(name, name))


def value_of(row: VideoRow, name: str) -> float | None:
    """A metric of one video in the unit of the metric."""
    score = _score(row, name)
    if score is None or score.value is None:
        return None
    if name == "motion_magnitude":  # mean absolute difference of consecutive frames
        return 255.0 * (1.0 - score.value)
    return score.value * _SCALE.get(name, 1.0)


def _give_interval(draft: Draft, column: Column, name: str, protocol: Protocol) -> None:
    rng = np.random.default_rng([protocol.statistics.seed, *name.encode()])
    try:
        found = mean_interval(column.influence, rng)
    except ValueError as error:
        draft.cautions.append(f"no interval: {error}")
        return
    low, high = _LIMITS.get(name, (0.0, 1.0))
    draft.set_interval(max(found.low, low), min(found.high, high), found.method)


def _why_none(rows: Sequence[VideoRow], name: str) -> str:
    """The most frequent reason, and how many videos share it."""
    reasons = Counter[str]()
    for row in rows:
        score = row.scores.get(name)
        if row.fault is not None:
            reasons[row.fault[1]] += 1
        elif score is not None and score.reason:
            reasons[score.reason] += 1
    if not reasons:
        return "no video was measured"
    text, count = reasons.most_common(1)[0]
    return text if count == len(rows) else f"no video has a value: {text} ({count} of {len(rows)})"


def _fvd(generated: Sequence[VideoRow], reference: Sequence[VideoRow], protocol: Protocol) -> Draft:
    mine = {row.clip_id: row.logits for row in generated if row.logits is not None}
    real = {row.clip_id: row.logits for row in reference if row.logits is not None}
    draft = Draft(len(mine), n_reference=len(real))
    least = max(2, protocol.statistics.min_n)
    frames = protocol.pairs.fvd.frames if protocol.pairs else 0
    if min(len(mine), len(real)) < least:
        draft.reason = (
            f"FVD needs {least} videos of {frames} frames or more on each side, there are {len(mine)} "
            f"generated and {len(real)} real"
        )
        return draft
    first, second = (np.stack(list(side.values())).astype(np.float64) for side in (mine, real))
    statistics = Statistics(
        [np.array([row], np.intp) for row in range(len(first))],
        [np.array([row], np.intp) for row in range(len(second))],
        list(mine) == list(real),
        protocol,
    )
    draft.value = frechet_distance(first, second)
    statistics.interval(draft, lambda a, b: frechet_distance(first[a], second[b]), minimum=0.0)
    statistics.floor(draft, lambda a, b: frechet_distance(second[a], second[b]))
    if min(len(mine), len(real)) < _FEW_VIDEOS:
        draft.cautions.append(
            f"{min(len(mine), len(real))} videos: under {_FEW_VIDEOS}, FVD says more about their number than "
            "about their quality"
        )
    return draft


def sample_values(rows: Sequence[VideoRow], protocol: Protocol) -> dict[str, Floats]:
    """Metric -> (N,) value of every video, NaN where it has none."""
    names = [name for name in metrics_of(protocol, "appearance") if name != "fvd" and name not in _MEANS]
    found = {name: [value_of(row, name) for row in rows] for name in names}
    return {
        name: np.array([np.nan if value is None else value for value in values], np.float64)
        for name, values in found.items()
    }


_MEANS = {f"{name}_video_mean" for name in PAIR_WEIGHTED}
"""Other means of the same values of single videos."""
