"""What scoring needs before it computes: options, readers, music, the refusal that names every problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.features import Features
from evaluation.inputs import VIDEO_SUFFIXES, Folder, find_clips
from evaluation.keypoints import VideoKeypoints
from evaluation.protocol import Protocol
from evaluation.results import Problem
from evaluation.sides import SideReader
from evaluation.soundtracks import BEATS_OF, Soundtracks, attach_beats, cache_dir, find_beats
from madata.errors import MadanceError

__all__ = ["Listener", "Options", "Refused", "nothing_left", "reader_for", "refuse"]


class Refused(MadanceError):
    """Files are not as the protocol needs them; ``problems`` names every one."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = [
            f"  {problem.side} {problem.file or problem.clip_id}: {problem.message} [{problem.reason}]"
            for problem in problems
        ]
        super().__init__(
            f"{len(problems)} problems, nothing was scored (--allow-missing scores the rest and marks the "
            "result partial):\n" + "\n".join(lines)
        )
        self.problems = problems


@dataclass(frozen=True)
class Options:
    """What a run of the same files may do differently.

    Attributes:
        system: name of what made the predictions; that of their folder by default.
        allow_missing: score what is there and mark the result partial.
        mix_backends: compare keypoints of two pose backends all the same, and mark the result.
        limit: only the first clips; marks the result partial.
        backend: pose backend for videos.
        device: where networks run.
        weights: folder of weights searched first.
        jobs: processes for the music.
        cache: folder of found keypoints and beats.
        on_clip: called after each clip of either side.
        on_total: called with the number of clips that come next.
    """

    system: str | None = None
    allow_missing: bool = False
    mix_backends: bool = False
    limit: int | None = None
    backend: str = "blazepose"
    device: str = "cpu"
    jobs: int = 1
    cache: Path | None = None
    weights: Path | None = None
    on_clip: Callable[[], None] = lambda: None
    on_total: Callable[[int], None] = lambda count: None


def refuse(problems: list[Problem], protocol: Protocol, options: Options) -> None:
    """Stop where a problem may not pass.

    Raises:
        Refused: there are problems, and neither the protocol nor ``options`` lets them pass.
    """
    if problems and protocol.clips.bad_files == "refuse" and not options.allow_missing:
        raise Refused(problems)


def nothing_left(name: str) -> Problem:
    """The problem of a side of which nothing can be used."""
    message = "no clip can be scored"
    return Problem(clip_id="", side="prediction", file=name, reason="nothing", message=message, dropped=True)


def reader_for(protocol: Protocol, options: Options) -> SideReader:
    """A reader with the pose backend of ``options``, where the protocol is about pictures."""
    keypoints = None
    if protocol.input == "keypoints2d":
        keypoints = VideoKeypoints(
            options.backend, options.cache or cache_dir(), options.device, options.weights
        )
    return SideReader(protocol, keypoints, options.on_clip)


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
    def of(cls, music: Path | None, reference: Folder | None, protocol: Protocol) -> Listener:
        """Where the music of a run is."""
        if "bas" not in protocol.metrics:
            return cls(protocol, None, False)
        if music is not None:
            return cls(protocol, find_clips(music, "music", side="music"), True)
        files = reference.files if reference else {}
        videos = {clip: path for clip, path in files.items() if path.suffix.lower() in VIDEO_SUFFIXES}
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
