"""The folder of a board: what it asks of a submission, what is on it, and where a new result is put.

| path | holds |
|---|---|
| ``board.toml`` | title, split; may be empty |
| ``trusted/*/`` | scored runs of the ground truth, one for each protocol the board takes |
| ``clips.txt`` | clip ids of the test set, one a line (may be absent) |
| ``elsewhere/`` | numbers that others report (may be absent) |
| ``results/*/`` | accepted results, which :func:`add_submissions` puts there |
| ``site/`` | the page |
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

from evaluation.result import Verification, read_result, write_result
from leaderboard.archive import unpack
from leaderboard.entries import BoardEntry, read_entries
from leaderboard.submission.contents import MANIFEST, RESULT
from leaderboard.submission.verify import ArchiveVerdict, Expected, verify
from madata.config import ClosedModel, validated
from madata.errors import MadanceError
from madata.files import copy_file, hold_folder, read_toml, scratch_folder, storage_errors

__all__ = [
    "SETTINGS",
    "Addition",
    "BoardFolder",
    "add_submissions",
    "is_board",
    "open_board",
    "read_clip_ids",
]

SETTINGS = "board.toml"


class _Settings(ClosedModel):
    title: str = Field(default="MA-Data leaderboard", max_length=200)
    split: str | None = None


@dataclass(frozen=True)
class BoardFolder:
    """A board on disk.

    Attributes:
        split: name of the split a result must have; ``None`` is not looked at.
        entries: trusted and accepted results.
    """

    path: Path
    title: str
    split: str | None
    trusted: tuple[BoardEntry, ...]
    entries: tuple[BoardEntry, ...]

    @property
    def results(self) -> Path:
        """Where accepted results lie."""
        return self.path / "results"

    @property
    def elsewhere(self) -> Path | None:
        """The folder of numbers that others report, where there is one."""
        folder = self.path / "elsewhere"
        return folder if folder.is_dir() else None

    @property
    def expected(self) -> Expected:
        """What the board asks of a submission.

        Raises:
            MadanceError: its list of clips cannot be read.
        """
        clips = self.path / "clips.txt"
        names = read_clip_ids(clips) if clips.exists() else None
        return Expected(self.split, names, self.trusted, self.entries)


def is_board(path: Path) -> bool:
    """Whether a folder is that of a board."""
    return (path / SETTINGS).is_file()


def open_board(path: Path) -> BoardFolder:
    """The board in a folder.

    Raises:
        MadanceError: it is none, or a file of it cannot be read.
    """
    if not is_board(path):
        raise MadanceError(f"{path}: no board, it has no {SETTINGS} (an empty one will do)")
    settings = validated(_Settings, read_toml(path / SETTINGS), where=str(path / SETTINGS))
    found = [_entries(path / name) for name in ("trusted", "results")]
    return BoardFolder(path, settings.title, settings.split, tuple(found[0]), tuple(found[0] + found[1]))


def _entries(folder: Path) -> list[BoardEntry]:
    return read_entries(sorted(folder.glob(f"*/{RESULT}")))


def read_clip_ids(path: Path) -> frozenset[str]:
    """Clip ids of a text file, one a line.

    Raises:
        MadanceError: the file cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MadanceError(f"{path}: cannot be read ({error})") from error
    return frozenset(line.strip() for line in lines if line.strip())


@dataclass(frozen=True)
class Addition:
    """What became of one archive.

    Attributes:
        place: folder of the result on the board; ``None`` for a rejected one.
        there: it was on the board before.
    """

    verdict: ArchiveVerdict
    place: Path | None = None
    there: bool = False


def add_submissions(path: Path, archives: Iterable[Path], **how: Any) -> list[Addition]:
    """Verify archives and put the results of the accepted ones on the board, each of them whole or not at all.

    What a result says of its own verification is replaced by what was found here.

    Args:
        path: folder of the board.
        how: of :func:`~leaderboard.submission.verify.verify`, to reach the levels 2 and 3.

    Raises:
        MadanceError: an archive is no file (nothing is looked at then), ``path`` is no board, or cannot be written.
    """
    archives = list(archives)
    if absent := [str(archive) for archive in archives if not archive.is_file()]:
        raise MadanceError(f"{', '.join(absent)}: no such file")
    open_board(path)
    added = []
    with hold_folder(path):
        board = open_board(path)
        for archive in archives:
            one = _add(board, archive, **how)
            if one.place is not None and not one.there:
                board = replace(board, entries=(*board.entries, *read_entries([one.place])))
            added.append(one)
    return added


def _add(board: BoardFolder, archive: Path, **how: Any) -> Addition:
    with scratch_folder(inside=board.results) as scratch:
        copy = (
            scratch / archive.name
        )  # what is verified is what is placed, whoever writes the archive meanwhile
        copy_file(archive, copy)
        verdict = verify(copy, board.expected, **how)
        if (there := _placed(board.entries, verdict)) is not None:
            return Addition(
                replace(verdict, level=there.result.verification.level, faults=()), there.file.parent, True
            )
        if verdict.level is None:
            return Addition(verdict)
        unpacked = scratch / "unpacked"
        unpack(copy, unpacked)
        (unpacked / MANIFEST).unlink()
        result = read_result(unpacked / RESULT)
        found = Verification(
            level=verdict.level,
            by=board.title,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            tool_version=version("madance"),
        )
        write_result(unpacked / RESULT, result.model_copy(update={"verification": found}))
        target = board.results / _folder_name(result.system.name, result.id)
        with storage_errors(target):
            unpacked.replace(target)
        return Addition(verdict, target)


def _placed(entries: Sequence[BoardEntry], verdict: ArchiveVerdict) -> BoardEntry | None:
    """The entry an archive was placed as before: the very same result, in which nothing else is wrong."""
    if {fault.code for fault in verdict.faults} != {"duplicate"}:
        return None
    return next((entry for entry in entries if entry.result.id == verdict.result_id), None)


def _folder_name(system: str, result_id: str) -> str:
    """A name of our own, in which a reader finds the system.

    Example:
        >>> _folder_name("../EDGE v2 (ours)", "0123456789abcdef")
        'edge-v2-ours-0123456789ab'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", system.lower()[:80]).strip("-")[:40] or "system"
    return f"{plain}-{result_id[:12]}"
