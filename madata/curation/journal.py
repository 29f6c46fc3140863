"""What is finished, per source: one JSON file each, replaced atomically.

A source passes two states: ``analysed`` (its decisions and windows are fixed, clips may be missing) and ``done``. A
run that was killed finds the state of every source again, cuts only the clips that are absent, and ends with the
same bytes as a run that was not. The state stands in the name of the file, so that a run that goes on lists one folder.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from madata.config import refuse_differences
from madata.errors import MadanceError
from madata.files import read_json, write_json
from madata.shard import Shard

__all__ = ["FOUND", "Entry", "Journal", "shard_note"]

FOUND = Path("journal") / "sources.parquet"
"""All that a run has set out to do, as rows of the table of sources: the tables hold what is finished, minutes late."""

_VERSION = 2
_ENDINGS = {"done": ".json", "analysed": ".analysed.json"}


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
    """The entries of one data set folder, made under one set of settings.

    Args:
        out: the data set folder.
        settings: hash of the settings.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self._folder = out / "journal" / settings[:16]

    def done(self) -> set[str]:
        """The ids of all sources that are finished."""
        paths = self._folder.glob("*.json") if self._folder.exists() else ()
        return {path.stem for path in paths if not path.name.endswith(_ENDINGS["analysed"])}

    def read(self, source_id: str) -> Entry | None:
        """The entry of a source, or ``None`` when nothing of it is finished under these settings.

        Raises:
            MadanceError: the file is damaged, or another version wrote it.
        """
        paths = [self._path(source_id, state) for state in _ENDINGS]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            return None
        content = read_json(path)
        try:
            if content.pop("version") != _VERSION:
                raise ValueError
            return Entry(**content)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise MadanceError(
                f"{path}: not a journal this version wrote; remove it to do the source again"
            ) from None

    def write(self, source_id: str, entry: Entry) -> None:
        """Replace the entry of a source."""
        write_json(self._path(source_id, entry.state), {"version": _VERSION, **asdict(entry)})
        if entry.state == "done":
            self._path(source_id, "analysed").unlink(missing_ok=True)

    def remove_others(self) -> None:
        """Remove the entries made under other settings."""
        for folder in self._folder.parent.iterdir():
            if folder.is_dir() and folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)

    def _path(self, source_id: str, state: str) -> Path:
        return self._folder / f"{source_id}{_ENDINGS[state]}"


def shard_note(out: Path, shard: Shard) -> tuple[Path, dict[str, str]]:
    """Where it is noted which part of the sources a folder holds, and the note.

    Raises:
        ConfigError: it holds another part, whose tables would not hold what is added.
    """
    path, note = out / "journal" / "shard.json", {"shard": f"{shard.index}/{shard.count}"}
    if path.exists():
        refuse_differences(out, read_json(path), note)
    return path, note
