"""The loop over clips: every clip once, whatever happens in between.

Clips that were never tried come first, those that failed or died with their process after them. A clip that
fails is recorded and tried again; the run goes on. What no clip would escape (weights absent, a full disk) stops
it. One clip of a user's own goes the same way as a split.

Clips that were never tried may be made several at once. Where that fails, each is made on its own, so that none is lost
for another's sake.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.generate.clips import DataClip
from evaluation.generate.output import BrokenContractError, store
from evaluation.generate.records import ClipEntry, Records
from evaluation.generate.requests import RequestMaker
from evaluation.generate.resources import peak_gpu_mib, peak_rss_mib, seed_everything, timed
from evaluation.systems import Output, Plugin, Request, Running, optional_method
from evaluation.systems.foreign import guarded, line_of, prints_apart
from madata.errors import ConfigError, MadanceError, MediaError, MissingDependencyError, WeightsError
from madata.files import scratch_folder, sha256_file

__all__ = ["ClipRun", "Progress", "describe_system", "deviations_of", "plan_of", "require_batch"]

_FATAL = (MissingDependencyError, WeightsError)
# bytes per pixel that a finished clip takes at most; a system judges the room for its own pieces
_BYTES_PER_PIXEL = 0.5
_SPARE_BYTES = 32 << 20
_MOST_MAGNIFIED = 1.5  # ours: beyond it the picture is visibly softer than what a network was trained on


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


@dataclass(frozen=True, eq=False)
class _Made:
    """What a system gave back for a clip, the seconds it took, and how many clips it made at once in them."""

    output: Output
    seconds: float
    batch: int = 1


class ClipRun:
    """The clips of one process."""

    def __init__(
        self,
        system: Running,
        maker: RequestMaker,
        records: Records,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_plan: Callable[[Request, list[str]], None] | None = None,
        on_deviations: Callable[[str, list[str]], None] = lambda clip_id, lines: None,
    ) -> None:
        """Prepare a run; nothing is loaded.

        Args:
            on_progress: told after each clip.
            on_plan: told what the system says the first clip will take, before anything is loaded; what it
                refuses then ends the run.
            on_deviations: told, before a clip is made or its batch is kept, in what it is not what the system was
                trained on.
        """
        self._system, self._maker, self._records = system, maker, records
        self._on_progress, self._on_plan, self._on_deviations = on_progress, on_plan, on_deviations
        self._is_set_up = False
        self._done = self._total = self._frames = 0
        self._seconds = 0.0
        self._warm = False

    def go(self, clips: Sequence[DataClip]) -> None:
        """Make the clips, each that fails again as often as the settings say.

        Raises:
            MadanceError: the system cannot start, or something that no clip would escape.
        """
        self._total, retries = len(clips), self._maker.settings.retries
        groups = self._groups(clips)
        with prints_apart(self._records.prints):
            for attempt in range(retries + 1):
                again = []
                for group in groups:
                    for clip, error in zip(group, self._once(group), strict=True):
                        if error is not None and attempt < retries:
                            again.append(clip)
                        else:
                            self._count(clip, error)
                groups = [[clip] for clip in again]

    def _groups(self, clips: Sequence[DataClip]) -> list[list[DataClip]]:
        """Clips that are made at once, those that were never tried first; what was tried before is alone."""
        batch = self._maker.settings.batch
        attempts = {clip.clip_id: self._attempts(clip) for clip in clips}
        ordered = sorted(clips, key=lambda clip: attempts[clip.clip_id])
        fresh = sum(count == 0 for count in attempts.values())
        return [
            *(ordered[first : min(first + batch, fresh)] for first in range(0, fresh, batch)),
            *([clip] for clip in ordered[fresh:]),
        ]

    def _attempts(self, clip: DataClip) -> int:
        entry = self._records.read(clip.clip_id)
        return 0 if entry is None else entry.attempts

    def _count(self, clip: DataClip, error: str | None) -> None:
        self._done += 1
        self._on_progress(Progress(clip.clip_id, error, self._done, self._total, self._frames, self._seconds))

    def _once(self, clips: Sequence[DataClip]) -> list[str | None]:
        """Make those clips that are in nobody's hands and not done; the error of each that failed."""
        with ExitStack() as claims:
            free = [
                clip
                for clip in clips
                if claims.enter_context(self._records.claim(clip.clip_id)) and not self._settled(clip)
            ]
            if free and not self._is_set_up:  # only when there is something to do: weights may take minutes
                self._set_up(free[0])
            entries = [self._begin(clip) for clip in free]
            made = self._make_at_once(free, claims) if len(free) > 1 else {}
            errors = {
                clip.clip_id: self._make(clip, entry, made.get(clip.clip_id))
                for clip, entry in zip(free, entries, strict=True)
            }
        return [errors.get(clip.clip_id) for clip in clips]

    def _set_up(self, clip: DataClip) -> None:
        device = self._maker.settings.device
        if self._on_plan is not None:
            with scratch_folder() as scratch:
                request = self._maker.request(clip, scratch)
                _require_space(self._records.clips, request)
                self._on_plan(request, plan_of(self._system, clip, request, device))
        if self._system.declaration.weights:
            self._maker.report("loading the weights", 0.0)
        self._system.setup(device)
        self._records.settle_loaded(self._system.loaded)
        self._is_set_up = True

    def _settled(self, clip: DataClip) -> bool:
        """Whether there is nothing to do: done meanwhile, or done by a process that died before it said so."""
        entry = self._records.read(clip.clip_id)
        if self._records.finished(entry):
            return True
        orphan = self._records.orphan(clip.clip_id)
        if orphan is None:
            return False
        if entry is None or entry.state != "started":
            orphan.unlink()
            return False
        frames = self._maker.wanted(clip).num_frames
        self._records.write(
            replace(entry, state="done", file=orphan.name, sha256=sha256_file(orphan), frames=frames)
        )
        return True

    def _begin(self, clip: DataClip) -> ClipEntry:
        """Note that a clip is being made."""
        entry = ClipEntry(
            clip_id=clip.clip_id,
            state="started",
            attempts=self._attempts(clip) + 1,
            seed=self._maker.seed(clip),
            device=self._maker.settings.device,
            warm=self._warm,
        )
        self._records.write(entry)
        return entry

    def _make_at_once(self, clips: Sequence[DataClip], scratches: ExitStack) -> dict[str, _Made]:
        """What came of clips that were made together, by their ids; nothing where that failed."""
        try:
            requests = [
                self._maker.request(clip, scratches.enter_context(scratch_folder())) for clip in clips
            ]
            for request in requests:
                _require_space(self._records.clips, request)
            seed_everything(requests[0].seed)
            outputs, seconds = timed(lambda: self._system.generate_many(requests))
        except _FATAL:
            raise
        except Exception as error:  # of whatever clip: made on its own, it says so again
            words = f"{len(clips)} clips at once: {type(error).__name__}: {error}; now each on its own"
            print(words, flush=True)  # noqa: T201, beside what the system itself prints
            return {}
        return {
            clip.clip_id: _Made(output, seconds / len(clips), len(clips))
            for clip, output in zip(clips, outputs, strict=True)
        }

    def _make(self, clip: DataClip, entry: ClipEntry, made: _Made | None) -> str | None:
        """Make one clip, unless it is made, and keep it; the error if it failed."""
        try:
            entry = self._attempt(clip, entry, made)
        except _FATAL:
            raise
        except (BrokenContractError, MediaError) as error:
            entry = replace(entry, state="failed", reason=error.reason, error=str(error))
        except MadanceError:
            raise
        except Exception as error:  # foreign code: recorded with its place, tried again, never silent
            text = f"generate failed: {type(error).__name__}: {error}{line_of(error)}"
            entry = replace(entry, state="failed", reason=type(error).__name__, error=text)
        self._warm = True
        self._records.write(entry)
        if entry.state == "failed":
            return entry.error
        self._frames += entry.frames or 0
        self._seconds += entry.generate_s or 0.0
        return None

    def _attempt(self, clip: DataClip, entry: ClipEntry, made: _Made | None) -> ClipEntry:
        with scratch_folder() as scratch:
            request = self._maker.request(clip, scratch)
            _require_space(self._records.clips, request)
            seed_everything(request.seed)
            wanted = self._maker.wanted(clip)
            deviations = deviations_of(self._system, clip, request)
            self._on_deviations(clip.clip_id, deviations)
            with _naming(clip, request):
                if made is None:
                    made = _Made(*timed(lambda: self._system.generate(request)))
                written = store(
                    made.output,
                    request,
                    wanted,
                    lambda suffix: self._records.target(clip.clip_id, suffix),
                    sound=clip.music,
                    sounding=self._maker.data.own,
                )
        return replace(
            entry,
            state="done",
            file=written.path.name,
            sha256=sha256_file(written.path),
            frames=wanted.num_frames,
            generate_s=made.seconds + written.late_s,
            batch=made.batch,
            peak_gpu_mib=peak_gpu_mib(),
            peak_rss_mib=peak_rss_mib(),
            deviations=tuple(deviations),
        )


def require_batch(system: Running, batch: int) -> None:
    """Refuse to make several clips at once by a system that makes one at a time.

    Raises:
        ConfigError: it does.
    """
    if batch > 1 and optional_method(system, "generate_many") is None:
        raise ConfigError(
            f"--batch {batch}: {system.declaration.name} makes one clip at a time; leave --batch out"
        )


def plan_of(system: Running, clip: DataClip, request: Request, device: str) -> list[str]:
    """What a system says a clip will take; nothing where it does not say.

    Raises:
        MadanceError: it cannot make this clip.
    """
    plan = optional_method(system, "plan")
    if plan is None:
        return []
    with _naming(clip, request):
        return list(guarded(system.declaration.name, "plan", plan, request, device))


def deviations_of(system: Running, clip: DataClip, request: Request) -> list[str]:
    """In what a clip is not what the system was trained on, in lines: a caution, never a refusal."""
    found = []
    if request.image is not None and clip.size is not None:
        times = min(wanted / there for wanted, there in zip(request.size, clip.size, strict=True))
        if times > _MOST_MAGNIFIED:
            width, height = clip.size
            found.append(f"picture: its {width}x{height} px are magnified {times:.1f} times")
    preflight = optional_method(system, "preflight")
    if preflight is not None:
        try:
            found += guarded(system.declaration.name, "preflight", preflight, request)
        except MadanceError as error:
            found.append(f"not judged: {error}")
    return found


def describe_system(plugin: Plugin, options: Any) -> dict[str, Any]:
    """A system as the records hold it."""
    return {
        "name": plugin.name,
        "origin": asdict(plugin.origin),
        "options": dict(options),
        "card": asdict(plugin.declaration.card),
    }


@contextmanager
def _naming(clip: DataClip, request: Request) -> Iterator[None]:
    """Let errors name the files of the clip, not those that were made of them for the system."""
    made = ((request.image, clip.image or clip.video), (request.music, clip.music))
    try:
        yield
    except MadanceError as error:
        text = str(error)
        for copy, source in made:
            if copy is not None and source is not None:
                text = text.replace(str(copy), str(source))
        error.args = (text, *error.args[1:])
        raise


def _require_space(folder: Path, request: Request) -> None:
    """Refuse a folder that cannot be written, or a disk that the clip would fill."""
    if not os.access(folder, os.W_OK):
        raise MadanceError(f"cannot write {folder}: no permission")
    pixels = 0 if request.task == "motion" else request.num_frames * request.size[0] * request.size[1]
    need = _SPARE_BYTES + round(pixels * _BYTES_PER_PIXEL)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise MadanceError(
            f"{folder}: {free >> 20} MB are free, the clip may take {need >> 20} MB: "
            "free some space or choose another --out"
        )
