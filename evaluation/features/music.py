"""Beats of the music of every clip: found once per content, in parallel, and kept in the user's cache.

Which beats is a matter of definition: each published script finds its own.

Legend: K beats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.features.cache import FeatureCache
from evaluation.features.table import FeatureTable
from evaluation.inputs.names import SLICE_STRIDE_S
from evaluation.inputs.sounds import Sounds
from evaluation.problems import plain_message
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.engine import run
from madata.errors import MediaError, MissingDependencyError
from madata.files import read_npz, write_npz

__all__ = [
    "BEATS_OF",
    "BeatMethod",
    "MusicBeats",
    "attach_beats",
    "attach_downbeats",
    "beats_of_file",
    "find_beats",
    "find_music_beats",
]

BeatMethod = Literal["corrected", "mace2d", "lodge", "edge30", "edge60", "megadance"]

BEATS_OF: dict[str, BeatMethod] = {
    "corrected": "corrected",
    "mace2d": "mace2d",
    "lodge": "lodge",
    "bailando": "edge60",
    "mint": "edge60",
    "megadance": "megadance",
    "mace3d": "edge30",
}
"""How each definition hears music. Bailando's own 438 features are not rebuilt: the beats of FACT stand in
for them.
"""

_RATE_HZ = 22050
_FILES_PER_PROCESS = 8
_HEARD: dict[BeatMethod, str] = {"corrected": "corrected-on-clock"}
"""Names in the cache: a definition that hears something else than it once did has another one."""


@dataclass(frozen=True)
class MusicBeats:
    """Beats of the music of a set of clips.

    Attributes:
        beats_s: clip id -> (K,) seconds.
        confidence: clip id -> 0..1, how sure the beats are; 1 in published definitions, which do not ask.
        sha256: clip id -> hash of the file.
        problems: files that cannot be heard.
        warnings: reference videos without sound, where nobody promised any; slices heard in a whole piece.
    """

    beats_s: dict[str, npt.NDArray[np.float64]]
    confidence: dict[str, float]
    sha256: dict[str, str]
    problems: list[Problem]
    warnings: tuple[str, ...] = ()


def beats_of_file(path: Path, method: BeatMethod) -> tuple[npt.NDArray[np.float64], float]:
    """Beat times (K,) in seconds and their confidence.

    Raises:
        MediaError: the file cannot be decoded.
    """
    from madata import music

    if method == "corrected":
        beats = music.track_beats(music.load_on_clock(path, _RATE_HZ))
        return beats.times_s, beats.confidence
    if method == "mace2d":
        return music.official_beats(path), 1.0
    if method == "lodge":
        return music.lodge_beats(path) / 30.0, 1.0
    if method == "megadance":
        return music.music_features(path, "megadance").beats_s.astype(np.float64), 1.0
    fps = 60 if method == "edge60" else 30
    return np.round(music.music_features(path, "edge", fps).beats_s.astype(np.float64) * fps) / fps, 1.0


def find_beats(
    files: Mapping[str, Path],
    method: BeatMethod,
    *,
    jobs: int = 1,
    cache: FeatureCache | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> MusicBeats:
    """Beats of every file; equal contents are heard once, and never again while the cache is kept.

    Args:
        files: clip id -> sound file or video.
        jobs: processes; a process is started for every eight files at most.
        cache: where found beats are kept, by default that of the user.
        on_file: called after each file.

    Raises:
        MissingDependencyError: librosa is not installed.
    """
    cache = cache or FeatureCache()
    made_by = f"{_HEARD.get(method, method)}-librosa{version('librosa') if _has_librosa() else ''}"
    sha256 = {clip: cache.sha256(path) for clip, path in files.items()}
    stored = {
        clip: cache.path("beats", made_by, _key(files[clip], digest, method))
        for clip, digest in sha256.items()
    }
    waiting = {path: clip for clip, path in stored.items() if not path.is_file()}
    items = [(str(files[clip]), method, str(path)) for path, clip in waiting.items()]
    faults: dict[str, str] = {}
    processes = min(jobs, len(items) // _FILES_PER_PROCESS)
    if processes > 1:
        for outcome in run(_hear, items, jobs=processes, packages=("madata.librosa_parts",)):
            if outcome.fatal:
                raise MissingDependencyError(outcome.error or "the music cannot be read")
            if fault := outcome.error or outcome.value:
                faults[outcome.item[2]] = fault
            on_file()
    else:
        for item in items:
            if fault := _hear(item, lambda amount: None):
                faults[item[2]] = fault
            on_file()
    beats_s, confidence, problems = {}, {}, []
    for clip, path in stored.items():
        if str(path) in faults:
            problems.append(_unheard(clip, files[clip], faults[str(path)]))
            continue
        arrays = read_npz(path)
        beats_s[clip], confidence[clip] = arrays["beats_s"], float(arrays["confidence"])
    return MusicBeats(beats_s, confidence, sha256, problems)


def find_music_beats(
    sounds: Sounds | None, clips: Iterable[str], protocol: Protocol, cache: FeatureCache, jobs: int
) -> MusicBeats | None:
    """The beats of the music of a run, as its protocol hears them; ``None`` where there is no music.

    A clip that begins later in its music hears it from there on. A file that cannot be heard is a problem where music
    was promised, else a remark.

    Args:
        clips: that take part.
    """
    if sounds is None:
        return None
    found = find_beats(sounds.of(clips), BEATS_OF[protocol.definition], jobs=jobs, cache=cache)
    late = {clip: start_s for clip, start_s in sounds.starts_s.items() if clip in found.beats_s}
    heard = {clip: _from(found.beats_s[clip], start_s) for clip, start_s in late.items()}
    found = replace(found, beats_s={**found.beats_s, **heard})
    if sounds.promised:
        dropped = protocol.clips.pairing == "intersection"
        faults = [problem.model_copy(update={"dropped": dropped}) for problem in found.problems]
        remark = (
            f"{len(late)} clips are slices of a dance whose music is there as a whole: slice n is taken to begin "
            f"{SLICE_STRIDE_S:g} n seconds into it"
        )
        return replace(found, problems=[*sounds.problems, *faults], warnings=(remark,) if late else ())
    mute = [problem.file for problem in found.problems]
    remark = f"no music in {len(mute)} reference videos: {', '.join(mute[:5])}"
    return replace(found, problems=[], warnings=(remark,) if mute else ())


def _from(times_s: npt.NDArray[np.float64], start_s: float) -> npt.NDArray[np.float64]:
    """Beats from ``start_s`` on, counted from there."""
    return times_s[times_s >= start_s] - start_s


_OFFICIAL_FPS = {"mace2d": 16.0, "lodge": 30.0, "edge30": 30.0, "edge60": 60.0, "megadance": 30.0}


def attach_beats(table: FeatureTable, beats: MusicBeats, protocol: Protocol) -> FeatureTable:
    """Give every row the beats of its music.

    They are seconds from its start, or frame numbers in a published definition. Published scripts count
    frames at the rate they assume; only LODGE's does not cut the music to the dance. In the corrected
    definition music whose beats are less sure than the protocol wants counts as music without beats.
    """
    method = BEATS_OF[protocol.definition]
    least = protocol.beats.min_confidence if protocol.beats else 0.0
    found = []
    for row, clip in enumerate(table.clip_ids):
        times = beats.beats_s.get(clip, np.empty(0))
        frames = int(table.frames[row])
        if method == "corrected":
            start = table.starts_s[row]
            stretch = times[(times >= start) & (times < start + frames / table.fps[row])] - start
            found.append(stretch if beats.confidence.get(clip, 0.0) >= least else np.empty(0))
            continue
        grid = times * _OFFICIAL_FPS[method]
        at = np.unique(np.floor(grid) if method == "mace2d" else np.rint(grid))
        found.append(at if method == "lodge" else at[at < frames])
    heard = np.array([clip in beats.beats_s for clip in table.clip_ids], bool)
    return table.having({"heard": heard}, {"music_beats": found})


def attach_downbeats(table: FeatureTable, downbeats: Mapping[str, npt.NDArray[np.float64]]) -> FeatureTable:
    """Give every row the downbeats that fall into it, seconds from its start; none where nobody said them."""
    found = []
    for row, clip in enumerate(table.clip_ids):
        start, length = table.starts_s[row], table.frames[row] / table.fps[row]
        times = downbeats.get(clip, np.empty(0)) - start
        found.append(times[(times >= 0) & (times < length)])
    return table.having({}, {"downbeats": found})


def _hear(item: tuple[str, BeatMethod, str], report: Callable[[float], None]) -> str | None:
    """Find the beats of one file and store them; return what is wrong with it."""
    source, method, target = item
    try:
        beats_s, confidence = beats_of_file(Path(source), method)
    except MissingDependencyError:
        raise
    except MediaError as error:
        return plain_message(error, Path(source))
    write_npz(Path(target), beats_s=beats_s, confidence=np.float64(confidence))
    return None


def _key(path: Path, digest: str, method: BeatMethod) -> str:
    """The hash of a file, with its name where the published 35-d features read a tempo off an AIST++ name."""
    if not method.startswith("edge"):
        return digest
    from madata.music import aist_tempo

    tempo = aist_tempo(path.stem)
    return digest if tempo is None else f"{digest}-{tempo:g}"


def _has_librosa() -> bool:
    from importlib.util import find_spec

    return find_spec("librosa") is not None


def _unheard(clip: str, path: Path, message: str) -> Problem:
    return Problem(
        clip_id=clip, side="music", file=path.name, reason="no_music", message=message, dropped=False
    )
