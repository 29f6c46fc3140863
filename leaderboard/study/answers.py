"""Answers of people: read, and checked for what spoils a study.

A rater is left out, with the reason said, who prefers held pictures to moving ones (catch trials), who answers the same
whatever is shown, who always takes the same side, who answers before a clip can have been seen, or whose answers are
there twice. Position bias that is not extreme is a number beside the table, and the sides are balanced.

Legend: a file is one rater's; times are milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy import stats

from leaderboard.study.design import FROZEN, Study, Trial
from madata.config import ClosedModel, validated
from madata.errors import MadanceError
from madata.files import read_json, sha256_file

__all__ = ["Answer", "Answers", "RaterCheck", "check_raters", "read_answers"]

Choice = Literal["left", "right", "tie"]
_MOST_BYTES = 4 << 20

CATCH_SHARE = 0.8
"""Catch questions to be passed; who guesses passes so many of twelve once in fifty studies."""
STRAIGHT_SHARE = 0.95
LEAST_ANSWERS = 10
SIDE_P = 1e-4
"""A side that is taken so often that chance would in one rater of ten thousand."""
SEEN_SHARE = 0.5
"""Share of a clip that must have been played before it is judged."""


class Answer(ClosedModel):
    """One question of one trial; ``ms`` from the moment it could be answered."""

    trial: Annotated[str, Field(max_length=64)]
    question: Annotated[str, Field(max_length=64)]
    choice: Choice
    ms: int = Field(ge=0, le=86_400_000, strict=True)
    played_ms: int = Field(ge=0, le=86_400_000, strict=True)


class Answers(ClosedModel):
    """What one person's page saved. ``rater`` is drawn at random by the page and says nothing about anyone."""

    schema_name: Literal["madance.answers/1"] = Field(default="madance.answers/1", alias="schema")
    study: str = Field(pattern=r"^[0-9a-f]{64}$")
    rater: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    booklet: int = Field(ge=0, strict=True)
    consent: Literal[True]
    complete: bool = Field(strict=True)
    answers: tuple[Answer, ...] = Field(max_length=100_000)


class RaterCheck(ClosedModel):
    """One file of answers.

    Attributes:
        faults: why it is left out; empty for one that counts.
        catches: catch questions passed, and asked.
        left: questions answered "left", and answered with a side.
        agrees: answers given again alike with sides exchanged, and asked again.
    """

    rater: str
    file: str
    sha256: str
    answered: int
    catches: tuple[int, int]
    left: tuple[int, int]
    agrees: tuple[int, int]
    faults: tuple[str, ...]


def read_answers(paths: Sequence[Path], study: Study, key_sha256: str) -> list[tuple[Path, Answers]]:
    """The files of ``paths`` (files, or folders of them), in order of their names.

    Raises:
        MadanceError: there is none; the page of this study cannot have saved one (all such are named).
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise MadanceError("there are no answers: give the files that the page saved, or a folder of them")
    read, wrong = [], []
    for path in files:
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise MadanceError(f"{path}: larger than {_MOST_BYTES >> 20} MiB; it is no file of answers")
            one = validated(Answers, read_json(path), where=str(path), noun="field")
        except (OSError, MadanceError) as error:
            wrong.append(f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error))
            continue
        if one.study != key_sha256:
            wrong.append(f"{path}: answers to another study")
        elif fault := _impossible(one, study):
            wrong.append(f"{path}: {fault}")
        else:
            read.append((path, one))
    if wrong:
        raise MadanceError(
            "\n".join([*wrong, "leave such files out of ANSWERS: the page of this study did not save them"])
        )
    return read


def _impossible(one: Answers, study: Study) -> str | None:
    """What the page of this study cannot have saved, in words; ``None`` for answers that it can."""
    if one.booklet >= len(study.booklets):
        return f"answers booklet {one.booklet}, and the study has {len(study.booklets)}"
    trials, questions = set(study.booklets[one.booklet]), {question.name for question in study.questions}
    given = Counter((answer.trial, answer.question) for answer in one.answers)
    for (trial, question), times in given.items():
        if trial not in trials or question not in questions:
            return f"answers a trial or question that is not in booklet {one.booklet}: {trial} {question}"
        if times > 1:
            return f"answers {trial} {question} {times} times"
    return None


def check_raters(files: Sequence[tuple[Path, Answers]], study: Study) -> list[RaterCheck]:
    """What spoils a study, looked for in every file; of what a rater saved several times the fullest counts."""
    seen: Counter[str] = Counter()
    checks: dict[int, RaterCheck] = {}
    for place in sorted(range(len(files)), key=lambda place: -len(files[place][1].answers)):
        path, one = files[place]
        content = repr(sorted((a.trial, a.question, a.choice, a.ms) for a in one.answers))
        double = bool(seen[one.rater] or seen[content])
        seen[one.rater] += 1
        seen[content] += len(one.answers) >= LEAST_ANSWERS
        checks[place] = _checked(path, one, study, double)
    return [checks[place] for place in range(len(files))]


def _checked(path: Path, one: Answers, study: Study, double: bool) -> RaterCheck:
    trials = study.by_id
    asked = {question.name for question in study.questions if question.catches}
    catches = [
        _caught(answer.choice, trials[answer.trial])
        for answer in _of_kind(one, trials, "catch")
        if answer.question in asked
    ]
    votes = _of_kind(one, trials, "vote")
    sides = [answer.choice for answer in votes if answer.choice != "tie"]
    left = sides.count("left")
    agrees = _again(one, trials)
    faults = []
    if double:
        faults.append("these answers are there twice")
    if catches and np.mean(catches) < CATCH_SHARE:
        faults.append(f"{sum(catches)} of {len(catches)} catch questions passed")
    if len(votes) >= LEAST_ANSWERS:
        choice, often = Counter(answer.choice for answer in votes).most_common(1)[0]
        if often >= STRAIGHT_SHARE * len(votes):
            faults.append(f"{choice!r} in {often} of {len(votes)} answers")
        elif len(sides) and stats.binomtest(left, len(sides)).pvalue < SIDE_P:
            faults.append(f"left in {left} of {len(sides)} answers with a side")
        if np.median([answer.played_ms for answer in votes]) < 1000 * SEEN_SHARE * study.seconds:
            faults.append(f"most clips were played for less than {SEEN_SHARE:.0%} of their length")
    if not votes:
        faults.append("no vote")
    return RaterCheck(
        rater=one.rater,
        file=path.name,
        sha256=sha256_file(path),
        answered=len(one.answers),
        catches=(sum(catches), len(catches)),
        left=(left, len(sides)),
        agrees=agrees,
        faults=tuple(faults),
    )


def _of_kind(one: Answers, trials: Mapping[str, Trial], kind: str) -> list[Answer]:
    return [answer for answer in one.answers if trials[answer.trial].kind == kind]


def _caught(choice: Choice, trial: Trial) -> bool:
    """Whether the moving side of a catch trial was taken."""
    return choice == ("right" if trial.left_system == FROZEN else "left")


def _again(one: Answers, trials: Mapping[str, Trial]) -> tuple[int, int]:
    """How often the same was said of the same videos with sides exchanged."""
    said = {
        (trials[a.trial].left, trials[a.trial].right, a.question): a.choice
        for a in one.answers
        if trials[a.trial].kind == "vote"
    }
    turned = {"left": "right", "right": "left", "tie": "tie"}
    found = [
        turned[answer.choice] == said[key]
        for answer in _of_kind(one, trials, "again")
        if (key := (trials[answer.trial].right, trials[answer.trial].left, answer.question)) in said
    ]
    return sum(found), len(found)
