"""Two systems held against each other: each metric as a function of clips, for whatever resamples clips.

Metrics that are other readings of what another metric decides (means weighted otherwise, extrapolations) are not here:
they would be the same comparison twice.

Legend: N rows, C clips that both systems have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable, concatenate
from evaluation.metrics.estimate import RowStatistic, clip_groups, column_of, on_clips, row_statistic
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.result import Side
from evaluation.stats.intervals import Statistic
from madata.errors import MadanceError

__all__ = ["LEAST_CLIPS", "Contrast", "contrasts"]

Floats = npt.NDArray[np.float64]

LEAST_CLIPS = 3


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


def contrasts(first: Tables, second: Tables) -> dict[str, Contrast]:
    """Every metric two runs can be compared by, in the order of the protocol, on the clips both have.

    A metric of pictures with fewer than three such videos is left out, like one without values. Means are weighted as
    in the result.

    Raises:
        MadanceError: fewer than three clips of motion in common, or features of different kinds.
    """
    specs = [spec for spec in check_metrics(first.protocol) if spec.compared]
    found: dict[str, Contrast | None] = {}
    if first.prediction is not None and second.prediction is not None and first.reference is not None:
        dances = _Dances.of(first, second)
        found |= {spec.name: dances.contrast(spec) for spec in specs if spec.track == "motion"}
    if "prediction" in first.videos and "prediction" in second.videos:
        found |= {spec.name: _of_videos(spec, first, second) for spec in specs if spec.track == "appearance"}
    ordered = ((spec.name, found.get(spec.name)) for spec in specs)
    return {name: contrast for name, contrast in ordered if contrast is not None}


@dataclass(frozen=True)
class _Dances:
    """The motion of both systems, one above the other, as one prediction."""

    tables: Tables
    pairs: list[npt.NDArray[np.intp]]
    real: list[npt.NDArray[np.intp]]

    @classmethod
    def of(cls, first: Tables, second: Tables) -> _Dances:
        mine, theirs = _aligned(first.motion("prediction"), second.motion("prediction"))
        if mine.kinetic.shape[1] != theirs.kinetic.shape[1] or set(mine.scalars) != set(theirs.scalars):
            raise MadanceError("these results do not compare: their features are of different kinds")
        groups, real = clip_groups(mine), clip_groups(first.motion("reference"))
        if len(groups) < LEAST_CLIPS:
            raise MadanceError(f"a comparison needs at least three clips in common, there are {len(groups)}")
        both = replace(first, prediction=concatenate([mine, theirs]), notes=[], _known={})
        return cls(both, [*groups, *(rows + len(mine) for rows in groups)], real)

    def contrast(self, spec: MetricSpec) -> Contrast | None:
        try:
            statistic = row_statistic(spec, self.tables)
            column = column_of(spec, self.tables, "prediction")
        except ValueError:
            return None
        if statistic is None or (column is not None and not np.isfinite(column.values).any()):
            return None
        return Contrast(on_clips(statistic, self.pairs, self.real), len(self.pairs) // 2, len(self.real))


def _aligned(first: FeatureTable, second: FeatureTable) -> tuple[FeatureTable, FeatureTable]:
    """The rows both sides have, in the order of the first."""
    at = {key: row for row, key in enumerate(zip(second.clip_ids, second.numbers.tolist(), strict=True))}
    keys = list(zip(first.clip_ids, first.numbers.tolist(), strict=True))
    kept = [row for row, key in enumerate(keys) if key in at]
    return first.take(kept), second.take([at[keys[row]] for row in kept])


def _of_videos(spec: MetricSpec, first: Tables, second: Tables) -> Contrast | None:
    """On the videos that have a value in both systems."""
    mine, theirs = (_usable(spec, tables) for tables in (first, second))
    both = [clip for clip in mine if clip in theirs]
    real = first.videos.get("reference")
    of_sets = () if real is None else np.flatnonzero(_whole(real))
    if len(both) < LEAST_CLIPS or (not spec.by_clip and len(of_sets) < LEAST_CLIPS):
        return None
    sides = zip((first, second), (mine, theirs), strict=True)
    videos = [tables.videos["prediction"].take([rows[clip] for clip in both]) for tables, rows in sides]
    held: dict[Side, FeatureTable] = {"prediction": concatenate(videos)}
    if real is not None:
        held["reference"] = real.take(of_sets)
    tables = replace(first, videos=held, notes=[], _known={})
    statistic = row_statistic(spec, tables)
    if statistic is None:
        return None
    return Contrast(_on_rows(statistic), len(both), 1 if spec.by_clip else len(of_sets))


def _usable(spec: MetricSpec, tables: Tables) -> dict[str, int]:
    """Clip -> row of the videos that have a value, or what a number of sets is made of."""
    table = tables.videos["prediction"]
    column = column_of(spec, tables, "prediction")
    there = _whole(table) if column is None else np.isfinite(column.values)
    return {table.clip_ids[row]: int(row) for row in np.flatnonzero(there)}


def _whole(table: FeatureTable) -> npt.NDArray[np.bool_]:
    """(N,) whether a video has logits."""
    held = np.asarray(np.isfinite(table.logits).all(axis=1), np.bool_)
    return held if table.logits.shape[1] else np.zeros_like(held)


def _on_rows(statistic: RowStatistic) -> Statistic:
    """Each video is a row and a clip of its own."""
    return lambda first, second: statistic(first.astype(np.intp), second.astype(np.intp))
