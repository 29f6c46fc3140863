"""What is finished, per source: one JSON file each, replaced atomically.

A source passes two states: ``analysed`` (its decisions and windows are fixed, clips may be missing) and ``done``. A
run that was killed finds the state of every source again, cuts only the clips that are absent, and ends with the
same bytes as a run that was not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from madata.errors import MadanceError
from madata.files import read_json, write_json

__all__ = ["Entry", "Journal"]

_VERSION = 1


@dataclass
class Entry:
    """Everything the tables say about one source; rows are those of :mod:`madata.manifest`."""

    state: Literal["analysed", "done"]
    source: dict[str, Any]
    clips: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    shots: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)


class Journal:
    """The entries of one output folder, made under one set of settings."""

    def __init__(self, folder: Path, settings: str) -> None:
        self._folder = folder
        self._settings = settings

    def path(self, source_id: str) -> Path:
        """Where the entry of a source lies."""
        return self._folder / f"{source_id}.json"

    def read(self, source_id: str) -> Entry | None:
        """The entry of a source, or ``None`` when nothing of it is finished under these settings."""
        path = self.path(source_id)
        if not path.exists():
            return None
        content = read_json(path)
        if not isinstance(content, dict) or content.get("version") != _VERSION:
            raise MadanceError(f"{path}: not a journal this version wrote; remove it to do the source again")
        if content["settings"] != self._settings:
            return None
        return Entry(
            content["state"],
            content["source"],
            content["clips"],
            content["dropped"],
            content["shots"],
            content.get("transitions", []),
        )

    def write(self, source_id: str, entry: Entry) -> None:
        """Replace the entry of a source."""
        write_json(self.path(source_id), {"version": _VERSION, "settings": self._settings, **asdict(entry)})
