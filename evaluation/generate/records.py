"""What is finished in a run folder, per clip, so that a killed run goes on where it stopped.

    run.json            what the run is: system, data, seed, the model loaded; another run is refused
    clips/<clip_id>.*   finished clips, each whole
    journal/<clip_id>.json   state, seed, times, memory, error
    inputs/             music and pictures taken out of the data set
    prints.log          what the system printed
    report.json         totals over all processes, made from the journal alone

One clip of a user's own is a run like any other: ``clip.parts`` is its folder, and the finished file lies beside it.

A process that works on a clip holds a lock on it, which the system releases when the process dies. So several
processes, sharded or not, can fill one folder, and a clip that was marked ``started`` and is not locked died with
its process: it is tried again after all others.
"""

from __future__ import annotations

import contextlib
import glob
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.systems import Loaded
from madata.cache import remembered_sha256
from madata.config import differences
from madata.errors import ConfigError, MadanceError
from madata.files import as_json, hold_file, holder, read_json, remove_leftovers, write_json

__all__ = ["RUN_SCHEMA", "ClipEntry", "Records", "refuse_other_run"]

RUN_SCHEMA = "madance.run/1"


@dataclass(frozen=True)
class ClipEntry:
    """One clip.

    Attributes:
        generate_s: time the system took, setup and writing left out; ``None`` where the process died before
            it was noted. Of clips that were made at once each has its share.
        batch: clips that were made at once with it, itself among them.
        warm: it was not the first clip of its process.
        peak_gpu_mib, peak_rss_mib: highest use up to the end of the clip.
        error: of the last attempt that failed.
        deviations: in what it is not what the system was trained on, in lines.
    """

    clip_id: str
    state: Literal["started", "done", "failed"]
    attempts: int
    seed: int
    device: str
    file: str | None = None
    sha256: str | None = None
    frames: int | None = None
    generate_s: float | None = None
    warm: bool = False
    batch: int = 1
    peak_gpu_mib: float | None = None
    peak_rss_mib: float | None = None
    reason: str | None = None
    error: str | None = None
    deviations: tuple[str, ...] = ()


class Records:
    """The records of one run.

    Attributes:
        folder: the run folder.
        run: its ``run.json``.
        prints: its ``prints.log``.
        clips: where finished clips go.
    """

    def __init__(self, folder: Path, *, file: Path | None = None) -> None:
        """Know where things lie; nothing is written.

        Args:
            file: where the only clip goes; by default clips go to ``clips`` of the folder.
        """
        self.folder, self._file = folder, file
        self.run = folder / "run.json"
        self.prints = folder / "prints.log"
        self.clips = folder / "clips" if file is None else file.parent
        self._journal = folder / "journal"
        self._locks = self._journal / ".locks"

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Make the folders and write ``run.json``, or go on with the run that is there.

        Raises:
            MadanceError: the folder cannot be written, or holds another run; the differences are named.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise MadanceError(f"cannot write into {self.folder}: it is a file; choose another --out")
        for folder in (self.clips, self._locks):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MadanceError(f"cannot write {folder}: {error.strerror}") from error
        remove_leftovers(self.folder)
        wanted = as_json(identity)
        before = read_json(self.run) if self.run.exists() else None
        if before is not None:
            before.pop("loaded", None)
        if before is not None and not (before != wanted and self._is_blank()):
            refuse_other_run(f"{self.folder} holds another run", before, wanted)
        else:
            write_json(self.run, wanted)

    def settle_loaded(self, loaded: Loaded | None) -> None:
        """Write the model that is loaded into ``run.json``, or compare it with the one the run began with.

        Raises:
            MadanceError: the run began with another model.
        """
        if loaded is None:
            return
        wanted = as_json(_described(loaded))
        run = read_json(self.run)
        if run.get("loaded") is None:
            write_json(self.run, {**run, "loaded": wanted})
        else:
            refuse_other_run(f"{self.folder} was begun with another model", run["loaded"], wanted)

    def target(self, clip_id: str, suffix: str) -> Path:
        """The file of a finished clip."""
        return self._file or self.clips / f"{clip_id}{suffix}"

    def read(self, clip_id: str) -> ClipEntry | None:
        """The entry of a clip.

        Raises:
            MadanceError: the file is not one this version wrote.
        """
        path = self._journal / f"{clip_id}.json"
        if not path.exists():
            return None
        try:
            return ClipEntry(**read_json(path))
        except TypeError:
            raise MadanceError(
                f"{path}: not a journal this version wrote; remove it to do the clip again"
            ) from None

    def write(self, entry: ClipEntry) -> None:
        """Replace the entry of a clip."""
        write_json(self._journal / f"{entry.clip_id}.json", asdict(entry))

    def entries(self) -> list[ClipEntry]:
        """All entries, by clip id."""
        # what another process is just writing is hidden
        found = (self.read(path.stem) for path in sorted(self._journal.glob("[!.]*.json")))
        return [entry for entry in found if entry is not None]

    def finished(self, entry: ClipEntry | None) -> bool:
        """Whether the clip is done and its file still the one that was written."""
        if entry is None or entry.state != "done" or entry.file is None:
            return False
        path = self.clips / entry.file
        return path.is_file() and remembered_sha256(path) == entry.sha256

    def orphan(self, clip_id: str) -> Path | None:
        """The finished file of a clip whose process died before it could note that; files appear only whole."""
        if self._file is not None:
            return self._file if self._file.exists() else None
        found = [path for path in self.clips.glob(f"{glob.escape(clip_id)}.*") if path.stem == clip_id]
        return found[0] if found else None

    @contextlib.contextmanager
    def claim(self, clip_id: str) -> Iterator[bool]:
        """Hold a clip; gives ``False`` when another process has it."""
        with hold_file(self._locks / clip_id) as held:
            yield held

    def maker_of(self, clip_id: str) -> str:
        """The process that has a clip, in words."""
        return holder(self._locks / clip_id)

    def leave(self) -> None:
        """Forget the journal, and the folder where nothing else is in it: the record of a clip lies beside it."""
        if not self.printed:
            self.prints.unlink(missing_ok=True)
        shutil.rmtree(self.folder if self._is_blank() else self._journal, ignore_errors=True)

    @property
    def printed(self) -> bool:
        """Whether the system printed anything."""
        return self.prints.is_file() and self.prints.stat().st_size > 0

    def _is_blank(self) -> bool:
        """Whether a run was begun there and came to nothing that could be lost."""
        own = {self.run.name, self._journal.name, *((self.prints.name,) if not self.printed else ())}
        return self.folder.is_dir() and {path.name for path in self.folder.iterdir()} <= own


def refuse_other_run(what: str, before: Any, now: Any) -> None:
    """Refuse to go on with what was begun otherwise.

    Raises:
        ConfigError: two JSON documents differ; the message begins with ``what`` and names every difference.
    """
    changed = differences(before, now)
    if changed:
        raise ConfigError(f"{what}; different are: {'; '.join(changed)}. Choose another --out")


def _described(loaded: Loaded) -> dict[str, Any]:
    """A model as ``run.json`` holds it: label, card, and names, hashes and sizes of the weights."""
    return {
        "label": loaded.label,
        "card": None if loaded.card is None else asdict(loaded.card),
        "weights": [
            {"name": path.name, "sha256": remembered_sha256(path), "bytes": _size(path)}
            for path in loaded.weights
        ],
    }


def _size(path: Path) -> int:
    parts = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    return sum(part.stat().st_size for part in parts)
