"""Which pairs of clips people are shown, and the record of a study.

Every pair of systems meets equally often, on clips spread evenly, each system equally often on the left. A booklet is
what one person is shown; booklets differ, and together hold every pair of systems on as many clips as there is room
for. Each has catch trials, a clip against its own held first picture, and one trial shown again with sides exchanged.

The record (:class:`Study`) is the key of the study: it says which file is which system, and is kept from raters until
the votes are in. Whoever has it can check every file and every number made of the votes.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from madata.config import ClosedModel, validated
from madata.errors import MadanceError
from madata.files import read_json

__all__ = [
    "FROZEN",
    "PRESETS",
    "Study",
    "StudyQuestion",
    "StudySystem",
    "Trial",
    "make_booklets",
    "read_study",
]

SCHEMA: Literal["madance.study/1"] = "madance.study/1"
FROZEN = "frozen"
"""The side of a catch trial that holds its first picture."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TrialKind = Literal["vote", "catch", "again"]


class StudyQuestion(ClosedModel):
    """What is asked of a pair.

    Attributes:
        name: stands in answers and tables; ``text`` on the page.
        catches: a held picture must lose; a person stays the same in one.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    text: str = Field(min_length=1, max_length=300)
    catches: bool = True


PRESETS: dict[str, tuple[StudyQuestion, ...]] = {
    "default": (
        StudyQuestion(name="motion", text="Which body moves more like a real dancer's?"),
        StudyQuestion(name="beat", text="Which dance fits its music better?"),
        StudyQuestion(
            name="identity", text="In which video does the person stay the same person?", catches=False
        ),
        StudyQuestion(name="overall", text="Which video do you prefer?"),
    ),
    "motion": (
        StudyQuestion(name="motion", text="Which body moves more like a real dancer's?"),
        StudyQuestion(name="beat", text="Which dance fits its music better?"),
        StudyQuestion(name="overall", text="Which dance do you prefer?"),
    ),
    "mace-dance": (
        StudyQuestion(name="dance_quality", text="In which video is the dance itself better?"),
        StudyQuestion(
            name="dance_synchronisation", text="In which video does the dance fit the music better?"
        ),
        StudyQuestion(name="video_quality", text="Which video looks better?", catches=False),
        StudyQuestion(name="overall", text="Which video do you prefer?"),
    ),
}
"""Questions by preset. Of the study behind MACE-Dance the paper says only that it stands in its supplement, which was
never public here: ``mace-dance`` asks what the paper's two groups of metrics measure. Its scale and its raters are not
known, and nothing here stands in for them."""


class StudySystem(ClosedModel):
    """One system: its name on boards, and the result its clips were scored in, where there is one."""

    name: str
    result_id: str | None = None


class Trial(ClosedModel):
    """Two videos of one clip.

    Attributes:
        left, right: file names in the page's folder of media.
        left_system, right_system: what they show; ``frozen`` for the held picture of a catch trial.
    """

    id: str
    kind: TrialKind
    clip: str
    left: str
    right: str
    left_system: str
    right_system: str


class Study(ClosedModel):
    """The key of a study.

    Attributes:
        media: file name -> SHA-256 of every published video.
        booklets: ids of the trials one person is shown, in order.
        post_url: where the page sends answers besides saving them, or "".
    """

    schema_name: Literal["madance.study/1"] = Field(default=SCHEMA, alias="schema")
    title: str
    preset: str
    questions: tuple[StudyQuestion, ...]
    systems: tuple[StudySystem, ...]
    clips: tuple[str, ...]
    seconds: float
    size: tuple[int, int]
    seed: int
    trials: tuple[Trial, ...]
    booklets: tuple[tuple[str, ...], ...]
    media: dict[str, Sha256]
    consent: str
    post_url: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Study:
        known = {trial.id for trial in self.trials}
        if len(known) != len(self.trials):
            raise ValueError("two trials have one id")
        if any(not set(booklet) <= known for booklet in self.booklets):
            raise ValueError("a booklet names a trial that is not there")
        if any(not {trial.left, trial.right} <= set(self.media) for trial in self.trials):
            raise ValueError("a trial names a video that is not there")
        return self

    @property
    def by_id(self) -> dict[str, Trial]:
        """Trials by id."""
        return {trial.id: trial for trial in self.trials}


def read_study(folder: Path) -> Study:
    """The key in ``folder``, or the key file itself.

    Raises:
        MadanceError: there is none, or it is not one.
    """
    path = folder / "study.json" if folder.is_dir() else folder
    if not path.is_file():
        raise MadanceError(f"{path}: no such study (madance study make RESULTS... --out {folder})")
    return validated(Study, read_json(path), where=str(path), noun="field")


def make_booklets(
    systems: int, clips: int, *, booklets: int, votes: int, catches: int, rng: np.random.Generator
) -> list[list[tuple[TrialKind, int, int, int]]]:
    """What each booklet shows: (kind, clip, left system, right system) in order.

    Args:
        systems, clips: how many there are, at least two systems.
        booklets: how many different booklets.
        votes: pairs of systems in each; a multiple of the number of pairs is balanced within a booklet.
        catches: catch trials in each; their right "system" is -1 or their left one is.

    Raises:
        ValueError: fewer than two systems, no clip, or no vote.

    Example:
        >>> made = make_booklets(3, 4, booklets=2, votes=6, catches=1, rng=np.random.default_rng(0))
        >>> [len(booklet) for booklet in made]
        [8, 8]
    """
    if systems < 2 or clips < 1 or votes < 1 or booklets < 1:
        raise ValueError("a study needs two systems, a clip, a vote and a booklet")
    pairs = list(combinations(range(systems), 2))
    turns = {pair: int(rng.integers(2)) for pair in pairs}
    clip_order, taken = rng.permutation(clips), 0
    pair_order: list[int] = []
    made = []
    for _ in range(booklets):
        shown: list[tuple[TrialKind, int, int, int]] = []
        for _ in range(votes):
            if not pair_order:
                pair_order = rng.permutation(len(pairs)).tolist()
            a, b = pairs[pair_order.pop()]
            # each meeting of two systems exchanges their sides
            left, right = (a, b) if turns[a, b] % 2 == 0 else (b, a)
            turns[a, b] += 1
            shown.append(("vote", int(clip_order[taken % clips]), left, right))
            taken += 1
            if taken % clips == 0:
                clip_order = rng.permutation(clips)
        again = shown[int(rng.integers(len(shown)))]
        for number in range(catches):
            system, clip = int(rng.integers(systems)), int(rng.integers(clips))
            sides = (system, -1) if (number + int(rng.integers(2))) % 2 == 0 else (-1, system)
            shown.append(("catch", clip, *sides))
        order = [shown[place] for place in rng.permutation(len(shown))]
        made.append([*order, ("again", again[1], again[3], again[2])])
    return made
