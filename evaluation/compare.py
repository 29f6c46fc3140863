"""Is one system better than another, or is it chance?

Both systems danced to the same clips, so the difference is resampled by clip: what is hard for both cancels.
Beside the interval of the difference stands a permutation test (how often is the difference as large when the
two systems change places clip by clip?), corrected for the number of metrics looked at. A difference whose
interval holds 0, or that chance gives more often than once in twenty, is a tie.

Legend: N rows, C clips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.features import Features, concatenate, read_features
from evaluation.measure import clip_groups, row_scores, scaled_sides
from evaluation.measure.distances import Part, Scaled
from evaluation.measure.draft import Rows, RowStatistic, on_clips
from evaluation.metrics.distances import diversity, frechet_distance
from evaluation.protocol import Protocol
from evaluation.results import Metric, Result, read_result
from evaluation.statistics import holm, label_swap_test, paired_difference
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = ["Difference", "Run", "compare", "incomparable", "load_run"]

Verdict = Literal["tie", "first", "second", "differ"]

_PARTS: tuple[Part, ...] = ("k", "g")
_SET_METRICS = ("fid_k", "fid_g", "div_k", "div_g")
_ROW_METRICS = ("bas", "fsr", "pfc", "missing_rate")
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Run:
    """A scored run, read from its folder."""

    result: Result
    prediction: Features
    reference: Features
    protocol: Protocol


@dataclass(frozen=True)
class Difference:
    """One metric of two systems.

    Attributes:
        first, second: the values; ``difference`` is first minus second.
        low, high: 95 % interval of the difference.
        p, p_holm: of the label-swap test, plain and corrected for all metrics compared.
        n: clips.
        verdict: the better system, ``tie``, or ``differ`` where the metric has no better side.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int
    verdict: Verdict


def load_run(path: Path) -> Run:
    """Read a folder of ``madance score --out`` (or the result file in it).

    Raises:
        MadanceError: a file is absent, or the features are not the ones the result was made with.
    """
    file = path / "result.json" if path.is_dir() else path
    result = read_result(file)
    artefact = result.artefacts.get("features")
    if artefact is None:
        raise MadanceError(f"{file}: has no features beside it; score it with --out")
    features = file.parent / artefact.file
    if not features.is_file():
        raise MadanceError(f"{features}: no such file; the result needs it to be compared")
    if sha256_file(features) != artefact.sha256:
        raise MadanceError(f"{features}: not the file the result was made with (its hash differs)")
    sides, facts = read_features(features)
    protocol = Protocol.model_validate_json(facts["protocol"])
    if not {"prediction", "reference"} <= set(sides):
        raise MadanceError(f"{features}: holds no motion, and compare is about metrics of motion")
    return Run(result, sides["prediction"], sides["reference"], protocol)


def incomparable(first: Run, second: Run) -> list[str]:
    """Why two runs must not be compared; empty when they may."""
    reasons = []
    if first.result.protocol.sha256 != second.result.protocol.sha256:
        names = [f"{run.result.protocol.name} {run.result.protocol.sha256[:12]}" for run in (first, second)]
        reasons.append(f"different protocols: {names[0]} and {names[1]}")
    if first.result.dataset.reference_sha256 != second.result.dataset.reference_sha256:
        reasons.append("different references")
    backends = [run.result.pose.prediction if run.result.pose else None for run in (first, second)]
    if backends[0] != backends[1]:
        reasons.append(f"keypoints of different pose backends: {backends[0]} and {backends[1]}")
    if any(run.result.pose is not None and run.result.pose.mixed for run in (first, second)):
        reasons.append("a run that mixes pose backends")
    lists = [set(run.prediction.clip_ids) for run in (first, second)]
    if lists[0] != lists[1]:
        common = len(lists[0] & lists[1])
        reasons.append(f"different clips: {len(lists[0])} and {len(lists[1])}, {common} in both")
    return reasons


def compare(
    first: Run, second: Run, *, replicates: int = 400, permutations: int = 500, force: bool = False
) -> list[Difference]:
    """Compare two runs metric by metric, in the order of the protocol.

    Args:
        force: compare what :func:`incomparable` speaks against, on the clips both have.

    Raises:
        MadanceError: the runs are not comparable, or have no clip or no kind of features in common.
    """
    if (reasons := incomparable(first, second)) and not force:
        raise MadanceError(
            "these results do not compare: " + "; ".join(reasons) + " (--force compares them all the same)"
        )
    mine, theirs = _aligned(first.prediction, second.prediction)
    if mine.kinetic.shape[1] != theirs.kinetic.shape[1] or set(mine.scalars) != set(theirs.scalars):
        raise MadanceError("these results do not compare: their features are of different kinds")
    groups = clip_groups(mine)
    count = len(groups)
    if count < 3:
        raise MadanceError(f"a comparison needs at least three clips in common, there are {count}")
    both = concatenate([mine, theirs])
    pairs = [*groups, *(rows + len(mine) for rows in groups)]
    clips = np.arange(count, dtype=np.float64)
    real = np.arange(len(clip_groups(first.reference)), dtype=np.float64)
    found: list[Difference] = []
    for name, statistic in _statistics(both, first.reference, first.protocol).items():
        of_clips = on_clips(statistic, pairs, clip_groups(first.reference))
        arguments = (of_clips, clips, clips + count, real)
        seed = first.protocol.statistics.seed
        interval = paired_difference(*arguments, np.random.default_rng(seed), replicates=replicates)
        p = label_swap_test(*arguments, np.random.default_rng(seed), permutations=permutations)
        left, right = of_clips(clips, real), of_clips(clips + count, real)
        found.append(
            Difference(name, left, right, left - right, interval.low, interval.high, p, p, count, "tie")
        )
    corrected = holm({one.metric: one.p for one in found})
    return [_judged(one, corrected[one.metric], first.result.metric(one.metric)) for one in found]


def _aligned(first: Features, second: Features) -> tuple[Features, Features]:
    """The rows both sides have, in the order of the first."""
    at = {key: row for row, key in enumerate(zip(second.clip_ids, second.numbers.tolist(), strict=True))}
    keys = list(zip(first.clip_ids, first.numbers.tolist(), strict=True))
    kept = [row for row, key in enumerate(keys) if key in at]
    return first.take(kept), second.take([at[keys[row]] for row in kept])


def _statistics(both: Features, reference: Features, protocol: Protocol) -> dict[str, RowStatistic]:
    """Metric -> function of rows of both systems (one above the other) and rows of the reference."""
    statistics: dict[str, RowStatistic] = {}
    for part in _PARTS:
        if f"fid_{part}" in protocol.metrics:
            sides = scaled_sides(both, reference, protocol, part)
            statistics[f"fid_{part}"] = partial(_frechet, sides)
            statistics[f"div_{part}"] = partial(_diversity, sides)
    for name, values in row_scores(both, protocol).items():
        if name in _ROW_METRICS and np.isfinite(values).any():
            statistics[name] = partial(_mean, values)
    order = [name for name in protocol.metrics if name in (*_SET_METRICS, *_ROW_METRICS)]
    return {name: statistics[name] for name in order if name in statistics}


def _frechet(sides: Scaled, rows: Rows, real: Rows) -> float:
    return frechet_distance(*sides.between(rows, real))


def _diversity(sides: Scaled, rows: Rows, real: Rows) -> float:
    return diversity(sides.between(rows, real)[0])


def _mean(values: npt.NDArray[np.float64], rows: Rows, real: Rows) -> float:
    there = values[rows][np.isfinite(values[rows])]
    return float(there.mean()) if len(there) else float("nan")


def _judged(one: Difference, p_holm: float, metric: Metric) -> Difference:
    """Who is better: by the direction of the metric, for DIV by the distance to the reference."""
    verdict: Verdict = "tie"
    if p_holm < _SIGNIFICANT and not one.low <= 0.0 <= one.high:
        if metric.higher_is_better is not None:
            verdict = "first" if (one.difference > 0) == metric.higher_is_better else "second"
        elif metric.name.startswith("div") and metric.reference is not None:
            nearer = abs(one.first - metric.reference) < abs(one.second - metric.reference)
            verdict = "first" if nearer else "second"
        else:
            verdict = "differ"
    return replace(one, p_holm=p_holm, verdict=verdict)
