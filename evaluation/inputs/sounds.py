"""The music of the clips of a run: files a user gave, found by name, or the sound of the reference videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.inputs.discovery import Folder, find_clips
from evaluation.inputs.names import match_music, read_music_map
from evaluation.result import Problem
from madata.formats import is_a

__all__ = ["Sounds", "find_sounds"]


@dataclass(frozen=True)
class Sounds:
    """What is listened to.

    Attributes:
        files: clip id -> sound file or video.
        promised: the music was given, so that a clip without it is a problem; nobody promised that a reference
            video has sound.
        starts_s: clip id -> where the clip begins in its file, where that is not its beginning.
        absent: clip id -> why it has no music.
        problems: what is wrong with the folder.
    """

    files: Mapping[str, Path]
    promised: bool
    starts_s: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def of(self, clips: Iterable[str]) -> dict[str, Path]:
        """Clip id -> file, of those among ``clips`` that have one."""
        return {clip: self.files[clip] for clip in dict.fromkeys(clips) if clip in self.files}


def find_sounds(
    music: Path | None, reference: Folder | None, clips: Iterable[str], *, table: Path | None = None
) -> Sounds | None:
    """The music of ``clips``; ``None`` where there is none at all.

    Args:
        music: folder of sound files or videos; by default the videos of ``reference`` are listened to.
        clips: of both sides.
        table: CSV file that says which clip goes to which music (``--music-map``).

    Raises:
        MadanceError: the folder is absent or empty, or the table is none.
    """
    if music is not None:
        folder = find_clips(music, "music", side="music")
        match = match_music(clips, folder.files, read_music_map(table, folder.files) if table else None)
        absent = {clip: match.absent(clip) for clip in match.tried}
        return Sounds(match.files, True, match.starts_s, absent, tuple(folder.problems))
    files = reference.files if reference else {}
    videos = {clip: path for clip, path in files.items() if is_a(path, "video")}
    return Sounds(videos, False) if videos else None
