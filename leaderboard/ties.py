"""Is the better of two numbers better, or could chance have put it there?

Three ways, the first that the files allow: the features of both results are held against each other song by song
(:func:`evaluation.comparison.compare`); scores of each clip are paired, where the number is their mean; else the two
intervals are held against each other as if the systems were independent, which calls more pairs a tie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from evaluation.comparison import Run, compare, load_run
from evaluation.inputs.sources import rows_of_sources
from evaluation.result import Metric
from evaluation.stats.means import mean_interval
from evaluation.stats.verdicts import Verdict
from leaderboard.entries import BoardEntry
from leaderboard.remembered import remembered
from madata.errors import MadanceError
from madata.files import whole_table

__all__ = ["TieJudge", "clip_scores", "intervals_meet"]


def intervals_meet(first: Metric, second: Metric) -> bool | None:
    """Whether the difference of two independent numbers may be 0; ``None`` without two intervals.

    Each interval is shifted by its own value, so that bias removed from one is not taken for a difference.
    """
    if first.ci95 is None or second.ci95 is None:
        return None
    centres = [sum(metric.ci95) / 2 for metric in (first, second) if metric.ci95]
    reaches = [(metric.ci95[1] - metric.ci95[0]) / 2 for metric in (first, second) if metric.ci95]
    return abs(centres[0] - centres[1]) <= math.hypot(*reaches)


def clip_scores(samples: Path) -> dict[str, dict[str, float]]:
    """Metric -> clip -> mean over its windows, from a samples file."""
    table = whole_table(samples, ["clip_id", "metric", "value"]).to_pandas(ignore_metadata=True)
    means = (
        table.dropna(subset=["value"]).groupby(["metric", "clip_id"], sort=True)["value"].mean().reset_index()
    )
    scores: dict[str, dict[str, float]] = {}
    for metric, clip, value in zip(means["metric"], means["clip_id"], means["value"], strict=True):
        scores.setdefault(str(metric), {})[str(clip)] = float(value)
    return scores


_VERDICTS: TypeAdapter[dict[str, Verdict]] = TypeAdapter(dict[str, Verdict])


@dataclass
class TieJudge:
    """Judges pairs of results and remembers what it computed.

    Attributes:
        exact: compare features where both results have them; else only the intervals are used.
    """

    exact: bool = True
    _runs: dict[str, Run | None] = field(default_factory=dict)
    _verdicts: dict[tuple[str, str], dict[str, Verdict]] = field(default_factory=dict)
    _scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def tied(self, best: BoardEntry, other: BoardEntry, name: str) -> bool:
        """Whether ``other`` may be as good as ``best`` in the metric called ``name``."""
        first, second = best.result.metric(name), other.result.metric(name)
        apart = intervals_meet(first, second)
        if apart is False or not self.exact:
            return bool(apart)
        verdict = self._compared(best, other).get(name)
        if verdict is not None:
            return verdict in ("tie", "undecided")
        paired = self._paired(best, other, first, second)
        return paired if paired is not None else bool(apart)

    def _compared(self, best: BoardEntry, other: BoardEntry) -> dict[str, Verdict]:
        """Metric -> verdict of the features, none where they do not compare; remembered by their content."""
        key = (best.result.id, other.result.id)
        if key not in self._verdicts:
            self._verdicts[key] = remembered(
                "comparisons", (best, other), _VERDICTS, lambda: self._judged(best, other)
            )
        return self._verdicts[key]

    def _judged(self, best: BoardEntry, other: BoardEntry) -> dict[str, Verdict]:
        runs = self.run(best), self.run(other)
        if runs[0] is None or runs[1] is None:
            return {}
        try:
            return {one.metric: one.verdict for one in compare(runs[0], runs[1])}
        except MadanceError:
            return {}

    def run(self, entry: BoardEntry) -> Run | None:
        """The features of a result, read once; ``None`` where there are none to be had, or none are asked for."""
        if entry.features is None or not self.exact:
            return None
        if entry.result.id not in self._runs:
            try:
                self._runs[entry.result.id] = load_run(entry.file)
            except MadanceError:
                self._runs[entry.result.id] = None
        return self._runs[entry.result.id]

    def _paired(self, best: BoardEntry, other: BoardEntry, first: Metric, second: Metric) -> bool | None:
        values = self._per_clip(best, first), self._per_clip(other, second)
        if values[0] is None or values[1] is None:
            return None
        common = sorted(set(values[0]) & set(values[1]))
        if len(common) < 3:
            return None
        gap: npt.NDArray[np.float64] = np.array([values[0][clip] - values[1][clip] for clip in common])
        rows = list(rows_of_sources(common).values())
        try:
            return mean_interval(gap, rows).holds(0.0)
        except ValueError:  # too few songs, or the same gap in every clip
            return bool(gap.min() <= 0.0 <= gap.max())

    def _per_clip(self, entry: BoardEntry, metric: Metric) -> dict[str, float] | None:
        """Scores of single clips, if their mean is the metric."""
        if entry.samples is None or metric.value is None:
            return None
        if entry.result.id not in self._scores:
            self._scores[entry.result.id] = clip_scores(entry.samples)
        scores = self._scores[entry.result.id].get(metric.name)
        if not scores or not math.isclose(float(np.mean(list(scores.values()))), metric.value, rel_tol=1e-6):
            return None
        return scores
