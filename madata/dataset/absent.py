"""Clips of a release that a rebuild does not hold, and why: ``rebuilt.json``, so that a part is no fault."""

from __future__ import annotations

from pathlib import Path

from madata.config import ClosedModel, validated
from madata.errors import MadanceError
from madata.files import read_json, write_json

__all__ = ["read_absent", "write_absent"]

_FILE = "rebuilt.json"


class _Rebuilt(ClosedModel):
    version: int
    absent: dict[str, str]


def write_absent(folder: Path, absent: dict[str, str]) -> None:
    """Note clip id -> why it could not be made again, of the rebuild ``folder``."""
    write_json(folder / _FILE, {"version": 1, "absent": dict(sorted(absent.items()))})


def read_absent(folder: Path) -> dict[str, str]:
    """Clip id -> why it is not here; empty for a whole rebuild, and for what is none.

    Raises:
        MadanceError: the note is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        return {}
    note = validated(_Rebuilt, read_json(path), where=str(path), noun="entry", error=MadanceError)
    if note.version != 1:
        raise MadanceError(f"{path}: version {note.version}; this madance reads version 1")
    return dict(note.absent)
