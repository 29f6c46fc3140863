"""Is one system better than another, or is it chance?

Both systems danced to the same clips, so that what is hard for both cancels; what is left out at a time are whole
songs or sources. The verdicts, and what p, the interval and ``tie`` mean, are those of
:mod:`evaluation.stats.verdicts`: ``better``, ``worse``, ``tie`` (shown, not assumed) or ``undecided``, with the number
of clips that would decide. Metrics of motion and of pictures are treated alike, and together
(:mod:`evaluation.metrics.contrasts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.features.store import read_run
from evaluation.metrics.contrasts import Contrast, contrasts
from evaluation.metrics.printed import printed_unit, scale_of
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.tables import Tables
from evaluation.report.html import html_of_result, html_table
from evaluation.report.text import interval, number
from evaluation.result import Result, read_result
from evaluation.stats.jackknife import MIN_UNITS
from evaluation.stats.ranks import Ranking, rank_systems
from evaluation.stats.verdicts import Judgement, Question, Verdict, judge
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = [
    "DIFFERENCE_COLUMNS",
    "Difference",
    "Differences",
    "Run",
    "compare",
    "decided_elsewhere",
    "incomparable",
    "load_run",
    "rank",
    "unpaired",
]


DIFFERENCE_COLUMNS = (
    "metric", "first", "second", "difference", "95 % interval", "unit", "p", "n", "the first is",
)  # fmt: skip
"""Heads of the entries of :meth:`Difference.row`."""


@dataclass(frozen=True)
class Run:
    """A scored run, read from its folder: its result, and the features behind it. A notebook shows the result."""

    result: Result
    tables: Tables

    def _repr_html_(self) -> str:
        return html_of_result(self.result)

    @property
    def seen(self) -> set[str]:
        """Clips whose pictures were scored."""
        table = self.tables.videos.get("prediction")
        return set() if table is None else set(table.scored_clips)


@dataclass(frozen=True)
class Difference:
    """One metric of two systems.

    Attributes:
        first, second: the values, as printed.
        difference: first minus second, without the bias of few clips; of their distances to the value of the reference
            where the nearer is the better (``to_reference``). ``None``, with ``reason``, where there are too few songs.
        low, high: 95 % interval of the difference.
        p: of no difference, corrected for all metrics compared.
        n: clips that have a value in both; ``units``, songs or sources among them.
        verdict: of the first system; ``differ`` where the metric has no better side.
        needed: songs or sources that would show such a difference in four of five studies; ``None`` where no number in
            reach would.
        beside: the metric whose question it may decide in its stead.
    """

    metric: str
    first: float
    second: float
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    units: int
    verdict: Verdict
    needed: int | None
    to_reference: bool = False
    beside: str = ""
    reason: str | None = None

    @property
    def clips_needed(self) -> int:
        """Clips that would decide, at as many clips to a song or source as there are; 0 where ``needed`` is none."""
        return round((self.needed or 0) * self.n / max(1, self.units))

    def printed(self) -> Difference:
        """The difference in the unit in which its metric is printed."""
        scale = scale_of(self.metric, "")

        def scaled(value: float | None) -> float | None:
            return None if value is None else scale * value

        return replace(
            self,
            first=scale * self.first,
            second=scale * self.second,
            difference=scaled(self.difference),
            low=scaled(self.low),
            high=scaled(self.high),
        )

    def row(self) -> tuple[str, ...]:
        """Texts below :data:`DIFFERENCE_COLUMNS`, in the unit in which the metric is printed."""
        shown = self.printed()
        ends = None if shown.low is None or shown.high is None else (shown.low, shown.high)
        return (
            self.metric + ("*" if self.to_reference else ""),
            *(number(value) for value in (shown.first, shown.second, shown.difference)),
            interval(ends),
            printed_unit(self.metric, ""),
            "-" if self.p is None else "<0.001" if self.p < 0.001 else f"{self.p:.3f}",
            self.counted(),
            self._verdict(),
        )

    def counted(self) -> str:
        """Clips, and in brackets the songs or sources where they are fewer."""
        return str(self.n) if self.n == self.units else f"{self.n} ({self.units})"

    def _verdict(self) -> str:
        if self.verdict != "undecided":
            return {"differ": "different"}.get(self.verdict, self.verdict)
        needed = (
            "no number of clips in reach" if self.needed is None else f"needs about {self.clips_needed} clips"
        )
        return f"undecided, {needed}"


class Differences(list[Difference]):
    """The differences of two runs, metric by metric. A notebook shows them as a table."""

    def _repr_html_(self) -> str:
        caption = "*: the nearer to the value of the reference the better"
        rows = [one.row() for one in self]
        return html_table(caption if any(one.to_reference for one in self) else "", DIFFERENCE_COLUMNS, rows)


def load_run(path: Path) -> Run:
    """Read a folder of ``madance score --out`` (or the result file in it).

    Raises:
        MadanceError: a file is absent, or the features are not the ones the result was made with.
    """
    file = path / "result.json" if path.is_dir() else path
    if not file.is_file():
        raise MadanceError(f"{file}: no such file; give a folder of madance score --out")
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
    chosen = [" ".join(run.result.options.lines()) or "none" for run in (first, second)]
    if chosen[0] != chosen[1]:
        reasons.append(f"different options: {chosen[0]} and {chosen[1]}")
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


def compare(first: Run | Path | str, second: Run | Path | str, *, force: bool = False) -> Differences:
    """Compare two runs metric by metric, in the order of the protocol: motion, pictures, or both.

    Args:
        first, second: runs, or what :func:`load_run` reads.
        force: compare what :func:`incomparable` speaks against, on the clips both have.

    Raises:
        MadanceError: the runs are not comparable, or have no clip or no kind of features in common.
    """
    first, second = (run if isinstance(run, Run) else load_run(Path(run)) for run in (first, second))
    held = _held([first, second], force)
    kind = first.tables.protocol.kind
    questions = {}
    for name, contrast in held.items():
        if contrast.estimates:
            direction = contrast.spec.direction_in(kind)
            questions[name] = Question(
                contrast.estimates[0].minus(contrast.estimates[1]),
                contrast.units,
                {"higher": True, "lower": False, "reference": False, "none": None}[direction],
                contrast.margin,
            )
    judged = judge(questions, np.random.default_rng(first.tables.protocol.statistics.seed))
    return Differences(_difference(contrast, judged.get(name), kind) for name, contrast in held.items())


def _difference(
    contrast: Contrast, found: Judgement | None, kind: Literal["official", "corrected"]
) -> Difference:
    first, second = contrast.values[:2]
    return Difference(
        metric=contrast.spec.name,
        first=first,
        second=second,
        difference=found.difference if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        p=found.p if found else None,
        n=contrast.count,
        units=contrast.units,
        verdict=found.verdict if found else "undecided",
        needed=found.needed if found else max(MIN_UNITS, contrast.units + 1),
        beside=contrast.spec.beside,
        to_reference=contrast.spec.direction_in(kind) == "reference",
        reason=contrast.reason,
    )


def rank(runs: Mapping[str, Run], *, force: bool = False) -> dict[str, Ranking]:
    """Rank runs (name -> run) by every metric that has a better side, on the clips all of them have.

    Raises:
        MadanceError: two of the runs are not comparable.
    """
    held = _held(list(runs.values()), force)
    protocol = next(iter(runs.values())).tables.protocol
    found = {}
    for name, contrast in held.items():
        direction = contrast.spec.direction_in(protocol.kind)
        if direction != "none" and contrast.estimates:
            estimates = dict(zip(runs, contrast.estimates, strict=True))
            rng = np.random.default_rng(protocol.statistics.seed)
            found[name] = rank_systems(estimates, rng, higher_is_better=direction == "higher")
    return found


def _held(runs: Sequence[Run], force: bool) -> dict[str, Contrast]:
    for other in runs[1:]:
        if (reasons := incomparable(runs[0], other)) and not force:
            raise MadanceError(
                "these results do not compare: "
                + "; ".join(reasons)
                + " (--force compares them all the same)"
            )
    held = contrasts([run.tables for run in runs])
    if not held:
        name = runs[0].tables.protocol.name
        raise MadanceError(
            f"these results do not compare: no metric of {name} has a value for three clips in both"
        )
    return held


def decided_elsewhere(run: Run) -> list[str]:
    """Metrics of a run's protocol that are not compared, because another one decides the same question."""
    return [spec.name for spec in check_metrics(run.tables.protocol) if not spec.compared]
