"""Two systems held against each other: each metric as a function of clips, for whatever resamples clips.

Metrics that are made of others (means of the same videos weighted otherwise, extrapolations) are not here: they
would be the same comparison twice.

Legend: N rows, C clips that both systems have, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from evaluation.features.extractors import DERIVED
from evaluation.features.table import Features, concatenate
from evaluation.features.video_rows import VideoRow
from evaluation.measure import clip_groups, metrics_of, row_scores, scaled_sides
from evaluation.measure.distances import Part, Scaled
from evaluation.measure.draft import Rows, RowStatistic, on_clips
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.protocol import Protocol
from evaluation.stats.intervals import Statistic
from evaluation.videos.numbers import Column, value_of
from madata.errors import MadanceError

__all__ = ["LEAST_CLIPS", "Contrast", "motion_contrasts", "picture_contrasts"]

Floats = npt.NDArray[np.float64]

LEAST_CLIPS = 3

_PARTS: tuple[Part, ...] = ("k", "g")
_SET_METRICS = ("fid_k", "fid_g", "div_k", "div_g")
_ROW_METRICS = ("bas", "fsr", "pfc", "missing_rate")


@dataclass(frozen=True)
class Contrast:
    """One metric of two systems.

    Attributes:
        statistic: of clip numbers and reference clip numbers. Clip ``i`` is of the first system, ``count + i`` the
            same clip of the second.
        count: clips both have.
        n_reference: reference clips; 1 where the metric does not look at any.
    """

    statistic: Statistic
    count: int
    n_reference: int

    @property
    def sides(self) -> tuple[Floats, Floats, Floats]:
        """Clip numbers of the first system, of the second, of the reference."""
        clips = np.arange(self.count, dtype=np.float64)
        return clips, clips + self.count, np.arange(self.n_reference, dtype=np.float64)


def motion_contrasts(
    first: Features, second: Features, reference: Features, protocol: Protocol
) -> dict[str, Contrast]:
    """The metrics of motion of ``protocol``, on the clips both systems have.

    Raises:
        MadanceError: fewer than three clips in common, or features of different kinds.
    """
    first, second = _aligned(first, second)
    if first.kinetic.shape[1] != second.kinetic.shape[1] or set(first.scalars) != set(second.scalars):
        raise MadanceError("these results do not compare: their features are of different kinds")
    groups, real = clip_groups(first), clip_groups(reference)
    if len(groups) < LEAST_CLIPS:
        raise MadanceError(f"a comparison needs at least three clips in common, there are {len(groups)}")
    both = concatenate([first, second])
    pairs = [*groups, *(rows + len(first) for rows in groups)]
    return {
        name: Contrast(on_clips(statistic, pairs, real), len(groups), len(real))
        for name, statistic in _row_statistics(both, reference, protocol).items()
    }


def _aligned(first: Features, second: Features) -> tuple[Features, Features]:
    """The rows both sides have, in the order of the first."""
    at = {key: row for row, key in enumerate(zip(second.clip_ids, second.numbers.tolist(), strict=True))}
    keys = list(zip(first.clip_ids, first.numbers.tolist(), strict=True))
    kept = [row for row, key in enumerate(keys) if key in at]
    return first.take(kept), second.take([at[keys[row]] for row in kept])


def _row_statistics(both: Features, reference: Features, protocol: Protocol) -> dict[str, RowStatistic]:
    """Metric -> function of rows of both systems (one above the other) and rows of the reference."""
    statistics: dict[str, RowStatistic] = {}
    for part in _PARTS:
        if f"fid_{part}" in protocol.metrics:
            sides = scaled_sides(both, reference, protocol, part)
            statistics[f"fid_{part}"] = partial(_scaled_frechet, sides)
            statistics[f"div_{part}"] = partial(_diversity, sides)
    for name, values in row_scores(both, protocol).items():
        if name in _ROW_METRICS and np.isfinite(values).any():
            statistics[name] = partial(_mean, values)
    order = [name for name in protocol.metrics if name in (*_SET_METRICS, *_ROW_METRICS)]
    return {name: statistics[name] for name in order if name in statistics}


def _scaled_frechet(sides: Scaled, rows: Rows, real: Rows) -> float:
    return frechet_distance(*sides.between(rows, real))


def _diversity(sides: Scaled, rows: Rows, real: Rows) -> float:
    return diversity(sides.between(rows, real)[0])


def _mean(values: Floats, rows: Rows, real: Rows) -> float:
    there = values[rows][np.isfinite(values[rows])]
    return float(there.mean()) if len(there) else float("nan")


def picture_contrasts(
    first: Sequence[VideoRow], second: Sequence[VideoRow], reference: Sequence[VideoRow], protocol: Protocol
) -> dict[str, Contrast]:
    """The metrics of pictures of ``protocol``, each on the videos that have a value in both systems.

    A metric with fewer than three such videos is left out. Means are weighted as in the result.
    """
    mine, theirs = ({row.clip_id: row for row in rows} for rows in (first, second))
    common = [clip for clip in mine if clip in theirs]
    found: dict[str, Contrast] = {}
    for name in metrics_of(protocol, "appearance"):
        if name in DERIVED:
            continue
        both = [clip for clip in common if _has(mine[clip], name) and _has(theirs[clip], name)]
        if len(both) < LEAST_CLIPS:
            continue
        rows = [side[clip] for side in (mine, theirs) for clip in both]
        if name != "fvd":
            column = Column.of(rows, name, protocol)
            found[name] = Contrast(partial(_weighted_mean, column.values, column.weights), len(both), 1)
        elif len(real := _logits(reference)) >= LEAST_CLIPS:
            found[name] = Contrast(partial(_frechet, _logits(rows), real), len(both), len(real))
    return found


def _has(row: VideoRow, name: str) -> bool:
    return row.logits is not None if name == "fvd" else value_of(row, name) is not None


def _logits(rows: Sequence[VideoRow]) -> Floats:
    """(N, D) of the videos that have some."""
    there = [row.logits for row in rows if row.logits is not None]
    return np.stack(there).astype(np.float64) if there else np.zeros((0, 0))


def _weighted_mean(values: Floats, weights: Floats, clips: Floats, real: Floats) -> float:
    drawn = clips.astype(np.intp)
    return Column(values[drawn], weights[drawn]).mean


def _frechet(generated: Floats, reference: Floats, clips: Floats, real: Floats) -> float:
    return frechet_distance(generated[clips.astype(np.intp)], reference[real.astype(np.intp)])
