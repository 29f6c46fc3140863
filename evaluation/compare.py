"""Is one system better than another, or is it chance?

Both systems danced to the same clips, so the difference is resampled by clip: what is hard for both cancels.
Beside the interval of the difference stands a permutation test (how often is the difference as large when the
two systems change places clip by clip?), corrected for the number of metrics looked at. A difference whose
interval holds 0, or that chance gives more often than once in twenty, is a tie. Metrics of motion and of pictures
are treated alike (:mod:`evaluation.metrics.contrasts`).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.features.store import read_run
from evaluation.metrics.contrasts import contrasts
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.spec import Direction
from evaluation.metrics.tables import Tables
from evaluation.result import Result, read_result
from evaluation.stats.comparison import holm, label_swap_test, paired_difference
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = [
    "Difference",
    "Run",
    "compare",
    "decided_elsewhere",
    "incomparable",
    "judged",
    "load_run",
    "unpaired",
]

Verdict = Literal["tie", "first", "second", "differ"]

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Run:
    """A scored run, read from its folder: its result, and the features behind it."""

    result: Result
    tables: Tables

    @property
    def seen(self) -> set[str]:
        """Clips whose pictures were scored."""
        table = self.tables.videos.get("prediction")
        return set() if table is None else set(table.scored_clips)


@dataclass(frozen=True)
class Difference:
    """One metric of two systems.

    Attributes:
        first, second: the values; ``difference`` is first minus second.
        low, high: 95 % interval of the difference.
        p, p_holm: of the label-swap test, plain and corrected for all metrics compared.
        n: clips that have a value in both.
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
    return Run(result, Tables.of(read_run(features)))


def incomparable(first: Run, second: Run) -> list[str]:
    """Why two runs must not be compared; empty when they may."""
    reasons = []
    if first.result.protocol.sha256 != second.result.protocol.sha256:
        names = [f"{run.result.protocol.name} {run.result.protocol.sha256[:12]}" for run in (first, second)]
        reasons.append(f"different protocols: {names[0]} and {names[1]}")
    dances = first.tables.prediction is not None and second.tables.prediction is not None
    needs_reference = dances or any(run.tables.protocol.pairs is not None for run in (first, second))
    references = {run.result.dataset.reference_sha256 for run in (first, second)}
    if needs_reference and len(references) > 1:
        reasons.append("different references")
    backends = [run.result.pose.prediction if run.result.pose else None for run in (first, second)]
    if dances and backends[0] != backends[1]:
        reasons.append(f"keypoints of different pose backends: {backends[0]} and {backends[1]}")
    if any(run.result.pose is not None and run.result.pose.mixed for run in (first, second)):
        reasons.append("a run that mixes pose backends")
    if different := _other_networks(first.result, second.result):
        reasons.append(f"other weights of {', '.join(different)}")
    if dances:
        reasons += _other_clips(
            *(set(run.tables.prediction.clip_ids) for run in (first, second) if run.tables.prediction)
        )
    seen = [run.seen for run in (first, second)]
    if all(seen) and (texts := _other_clips(*seen)) and texts[0] not in reasons:
        reasons += texts
    return reasons


def _other_clips(first: Set[str], second: Set[str]) -> list[str]:
    if first == second:
        return []
    return [f"different clips: {len(first)} and {len(second)}, {len(first & second)} in both"]


def _other_networks(first: Result, second: Result) -> list[str]:
    """Networks of pictures both runs used, in different versions."""
    mine, theirs = (
        {network.name: network.sha256 for network in (run.viewing.networks if run.viewing else [])}
        for run in (first, second)
    )
    return sorted(name for name in mine if theirs.get(name, mine[name]) != mine[name])


def unpaired(first: Run, second: Run) -> list[str]:
    """Metrics that only one of the runs has a value of, and that are therefore not compared."""
    measured = [
        {metric.name: None for metric in run.result.metrics if metric.value is not None}
        for run in (first, second)
    ]
    return [name for name in {**measured[0], **measured[1]} if not all(name in one for one in measured)]


def compare(
    first: Run, second: Run, *, replicates: int = 400, permutations: int = 500, force: bool = False
) -> list[Difference]:
    """Compare two runs metric by metric, in the order of the protocol: motion, pictures, or both.

    Args:
        force: compare what :func:`incomparable` speaks against, on the clips both have.

    Raises:
        MadanceError: the runs are not comparable, or have no clip or no kind of features in common.
    """
    if (reasons := incomparable(first, second)) and not force:
        raise MadanceError(
            "these results do not compare: " + "; ".join(reasons) + " (--force compares them all the same)"
        )
    found: list[Difference] = []
    held = contrasts(first.tables, second.tables)
    if not held:
        name = first.tables.protocol.name
        raise MadanceError(
            f"these results do not compare: no metric of {name} has a value for three clips in both"
        )
    for name, contrast in held.items():
        arguments = (contrast.statistic, *contrast.sides)
        seed = first.tables.protocol.statistics.seed
        interval = paired_difference(*arguments, np.random.default_rng(seed), replicates=replicates)
        p = label_swap_test(*arguments, np.random.default_rng(seed), permutations=permutations)
        mine, theirs, real = contrast.sides
        left, right = contrast.statistic(mine, real), contrast.statistic(theirs, real)
        found.append(
            Difference(
                name, left, right, left - right, interval.low, interval.high, p, p, contrast.count, "tie"
            )
        )
    corrected = holm({one.metric: one.p for one in found})
    protocol = first.tables.protocol
    directions = {spec.name: spec.direction_in(protocol.kind) for spec in check_metrics(protocol)}
    return [
        judged(one, corrected[one.metric], directions[one.metric], first.result.metric(one.metric).reference)
        for one in found
    ]


def decided_elsewhere(run: Run) -> list[str]:
    """Metrics of a run's protocol that are not compared, because another one decides the same question."""
    return [spec.name for spec in check_metrics(run.tables.protocol) if not spec.compared]


def judged(one: Difference, p_holm: float, direction: Direction, reference: float | None) -> Difference:
    """Who is better: by the direction of the metric, or by the distance to the value of the reference.

    Example:
        >>> worse = Difference("fid_k", 2.0, 1.0, 1.0, 0.5, 1.5, 0.01, 0.01, 20, "tie")
        >>> judged(worse, 0.01, "lower", None).verdict, judged(worse, 0.01, "reference", 2.1).verdict
        ('second', 'first')
    """
    verdict: Verdict = "tie"
    if p_holm < _SIGNIFICANT and not one.low <= 0.0 <= one.high:
        if direction in ("higher", "lower"):
            verdict = "first" if (one.difference > 0) == (direction == "higher") else "second"
        elif direction == "reference" and reference is not None:
            nearer = abs(one.first - reference) < abs(one.second - reference)
            verdict = "first" if nearer else "second"
        else:
            verdict = "differ"
    return replace(one, p_holm=p_holm, verdict=verdict)
