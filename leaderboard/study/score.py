"""Answers to a report: raters checked, systems ranked by people, metrics held against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy import stats

from leaderboard.entries import BoardEntry
from leaderboard.layout import known_column
from leaderboard.study.agreement import Agreement, intransitivity, krippendorff_alpha, metric_agreement
from leaderboard.study.answers import Answers, RaterCheck, check_raters, read_answers
from leaderboard.study.design import Study, read_study
from leaderboard.study.preferences import Preferences, Votes, preferences
from leaderboard.ties import clip_scores
from madata.config import ClosedModel, validated
from madata.files import read_json, sha256_file

__all__ = ["Preferred", "QuestionReport", "VoteReport", "read_votes", "score_study"]

SCHEMA: Literal["madance.votes/1"] = "madance.votes/1"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_ANSWER = {"left": 1, "right": -1, "tie": 0}


class Preferred(ClosedModel):
    """One system in the eyes of people.

    Attributes:
        share: share of votes won against an average rival, ties half; with its 95 % interval.
        ranks: best and worst rank the votes allow.
    """

    system: str
    share: float
    interval: tuple[float, float]
    ranks: tuple[int, int]


class QuestionReport(ClosedModel):
    """Votes on one question.

    Attributes:
        reason: why systems are not ranked, where they are not.
        alpha: Krippendorff's, between raters; intransitive: p of one scale; ``None`` where neither can be had.
        left: share of "left" among answers with a side, and p of an even chance.
        needed: votes in all that would separate the first two; ``None`` where they are apart or level.
    """

    question: str
    votes: int
    raters: int
    ties: float
    systems: list[Preferred]
    reason: str | None
    alpha: float | None
    intransitive: float | None
    left: tuple[float, float] | None
    needed: int | None
    metrics: list[Agreement]


class VoteReport(ClosedModel):
    """What a study found; ``study`` and the answers are named by their hashes, so that it can be made again."""

    schema_name: Literal["madance.votes/1"] = Field(default=SCHEMA, alias="schema")
    title: str
    study: Sha256
    results: list[str]
    raters: list[RaterCheck]
    questions: list[QuestionReport]


def read_votes(path: Path) -> VoteReport:
    """A report that was written.

    Raises:
        MadanceError: it is none.
    """
    return validated(VoteReport, read_json(path), where=str(path), noun="field")


def score_study(
    folder: Path, paths: Sequence[Path], entries: Sequence[BoardEntry] = (), *, keep_all: bool = False
) -> VoteReport:
    """The report of a study.

    Args:
        folder: of ``madance study make``, or its key.
        paths: files of answers, or folders of them.
        entries: results of the same systems; their metrics are held against the votes.
        keep_all: count raters that are found wanting too.

    Raises:
        MadanceError: no study, no answers, or answers to another one.
    """
    study = read_study(folder)
    key = folder / "study.json" if folder.is_dir() else folder
    files = read_answers(paths, study, sha256_file(key))
    checks = check_raters(files, study)
    counted = [one for (_, one), check in zip(files, checks, strict=True) if keep_all or not check.faults]
    questions = [
        _question(study, question.name, counted, entries, np.random.default_rng([study.seed, number]))
        for number, question in enumerate(study.questions)
    ]
    return VoteReport(
        schema=SCHEMA,
        title=study.title,
        study=sha256_file(key),
        results=sorted(entry.result.id for entry in entries),
        raters=checks,
        questions=questions,
    )


def _question(
    study: Study,
    name: str,
    answers: Sequence[Answers],
    entries: Sequence[BoardEntry],
    rng: np.random.Generator,
) -> QuestionReport:
    votes = _votes(study, name, answers)
    sides = votes.outcome[votes.outcome != 0]  # the first stands on the left
    left = None
    if len(sides):
        lefts = int((sides > 0).sum())
        left = (lefts / len(sides), float(stats.binomtest(lefts, len(sides)).pvalue))
    report: dict[str, Any] = {
        "question": name,
        "votes": len(votes),
        "raters": len(np.unique(votes.rater)),
        "ties": float((votes.outcome == 0).mean()) if len(votes) else 0.0,
        "systems": [],
        "reason": None,
        "alpha": _finite(krippendorff_alpha(votes)) if len(votes) else None,
        "intransitive": _finite(intransitivity(votes)) if len(votes) else None,
        "left": left,
        "needed": None,
        "metrics": [],
    }
    try:
        found = preferences(votes, rng)
    except ValueError as error:
        return QuestionReport(**report | {"reason": str(error)})
    systems = [
        Preferred(
            system=system.name,
            share=float(found.share[at]),
            interval=(float(found.interval[at, 0]), float(found.interval[at, 1])),
            ranks=(int(found.ranks[at, 0]), int(found.ranks[at, 1])),
        )
        for at, system in enumerate(study.systems)
    ]
    agreements = _agreements(study, votes, found, entries, rng)
    return QuestionReport(
        **report
        | {
            "systems": sorted(systems, key=lambda one: -one.share),
            "needed": found.needed,
            "metrics": agreements,
        }
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _votes(study: Study, question: str, answers: Sequence[Answers]) -> Votes:
    """The votes on one question; catch trials and those shown again are none."""
    trials = study.by_id
    systems = {system.name: at for at, system in enumerate(study.systems)}
    clips = {clip: at for at, clip in enumerate(study.clips)}
    rows = [
        (
            systems[trial.left_system],
            systems[trial.right_system],
            _ANSWER[answer.choice],
            rater,
            clips[trial.clip],
        )
        for rater, one in enumerate(answers)
        for answer in one.answers
        if answer.question == question and (trial := trials[answer.trial]).kind == "vote"
    ]
    first, second, outcome, rater_of, clip_of = np.array(rows, np.intp).reshape(-1, 5).T
    return Votes(first, second, outcome, rater_of, clip_of, len(systems))


def _agreements(
    study: Study,
    votes: Votes,
    people: Preferences,
    entries: Sequence[BoardEntry],
    rng: np.random.Generator,
) -> list[Agreement]:
    """Every metric of every protocol in which two systems of the study have results."""
    systems = {system.name: at for at, system in enumerate(study.systems)}
    by_protocol: dict[str, dict[int, BoardEntry]] = {}
    for entry in entries:
        if entry.result.system.name in systems:
            own = by_protocol.setdefault(entry.result.protocol.name, {})
            own[systems[entry.result.system.name]] = entry
    found = []
    for protocol, own in sorted(by_protocol.items()):
        clips = {at: {} if one.samples is None else clip_scores(one.samples) for at, one in own.items()}
        for metric in sorted({metric.name for one in own.values() for metric in one.result.metrics}):
            goodness = {at: _better(one, metric) for at, one in own.items()}
            values = {
                at: {clip: good(value) for clip, value in clips[at].get(metric, {}).items()}
                for at, good in goodness.items()
                if good is not None
            }
            sets = {
                at: good(value)
                for at, good in goodness.items()
                if good is not None and (value := own[at].result.metric(metric).value) is not None
            }
            if len(sets) < 2:
                continue
            one = metric_agreement(
                metric, protocol, votes, study.clips, values, sets, people.share, people.drawn, rng
            )
            if one.of_clips is not None or one.of_systems is not None:
                found.append(one)
    return found


class _Goodness:
    """A metric turned so that larger is better."""

    def __init__(self, sign: int, target: float | None) -> None:
        self.sign, self.target = sign, target

    def __call__(self, value: float) -> float:
        return self.sign * value if self.target is None else -abs(value - self.target)


def _better(entry: BoardEntry, metric: str) -> _Goodness | None:
    """How a metric of this result is better; ``None`` where it has no better, or nothing to be near to."""
    column = known_column(metric)
    names = {one.name for one in entry.result.metrics}
    if column is None or metric not in names:
        return None
    direction = column.direction
    if column.corrected is not None and entry.protocol is not None and entry.protocol.kind == "corrected":
        direction = column.corrected
    if direction == "reference":
        target = entry.result.metric(metric).reference
        return None if target is None else _Goodness(1, target)
    return {"higher": _Goodness(1, None), "lower": _Goodness(-1, None)}.get(direction)
