"""The totals of a run folder, from its journal alone: any number of processes, in any order.

Frames per second are the paper's FPS: frames over the time the system took for them, reading, writing and setup
left out, without the first clip of each process. Clips that were made at once are faster than one after the other, so
their number stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.generate.records import RUN_SCHEMA, ClipEntry, Records
from evaluation.result import Checkpoint, Generation, SystemRecord, labelled
from madata.errors import MadanceError
from madata.files import read_json

__all__ = ["Summary", "describe_run", "summarise"]


@dataclass(frozen=True)
class Summary:
    """A run.

    Attributes:
        clips: clips asked for, of ``split_clips``.
        done: of them, finished.
        failed: clip id -> error of its last attempt, or what it lacks.
        frames, generate_s: of all finished clips whose time is known.
        frames_per_s: of warm clips (``warm``), else of all; ``None`` where no time is known.
        batch: of the clips that this is said of, how many were made at once at most.
    """

    clips: int
    split_clips: int
    done: int
    failed: dict[str, str]
    frames: int
    generate_s: float
    frames_per_s: float | None
    warm: bool
    batch: int
    peak_gpu_mib: float | None
    peak_rss_mib: float | None

    @property
    def missing(self) -> int:
        """Clips wanted that are not there."""
        return self.clips - self.done


def summarise(
    records: Records, wanted: Sequence[str], split_clips: int, lacks: Mapping[str, str] | None = None
) -> Summary:
    """Totals of the clips ``wanted``; of those in ``lacks`` nothing could be asked."""
    names = set(wanted)
    entries = [entry for entry in records.entries() if entry.clip_id in names]
    done = [entry for entry in entries if entry.state == "done"]
    timed = [entry for entry in done if entry.generate_s is not None]
    warm = [entry for entry in timed if entry.warm]
    failed = {entry.clip_id: entry.error or "" for entry in entries if entry.state == "failed"}
    return Summary(
        clips=len(wanted),
        split_clips=split_clips,
        done=len(done),
        failed={**(lacks or {}), **failed},
        frames=sum(entry.frames or 0 for entry in timed),
        generate_s=sum(entry.generate_s or 0.0 for entry in timed),
        frames_per_s=_rate(warm or timed),
        warm=bool(warm),
        batch=max((entry.batch for entry in warm or timed), default=1),
        peak_gpu_mib=_most(entry.peak_gpu_mib for entry in done),
        peak_rss_mib=_most(entry.peak_rss_mib for entry in done),
    )


def _rate(entries: Sequence[ClipEntry]) -> float | None:
    seconds = sum(entry.generate_s or 0.0 for entry in entries)
    return sum(entry.frames or 0 for entry in entries) / seconds if seconds > 0 else None


def _most(values: Any) -> float | None:
    return max((value for value in values if value is not None), default=None)


def describe_run(out: Path, name: str | None = None) -> tuple[SystemRecord, Generation]:
    """What made the clips of a run folder and how fast, in the words of a result file.

    The label of a model that does not stand for its system is part of the name: it goes wherever the name goes.

    Args:
        name: what to call the system, in place of its own name.

    Raises:
        MadanceError: ``out`` is no run folder, or nothing in it is finished.
    """
    run = read_json(out / "run.json")
    if not isinstance(run, dict) or run.get("schema") != RUN_SCHEMA:
        raise MadanceError(f"{out}: not a run folder of madance generate")
    records = Records(out)
    entries = [entry for entry in records.entries() if entry.state == "done"]
    if not entries:
        raise MadanceError(f"{out}: no clip of this run is finished")
    totals = summarise(records, [entry.clip_id for entry in entries], run["data"]["clips"])
    system, loaded = run["system"], run.get("loaded") or {}
    origin = system["origin"]
    return SystemRecord(
        name=labelled(name or system["name"], loaded.get("label")),
        version=origin["version"],
        task=run["task"],
        origin={key: origin[key] for key in ("kind", "where", "distribution", "version")},
        code={"sha256": origin["sha256"]},
        config=system["options"],
        # what was loaded is known better than what the system declares that it loads
        checkpoints=[Checkpoint.model_validate(each) for each in loaded.get("weights", ())]
        or _checkpoints(system["weights"]),
        card=loaded.get("card") or system["card"],
    ), Generation(
        run_seed=run["seed"],
        device="+".join(sorted({entry.device for entry in entries})),
        dtype="unspecified",
        wall_s=totals.generate_s,
        frames_per_s=totals.frames_per_s or 0.0,
        batch=totals.batch,
        peak_gpu_mib=totals.peak_gpu_mib,
    )


def _checkpoints(names: Sequence[str]) -> list[Checkpoint]:
    from madata.cache import remembered_sha256
    from madata.weights import folders, known, locate

    entries = {entry.name: entry for entry in known()}
    found = []
    for name in names:
        entry = entries.get(name)
        places = [locate(entry)] if entry else [folder / name for folder in folders()]
        path = next((place for place in places if place is not None and place.is_file()), None)
        if path is not None:
            found.append(Checkpoint(name=name, sha256=remembered_sha256(path), bytes=path.stat().st_size))
    return found
