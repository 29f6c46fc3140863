"""From a source to windows: takes in worker processes, then one cache, then the two sides of a split.

A preparation that was ended in between goes on from the takes and songs that are finished, and comes to the same
bytes. A finished cache is opened as it is; one made with other settings or of other files is an error that says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from mace_dance.motion.normaliser import Normaliser
from mace_dance.training.motion.data.identity import Identity, digest_of
from mace_dance.training.motion.data.reading import SongJob, TakeJob, TakeResult, read_song, read_take
from mace_dance.training.motion.data.report import DataReport, DroppedTake
from mace_dance.training.motion.data.settings import (
    EDGE_DATA,
    DataSettings,
    MusicSource,
    SyntheticSettings,
    WindowSettings,
)
from mace_dance.training.motion.data.sources import find_takes
from mace_dance.training.motion.data.split import given_sides, sides_of, spans_of
from mace_dance.training.motion.data.store import CacheFolder, Content, StoredTake, extremes
from mace_dance.training.motion.data.takes import Take
from mace_dance.training.motion.data.windows import MotionWindows
from madata.cache import remembered_sha256
from madata.engine import run
from madata.errors import ConfigError, MadanceError
from madata.files import hold_folder
from madata.motion import layout
from madata.music import aist_tempo
from madata.synthetic.dances import DanceRecipe, dance_recipes

__all__ = ["PreparedDances", "prepare", "prepare_synthetic"]

UNLABELLED = ("unlabelled",)
_SYNTHETIC = SyntheticSettings()

Job = TypeVar("Job", SongJob, TakeJob)


@dataclass(frozen=True, eq=False)
class PreparedDances:
    """A cache, opened.

    Attributes:
        train, held_out: the windows of each side; ``held_out`` may be empty.
        normaliser: fitted on the training side.
        music_source: where the music features come from; it belongs beside every number made with them.
        vector: layout of the motion vectors.
        genres: names of the genre labels.
        content_id: hash of settings and sources.
        from_cache: nothing had to be read anew.
        fps: frames per second.
        beat_column: of the music features.
    """

    train: MotionWindows
    held_out: MotionWindows
    normaliser: Normaliser
    music_source: MusicSource
    vector: str
    genres: tuple[str, ...]
    report: DataReport
    content_id: str
    from_cache: bool
    fps: int = 30
    beat_column: int = -1


@dataclass(frozen=True)
class _Progress:
    """Who is told what, and how many work."""

    jobs: int
    on_start: Callable[[int], None]
    on_take: Callable[[], object]


def prepare(
    source: Path,
    cache: Path,
    settings: DataSettings = EDGE_DATA,
    *,
    jobs: int = 1,
    rebuild: bool = False,
    on_start: Callable[[int], None] = lambda count: None,
    on_take: Callable[[], object] = lambda: None,
) -> PreparedDances:
    """Bring a folder of motions and music into a cache, or open the cache that holds it.

    Args:
        source: the folder, in one of the layouts of :mod:`~mace_dance.training.motion.data.settings`.
        cache: folder of the cache; of one process at a time.
        jobs: worker processes.
        rebuild: make a cache anew that was made otherwise; the features of songs are kept.
        on_start: receives the number of takes and songs there are to do.
        on_take: called as each is finished.

    Raises:
        MadanceError: no take can be used, or the cache was made with other settings or of other files.
        ConfigError: a setting does not fit the folder.
    """
    source, cache = Path(source), Path(cache)
    found = find_takes(source, settings, cache)
    takes, drops = list(found.takes), list(found.drops)
    if settings.music == "audio":
        takes, silent = _with_music(takes)
        drops += silent
    progress = _Progress(jobs, on_start, on_take)
    return _prepare(cache, settings, settings.music, found.genres, takes, drops, rebuild, progress)


def prepare_synthetic(
    cache: Path,
    clips: int,
    seconds: float,
    seed: int = 0,
    settings: SyntheticSettings = _SYNTHETIC,
    *,
    jobs: int = 1,
    rebuild: bool = False,
    on_start: Callable[[int], None] = lambda count: None,
    on_take: Callable[[], object] = lambda: None,
) -> PreparedDances:
    """Make up dances on the beat of made-up music and bring them into a cache; arguments as for :func:`prepare`.

    Args:
        clips: how many.
        seconds: length of each.
        seed: of everything made up.

    Raises:
        ConfigError: there is to be nothing.
        MadanceError: see :func:`prepare`.
    """
    takes = _made(clips, seconds, seed, settings)
    progress = _Progress(jobs, on_start, on_take)
    return _prepare(Path(cache), settings, "synthetic", settings.styles, takes, [], rebuild, progress)


def _with_music(takes: Sequence[Take]) -> tuple[list[Take], list[DroppedTake]]:
    drops = [
        DroppedTake(take.name, "no_music", f"{take.motion}: no sound file of that name")
        for take in takes
        if take.music is None
    ]
    return [take for take in takes if take.music is not None], drops


def _made(clips: int, seconds: float, seed: int, settings: SyntheticSettings) -> list[Take]:
    recipes = dance_recipes(
        clips,
        seconds,
        seed,
        tempi_bpm=settings.tempi_bpm,
        styles=settings.styles,
        choreographies=settings.choreographies,
    )
    return [
        Take(name := f"made-{number:05d}", recipe, genre=recipe.style, group=name)
        for number, recipe in enumerate(recipes)
    ]


def _prepare(
    cache: Path,
    settings: WindowSettings,
    music: MusicSource,
    genres: tuple[str, ...],
    takes: Sequence[Take],
    drops: Sequence[DroppedTake],
    rebuild: bool,
    progress: _Progress,
) -> PreparedDances:
    if progress.jobs < 1:
        raise ConfigError(f"jobs must be at least 1, got {progress.jobs}")
    if not takes:
        raise MadanceError(_nothing(drops))
    given_sides(takes)  # so that a contradiction is told before the work
    folder = CacheFolder(cache)
    identity = Identity.of(settings, music, genres or UNLABELLED, takes)
    before = None if rebuild else folder.identity()
    if before is not None and before.content_id == identity.content_id:
        return _open(folder.read(), settings, from_cache=True)
    if before is not None:
        raise MadanceError(
            f"{cache} was made otherwise: {before.difference(identity)}. Choose another folder (--cache) or remove it"
        )
    with hold_folder(cache):
        if rebuild:
            folder.forget()
        parts, failed = _read_all(folder, settings, music, takes, progress)
        whole = [take for take in takes if take.name in parts]
        _assemble(folder, settings, identity, whole, parts, [*drops, *failed])
    return _open(folder.read(), settings, from_cache=False)


_MENDS = {
    "no_music": "say where the music is (--set data.music_folder=FOLDER, or a table: --set data.takes=FILE.csv), or "
    "take --set data.music=motion-beats, a stand-in that leaks the motion's own beats",
    "too_short": "--set data.window_frames=N asks for less",
}
"""What would mend a reason for which every take is left out."""


def _nothing(drops: Sequence[DroppedTake]) -> str:
    first = "; ".join(f"{drop.reason}: {drop.message}" for drop in drops[:3])
    rest = f"; and {len(drops) - 3} more" if len(drops) > 3 else ""
    mends = {_MENDS.get(drop.reason, "") for drop in drops} - {""}
    return "; ".join((f"none of {len(drops)} takes can be used: {first}{rest}", *sorted(mends)))


def _read_all(
    folder: CacheFolder,
    settings: WindowSettings,
    music: MusicSource,
    takes: Sequence[Take],
    progress: _Progress,
) -> tuple[dict[str, Path], list[DroppedTake]]:
    """Read every song once, then every take; give the finished takes by name, and those that failed."""
    rows, vector = settings.music_rows, settings.vector
    songs: dict[str, SongJob] = {}
    song_of: dict[str, str] = {}
    if music == "audio":
        for take in takes:
            path = cast(Path, take.music)
            key = digest_of([asdict(rows), remembered_sha256(path), aist_tempo(path.stem)])[:32]
            songs.setdefault(key, SongJob(path, folder.songs / f"{key}.npy", rows))
            song_of[take.name] = key
    jobs = {}
    for take in takes:
        features = songs[song_of[take.name]].out if music == "audio" else None
        made = isinstance(take.motion, DanceRecipe)
        part = digest_of(
            [
                digest_of(vars(take.motion)) if made else remembered_sha256(cast(Path, take.motion)),
                [take.format, take.fps, None if take.span is None else vars(take.span)],
                [vector, music, features.name if features else None, asdict(rows)],
            ]
        )[:32]
        jobs[take.name] = TakeJob(take, vector, music, features, folder.parts / f"{part}.npz", rows)
    pending_songs = [job for job in songs.values() if not job.out.exists()]
    pending = [job for job in jobs.values() if not job.out.exists()]
    progress.on_start(len(pending_songs) + len(pending))
    unheard = {job.out.stem: result for job, result in _work(read_song, pending_songs, progress)}
    failed: dict[str, TakeResult] = {
        name: unheard[key] for name, key in song_of.items() if key in unheard and unheard[key].reason
    }
    todo = [job for job in pending if job.take.name not in failed]
    failed |= {job.take.name: result for job, result in _work(read_take, todo, progress) if result.reason}
    drops = [
        DroppedTake(take.name, failed[take.name].reason or "", failed[take.name].message)
        for take in takes
        if take.name in failed
    ]
    return {name: job.out for name, job in jobs.items() if name not in failed}, drops


def _work(
    function: Callable[[Job, Callable[[float], None]], TakeResult], jobs: Sequence[Job], progress: _Progress
) -> list[tuple[Job, TakeResult]]:
    results = []
    for outcome in run(function, jobs, jobs=progress.jobs, packages=("madata.librosa_parts",)):
        if outcome.fatal:
            raise MadanceError(outcome.error or "a worker failed")
        progress.on_take()
        subject = outcome.item.take.motion if isinstance(outcome.item, TakeJob) else outcome.item.music
        crashed = TakeResult("crashed", f"{subject}: {outcome.error}")
        results.append((outcome.item, outcome.value or crashed))
    return results


def _assemble(
    folder: CacheFolder,
    settings: WindowSettings,
    identity: Identity,
    takes: Sequence[Take],
    parts: dict[str, Path],
    drops: Sequence[DroppedTake],
) -> None:
    """Write the cache of the takes that are long enough."""
    drops = list(drops)
    genres = identity.settings["genres"]
    lengths = {name: folder.frames_of(part) for name, part in parts.items()}
    kept = []
    for take in takes:
        if len(spans_of(lengths[take.name], settings)):
            kept.append(take)
            continue
        problem = f"{lengths[take.name]} frames with music, a window has {settings.window_frames}"
        drops.append(DroppedTake(take.name, "too_short", f"{take.motion}: {problem}"))
    if not kept:
        raise MadanceError(_nothing(drops))
    frames = [lengths[take.name] for take in kept]
    sides = sides_of(kept, frames, settings.held_out_share, settings.seed)
    if "train" not in sides:
        raise MadanceError(
            f"all {len(kept)} usable takes are held out, none is left to train on; {len(drops)} were dropped: "
            "--set data.split=by-take draws another split"
        )
    cut, motion = folder.write_arrays([parts[take.name] for take in kept], frames)
    starts = np.cumsum([0, *frames[:-1]]).tolist()
    stored, windows = [], []
    for number, (take, side) in enumerate(zip(kept, sides, strict=True)):
        spans = spans_of(frames[number], settings)
        genre = take.genre or UNLABELLED[0]
        columns = np.empty((len(spans), 5), np.int64)
        columns[:, :2] = spans + np.array([starts[number], 0])
        columns[:, 2:] = genres.index(genre), number, side == "held-out"
        windows.append(columns)
        stored.append(StoredTake(take.name, take.group, side, genre, starts[number], frames[number]))
    table = np.concatenate(windows)
    training = table[table[:, 4] == 0]
    normaliser = Normaliser.fit(extremes(motion, training, _ground(settings)))
    report = _report(stored, table, cut, settings.fps, drops)
    folder.finish(table, normaliser, stored, report, identity)


def _report(
    takes: Sequence[StoredTake],
    windows: npt.NDArray[np.int64],
    cut: int,
    fps: int,
    drops: Sequence[DroppedTake],
) -> DataReport:
    held = [take for take in takes if take.side == "held-out"]
    held_frames = sum(take.frames for take in held)
    held_windows = int(windows[:, 4].sum())
    return DataReport(
        takes=len(takes) - len(held),
        held_out_takes=len(held),
        windows=len(windows) - held_windows,
        held_out_windows=held_windows,
        seconds=(sum(take.frames for take in takes) - held_frames) / fps,
        held_out_seconds=held_frames / fps,
        cut_s=cut / fps,
        drops=tuple(sorted(drops, key=lambda drop: drop.take)),
    )


def _ground(settings: WindowSettings) -> tuple[int, ...]:
    """Columns of the root that lie in the floor, where they count from the first frame of a window."""
    if settings.origin == "recorded":
        return ()
    target = layout(settings.vector)
    root = target.columns["root"].start
    return tuple(int(root) + axis for axis in range(3) if "xyz"[axis] != target.up)


def _open(content: Content, settings: WindowSettings, *, from_cache: bool) -> PreparedDances:
    def side(number: int) -> MotionWindows:
        table = content.windows[content.windows[:, 4] == number]
        starts, lengths, genres, takes = (np.ascontiguousarray(table[:, column]) for column in range(4))
        return MotionWindows(
            motion=content.motion,
            music=content.music,
            starts=starts,
            lengths=lengths,
            genres=genres,
            takes=takes,
            take_names=tuple(take.name for take in content.takes),
            normaliser=content.normaliser,
            ground=_ground(settings),
        )

    chosen = content.identity.settings
    return PreparedDances(
        train=side(0),
        held_out=side(1),
        normaliser=content.normaliser,
        music_source=chosen["music"],
        vector=chosen["vector"],
        genres=tuple(chosen["genres"]),
        report=content.report,
        content_id=content.identity.content_id,
        from_cache=from_cache,
        fps=settings.fps,
        beat_column=settings.music_rows.beat_column,
    )
