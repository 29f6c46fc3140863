"""What is finished in a run folder, per clip, so that a killed run goes on where it stopped.

    run.json            what the run is: system, data, seed, the model loaded; another run is refused
    clips/<clip_id>.*   finished clips, each whole
    journal/<clip_id>.json   state, seed, times, memory, error
    inputs/             music and pictures taken out of the data set
    report.json         totals over all processes, made from the journal alone

A process that works on a clip holds a lock on it, which the system releases when the process dies. So several
processes, sharded or not, can fill one folder, and a clip that was marked ``started`` and is not locked died with
its process: it is tried again after all others.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.systems import Loaded
from madata.errors import MadanceError
from madata.files import read_json, sha256_file, write_json

__all__ = ["RUN_SCHEMA", "Entry", "Journal", "describe_loaded", "settle_loaded", "settle_run"]

RUN_SCHEMA = "madance.run/1"


@dataclass(frozen=True)
class Entry:
    """One clip.

    Attributes:
        generate_s: time the system took, setup and writing left out; ``None`` where the process died before
            it was noted.
        warm: it was not the first clip of its process.
        peak_gpu_mib, peak_rss_mib: highest use up to the end of the clip.
        error: of the last attempt that failed.
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
    peak_gpu_mib: float | None = None
    peak_rss_mib: float | None = None
    reason: str | None = None
    error: str | None = None


class Journal:
    """The journal of one run folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.clips = out / "clips"
        self._folder = out / "journal"
        self._locks = self._folder / ".locks"
        for folder in (self.clips, self._locks):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MadanceError(f"cannot write {folder}: {error.strerror}") from error

    def read(self, clip_id: str) -> Entry | None:
        """The entry of a clip.

        Raises:
            MadanceError: the file is not one this version wrote.
        """
        path = self._folder / f"{clip_id}.json"
        if not path.exists():
            return None
        try:
            return Entry(**read_json(path))
        except TypeError:
            raise MadanceError(
                f"{path}: not a journal this version wrote; remove it to do the clip again"
            ) from None

    def write(self, entry: Entry) -> None:
        """Replace the entry of a clip."""
        write_json(self._folder / f"{entry.clip_id}.json", asdict(entry))

    def entries(self) -> list[Entry]:
        """All entries, by clip id."""
        found = (self.read(path.stem) for path in sorted(self._folder.glob("*.json")))
        return [entry for entry in found if entry is not None]

    def finished(self, entry: Entry | None) -> bool:
        """Whether the clip is done and its file still the one that was written."""
        if entry is None or entry.state != "done" or entry.file is None:
            return False
        path = self.clips / entry.file
        return path.is_file() and sha256_file(path) == entry.sha256

    def orphan(self, clip_id: str) -> Path | None:
        """The finished file of a clip whose process died before it could note that; files appear only whole."""
        found = [path for path in self.clips.glob(f"{_literal(clip_id)}.*") if path.stem == clip_id]
        return found[0] if found else None

    def sweep(self) -> None:
        """Remove what killed processes left half written; only when every clip is done, so that nobody writes."""
        for folder in (self.clips, self._folder, self.out / "inputs"):
            for path in folder.glob(".tmp-*"):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def claim(self, clip_id: str) -> Iterator[bool]:
        """Hold a clip; gives ``False`` when another process has it."""
        with (self._locks / clip_id).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def _literal(text: str) -> str:
    import glob

    return glob.escape(text)


def settle_run(out: Path, identity: Mapping[str, Any]) -> None:
    """Write ``run.json``, or compare with the one that is there: a folder holds one run.

    Raises:
        MadanceError: the folder holds another run; the differences are named.
    """
    path = out / "run.json"
    wanted = json.loads(json.dumps(identity))
    if not path.exists():
        write_json(path, wanted)
        return
    before = read_json(path)
    before.pop("loaded", None)
    changed = sorted(_changes(before, wanted))
    if changed:
        raise MadanceError(
            f"{out} holds another run; different are: {'; '.join(changed)}. Choose another --out"
        )


def describe_loaded(loaded: Loaded) -> dict[str, Any]:
    """A model as ``run.json`` holds it: label, card, and names, hashes and sizes of the weights."""
    from madata.cache import remembered_sha256

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


def settle_loaded(out: Path, loaded: Loaded | None) -> None:
    """Write the model that is loaded into ``run.json``, or compare it with the one the run began with.

    Raises:
        MadanceError: the run began with another model.
    """
    if loaded is None:
        return
    wanted = json.loads(json.dumps(describe_loaded(loaded)))
    run = read_json(out / "run.json")
    before = run.get("loaded")
    if before is None:
        write_json(out / "run.json", {**run, "loaded": wanted})
    elif changed := sorted(_changes(before, wanted)):
        raise MadanceError(
            f"{out} was begun with another model; different are: {'; '.join(changed)}. Choose another --out"
        )


def _changes(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _changes(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != now:
        yield f"{prefix} ({_short(before)} there, {_short(now)} here)"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 24 else f"{text[:20]}..."
