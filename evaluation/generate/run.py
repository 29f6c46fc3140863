"""A system over a split: every clip once, whatever happens in between.

Clips that were never tried come first, those that failed or died with their process after them. A clip that
fails is recorded and tried again; the run goes on. What no clip would escape (weights absent, a full disk) stops
it.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.journal import RUN_SCHEMA, Entry, Journal, settle_loaded, settle_run
from evaluation.generate.measuring import peak_gpu_mib, peak_rss_mib, seed_everything, timed
from evaluation.generate.output import BrokenContractError, store
from evaluation.generate.report import Summary, summarise
from evaluation.generate.requests import RequestMaker
from evaluation.systems import Plugin, Running, Task, choose_task, clip_seed
from madata.errors import MadanceError, MediaError, MissingDependencyError, WeightsError
from madata.files import sha256_file, write_json

__all__ = ["Progress", "Settings", "Shard", "generate"]

_FATAL = (MissingDependencyError, WeightsError)
_TRACE_LINES = 6


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``, from 1.

    Raises:
        MadanceError: there is no such part.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise MadanceError(
                f"shard {self.index}/{self.count}: expected 1/{self.count} to {self.count}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Example:
            >>> Shard.parse("2/4")
            Shard(index=2, count=4)
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise MadanceError(f"shard {text!r}: expected i/n, for example 1/4")
        return cls(int(index), int(count))

    def of(self, clips: Sequence[DataClip]) -> list[DataClip]:
        """Every ``count``-th clip."""
        return list(clips[self.index - 1 :: self.count])


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    ``limit``, ``shard``, ``device``, ``retries`` and ``keep_parts`` do not change what a clip looks like.

    Attributes:
        options: keyword arguments of the system's constructor.
        limit: only the first clips.
        keep_parts: keep what systems leave of each clip (:attr:`Request.keep`) in ``parts/<clip_id>``.
        retries: how often a clip that fails is tried again in this run.
    """

    task: Task | None = None
    split: str | None = None
    seed: int = 0
    device: str = "cpu"
    fps: float | None = None
    duration_s: float | None = None
    size: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    shard: Shard = Shard()
    retries: int = 1
    keep_parts: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a clip.

    Attributes:
        total: clips of this process that were not done when it began.
        frames, generate_s: of this process.
    """

    clip_id: str
    error: str | None
    done: int
    total: int
    frames: int
    generate_s: float


def generate(
    plugin: Plugin,
    data: Path,
    out: Path,
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Make every clip of a split that is not there yet.

    Args:
        data: a folder of ``madance curate``, or of music and clips (:mod:`evaluation.generate.clips`).
        out: run folder; see :mod:`evaluation.generate.journal`.

    Raises:
        MadanceError: the data lack what the task needs, ``out`` holds another run or cannot be written, or the
            system cannot start.
    """
    settings = settings or Settings()
    task = choose_task(plugin, settings.task)
    clips = read_clips(data, settings.split, task=task)
    journal = Journal(out)
    settle_run(out, _identity(plugin, clips, task, settings))
    maker = RequestMaker(
        clips,
        task,
        plugin.declaration,
        settings.seed,
        out / "inputs",
        settings.fps,
        settings.duration_s,
        settings.size,
        out / "parts" if settings.keep_parts else None,
    )
    chosen = list(clips.clips)[: settings.limit]
    mine = settings.shard.of(chosen)
    pending = [clip for clip in mine if not journal.finished(journal.read(clip.clip_id))]
    run = _Run(journal, maker, settings, len(pending), on_progress)
    if pending:
        run.go(plugin, _fresh_first(pending, journal))
    summary = summarise(out, [clip.clip_id for clip in chosen], len(clips.clips))
    write_json(out / "report.json", asdict(summary))
    if summary.done == len(clips.clips):
        journal.sweep()
    return replace(
        summary, failed={clip: text for clip, text in summary.failed.items() if clip in _ids(mine)}
    )


def _ids(clips: Sequence[DataClip]) -> set[str]:
    return {clip.clip_id for clip in clips}


def _fresh_first(clips: Sequence[DataClip], journal: Journal) -> list[DataClip]:
    def tried(clip: DataClip) -> int:
        entry = journal.read(clip.clip_id)
        return 0 if entry is None else entry.attempts

    return sorted(clips, key=tried)


def _identity(plugin: Plugin, clips: ClipSet, task: Task, settings: Settings) -> dict[str, Any]:
    declaration = plugin.declaration
    return {
        "schema": RUN_SCHEMA,
        "system": {
            "name": plugin.name,
            "origin": asdict(plugin.origin),
            "options": dict(settings.options),
            "card": asdict(declaration.card),
            "weights": list(declaration.weights),
            "needs_truth": declaration.needs_truth,
        },
        "task": task,
        "data": {
            "name": clips.name,
            "split": clips.split,
            "sha256": clips.sha256,
            "manifest": clips.manifest,
            "clips": len(clips.clips),
        },
        "seed": settings.seed,
        "fps": settings.fps,
        "duration_s": settings.duration_s,
        "size": None if settings.size is None else list(settings.size),
    }


class _Run:
    """The clips of one process."""

    def __init__(
        self,
        journal: Journal,
        maker: RequestMaker,
        settings: Settings,
        total: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._journal, self._maker, self._settings = journal, maker, settings
        self._total, self._on_progress = total, on_progress
        self._done = self._frames = 0
        self._seconds = 0.0
        self._warm = False

    def go(self, plugin: Plugin, clips: list[DataClip]) -> None:
        system: Running | None = None
        for attempt in range(self._settings.retries + 1):
            again = []
            for clip in clips:
                with self._journal.claim(clip.clip_id) as held:
                    if not held or self._settled(clip):
                        self._count(clip, None)
                        continue
                    if system is None:  # only when there is something to do: weights may take minutes
                        system = plugin.make(self._settings.options)
                        system.setup(self._settings.device)
                        settle_loaded(self._journal.out, system.loaded)
                    error = self._make(system, clip)
                if error is not None and attempt < self._settings.retries:
                    again.append(clip)
                else:
                    self._count(clip, error)
            clips = again

    def _count(self, clip: DataClip, error: str | None) -> None:
        self._done += 1
        self._on_progress(Progress(clip.clip_id, error, self._done, self._total, self._frames, self._seconds))

    def _settled(self, clip: DataClip) -> bool:
        """Whether there is nothing to do: done meanwhile, or done by a process that died before it said so."""
        entry = self._journal.read(clip.clip_id)
        if self._journal.finished(entry):
            return True
        orphan = self._journal.orphan(clip.clip_id)
        if orphan is None:
            return False
        if entry is None or entry.state != "started":
            orphan.unlink()
            return False
        frames = self._maker.wanted(clip).num_frames
        self._journal.write(
            replace(entry, state="done", file=orphan.name, sha256=sha256_file(orphan), frames=frames)
        )
        return True

    def _make(self, system: Running, clip: DataClip) -> str | None:
        """Make one clip; the error if it failed."""
        before = self._journal.read(clip.clip_id)
        entry = Entry(
            clip_id=clip.clip_id,
            state="started",
            attempts=(before.attempts if before else 0) + 1,
            seed=clip_seed(self._settings.seed, clip.clip_id),
            device=self._settings.device,
            warm=self._warm,
        )
        self._journal.write(entry)
        try:
            entry = self._attempt(system, clip, entry)
        except _FATAL:
            raise
        except (BrokenContractError, MediaError) as error:
            entry = replace(entry, state="failed", reason=error.reason, error=str(error))
        except MadanceError:
            raise
        except Exception as error:  # foreign code: recorded with its place, tried again, never silent
            entry = replace(entry, state="failed", reason=type(error).__name__, error=_trace(error))
        self._warm = True
        self._journal.write(entry)
        if entry.state == "failed":
            return entry.error
        self._frames += entry.frames or 0
        self._seconds += entry.generate_s or 0.0
        return None

    def _attempt(self, system: Running, clip: DataClip, entry: Entry) -> Entry:
        with _scratch() as scratch:
            request = self._maker.request(clip, scratch)
            seed_everything(request.seed)
            output, seconds = timed(lambda: system.generate(request))
            wanted = self._maker.wanted(clip)
            sound = self._maker.sound(clip)
            written = store(output, request, wanted, self._journal.clips, sound=sound)
        return replace(
            entry,
            state="done",
            file=written.path.name,
            sha256=sha256_file(written.path),
            frames=wanted.num_frames,
            generate_s=seconds + written.late_s,
            peak_gpu_mib=peak_gpu_mib(),
            peak_rss_mib=peak_rss_mib(),
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="madance-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _trace(error: Exception) -> str:
    """The error and the last lines of foreign code it passed through, without the folders."""
    frames = traceback.extract_tb(error.__traceback__)[-_TRACE_LINES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return f"{type(error).__name__}: {error} ({' > '.join(places)})"
