"""Whether a study is as it was made, and a report what its answers say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaderboard.entries import BoardEntry
from leaderboard.study.design import read_study
from leaderboard.study.page import page_data
from leaderboard.study.score import read_votes, score_study
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = ["StudyChangedError", "verify_report", "verify_study"]


class StudyChangedError(MadanceError):
    """A study that is not as it was made, or a report that does not come out of its answers."""


def verify_study(folder: Path) -> int:
    """Number of videos, all of them those of the key.

    Raises:
        StudyChangedError: one is missing or another (all are named), or the page is of another key or of other trials.
        MadanceError: there is no such study.
    """
    study = read_study(folder)
    media = folder / "page" / "media"
    wrong = [f"{name} is missing" for name in study.media if not (media / name).is_file()]
    wrong += [
        f"{name} is another file"
        for name, digest in study.media.items()
        if (media / name).is_file() and sha256_file(media / name) != digest
    ]
    page = folder / "page" / "index.html"
    if not page.is_file():
        wrong.append("page/index.html is missing")
    elif page_data(study, sha256_file(folder / "study.json")) not in page.read_text("utf-8", "replace"):
        wrong.append("page/index.html is of another key, or shows other trials than it says")
    if wrong:
        raise StudyChangedError(f"{folder}: {'; '.join(wrong)}")
    return len(study.media)


def verify_report(path: Path, folder: Path, answers: Sequence[Path], entries: Sequence[BoardEntry]) -> None:
    """Make a report again and compare every number.

    Raises:
        StudyChangedError: it differs; the first place is named.
        MadanceError: it is no report.
    """
    stated = read_votes(path)
    found = score_study(folder, answers, entries)
    if stated == found or stated == score_study(folder, answers, entries, keep_all=True):
        return
    place = _first_difference(stated.model_dump(mode="json"), found.model_dump(mode="json"), "")
    raise StudyChangedError(f"{path}: does not come out of these answers: {place}")


def _first_difference(stated: Any, found: Any, where: str) -> str:
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in stated:
            if stated[name] != found.get(name):
                return _first_difference(stated[name], found.get(name), f"{where}.{name}".lstrip("."))
    if isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for number, (one, other) in enumerate(zip(stated, found, strict=True)):
            if one != other:
                return _first_difference(one, other, f"{where}[{number}]")
    return f"{where} is {stated!r} there, and {found!r} in the answers"
