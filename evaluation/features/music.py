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

from evaluation.features.cache import cache_dir
from evaluation.features.table import Features
from evaluation.features.wanted import Wanted
from evaluation.inputs.discovery import Folder, find_clips
from evaluation.options import Options
from evaluation.problems import plain_message
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.engine import run
from madata.errors import MediaError, MissingDependencyError
from madata.files import read_npz, sha256_file, write_npz
from madata.formats import is_a

__all__ = [
    "BEATS_OF",
    "BeatMethod",
    "Listener",
    "Soundtracks",
    "attach_beats",
    "beats_of_file",
    "find_beats",
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


@dataclass(frozen=True)
class Soundtracks:
    """Music beats of a set of clips.

    Attributes:
        beats_s: clip id -> (K,) seconds.
        confidence: clip id -> 0..1, how sure the beats are; 1 in published definitions, which do not ask.
        sha256: clip id -> hash of the file.
        problems: files that cannot be heard.
    """

    beats_s: dict[str, npt.NDArray[np.float64]]
    confidence: dict[str, float]
    sha256: dict[str, str]
    problems: list[Problem]


def beats_of_file(path: Path, method: BeatMethod) -> tuple[npt.NDArray[np.float64], float]:
    """Beat times (K,) in seconds and their confidence.

    Raises:
        MediaError: the file cannot be decoded.
    """
    from madata import music

    if method == "corrected":
        beats = music.track_beats(music.load_audio(path, _RATE_HZ))
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
    cache: Path | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> Soundtracks:
    """Beats of every file; equal contents are heard once, and never again while the cache is kept.

    Args:
        files: clip id -> sound file or video.
        jobs: processes; a process is started for every eight files at most.
        cache: folder of found beats, by default in :func:`cache_dir`.
        on_file: called after each file.

    Raises:
        MissingDependencyError: librosa is not installed.
    """
    folder = (
        (cache or cache_dir()) / "beats" / f"{method}-librosa{version('librosa') if _has_librosa() else ''}"
    )
    sha256 = {clip: sha256_file(path) for clip, path in files.items()}
    stored = {clip: folder / f"{_key(files[clip], digest, method)}.npz" for clip, digest in sha256.items()}
    waiting = {path: clip for clip, path in stored.items() if not path.is_file()}
    items = [(str(files[clip]), method, str(path)) for path, clip in waiting.items()]
    faults: dict[str, str] = {}
    processes = min(jobs, len(items) // _FILES_PER_PROCESS)
    if processes > 1:
        for outcome in run(_hear, items, jobs=processes):
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
    return Soundtracks(beats_s, confidence, sha256, problems)


_OFFICIAL_FPS = {"mace2d": 16.0, "lodge": 30.0, "edge30": 30.0, "edge60": 60.0, "megadance": 30.0}


def attach_beats(
    features: Features, tracks: Soundtracks, definition: str, *, min_confidence: float
) -> Features:
    """Give every row the beats of its music.

    They are seconds from its start, or frame numbers in a published definition. Published scripts count
    frames at the rate they assume; only LODGE's does not cut the music to the dance. In the corrected
    definition music whose beats are less sure than ``min_confidence`` counts as music without beats.
    """
    method = BEATS_OF[definition]
    beats = []
    for row, clip in enumerate(features.clip_ids):
        times = tracks.beats_s.get(clip, np.empty(0))
        frames = int(features.frames[row])
        if method == "corrected":
            start = features.starts_s[row]
            stretch = times[(times >= start) & (times < start + frames / features.fps[row])] - start
            beats.append(stretch if tracks.confidence.get(clip, 0.0) >= min_confidence else np.empty(0))
            continue
        grid = times * _OFFICIAL_FPS[method]
        at = np.unique(np.floor(grid) if method == "mace2d" else np.rint(grid))
        beats.append(at if method == "lodge" else at[at < frames])
    heard = np.array([clip in tracks.beats_s for clip in features.clip_ids])
    return replace(features, music_beats=tuple(beats), heard=heard)


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


@dataclass
class Listener:
    """The music of a run: given as a folder, or the sound of the reference videos.

    Attributes:
        sounds: the files; ``None`` when there is no music, or nothing asks for it.
        promised: the music was given, so that a clip without it is a problem; nobody promised that a
            reference video has sound.
        heard: what was found in them.
        remarks: reference videos without sound.
    """

    protocol: Protocol
    sounds: Folder | None
    promised: bool
    heard: Soundtracks | None = None
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, music: Path | None, reference: Folder | None, protocol: Protocol, wanted: Wanted) -> Listener:
        """Where the music of a run is."""
        if not wanted.music:
            return cls(protocol, None, False)
        if music is not None:
            return cls(protocol, find_clips(music, "music", side="music"), True)
        files = reference.files if reference else {}
        videos = {clip: path for clip, path in files.items() if is_a(path, "video")}
        if reference is None or not videos:
            return cls(protocol, None, False)
        return cls(protocol, replace(reference, files=videos, problems=[], unused=[]), False)

    @property
    def names(self) -> dict[str, str] | None:
        """Clip id -> file name of the music that was promised."""
        if self.sounds is None or not self.promised:
            return None
        return {clip: path.name for clip, path in self.sounds.files.items()}

    @property
    def sha256(self) -> dict[str, str]:
        """Clip id -> hash of the file heard."""
        return self.heard.sha256 if self.heard else {}

    def listen(self, clips: Iterable[str], options: Options) -> list[Problem]:
        """Find the beats of ``clips``; return what is wrong with their music."""
        if self.sounds is None:
            return []
        files = {clip: self.sounds.files[clip] for clip in dict.fromkeys(clips) if clip in self.sounds.files}
        method = BEATS_OF[self.protocol.definition]
        self.heard = find_beats(files, method, jobs=options.jobs, cache=options.cache)
        if not self.promised:
            mute = [problem.file for problem in self.heard.problems]
            self.remarks = (
                (f"no music in {len(mute)} reference videos: {', '.join(mute[:5])}",) if mute else ()
            )
            return []
        dropped = self.protocol.clips.pairing == "intersection"
        found = [problem.model_copy(update={"dropped": dropped}) for problem in self.heard.problems]
        return [*self.sounds.problems, *found]

    def attach(self, features: Features) -> Features:
        """Give every row its beats."""
        if self.heard is None:
            return features
        confidence = self.protocol.beats.min_confidence if self.protocol.beats else 0.0
        return attach_beats(features, self.heard, self.protocol.definition, min_confidence=confidence)
