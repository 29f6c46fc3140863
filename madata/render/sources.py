"""Find motion files and the music that belongs to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madata.cache import remembered_sha256
from madata.errors import MadanceError
from madata.formats import SUFFIXES, files_in, stem_of, suffix_of

__all__ = ["MotionSource", "find_motions"]

_AIST_MUSIC = re.compile(r"_(m[A-Z]{2}\d)_")


@dataclass(frozen=True)
class MotionSource:
    """One motion file.

    Attributes:
        source_id: made of the file's name and content.
        name: path relative to the folder given, for messages and tables.
        music: sound file that starts with the motion's first frame.
    """

    source_id: str
    path: Path
    name: str
    sha256: str
    music: Path | None = None


def find_motions(paths: Sequence[Path], *, out: Path, music: Path | None = None) -> tuple[MotionSource, ...]:
    """Motion files given or in folders given (recursively), each distinct content once, in path order.

    Args:
        out: output folder; what lies in it is no source.
        music: folder of sound files with the motions' stems; AIST++ motions also find ``mBR0`` and the like.

    Raises:
        MadanceError: a path does not exist, or nothing was found.
    """
    files: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            for file in files_in(path, "motion", outside=out):
                files.setdefault(file.resolve(), str(file.relative_to(path)))
        elif path.is_file():
            files.setdefault(path.resolve(), path.name)
        else:
            raise MadanceError(f"{path}: no such file or folder")
    if not files:
        raise MadanceError(
            f"no motion in {', '.join(map(str, paths))}: looked for {', '.join(SUFFIXES['motion'])} files"
        )
    tracks = _tracks(music) if music is not None else {}
    found: dict[str, MotionSource] = {}
    for file, name in files.items():
        digest = remembered_sha256(file)
        stem = stem_of(file)
        source_id = f"{_slug(stem)}-{digest[:10]}"
        found.setdefault(digest, MotionSource(source_id, file, name, digest, _music_of(stem, tracks)))
    return tuple(found.values())


def _slug(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].lower() or "motion"


def _tracks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder of music")
    tracks: dict[str, Path] = {}
    for file in sorted(files_in(folder, "sound", "video"), key=_preference):
        tracks.setdefault(stem_of(file), file.resolve())
    return tracks


def _preference(file: Path) -> int:
    return (*SUFFIXES["sound"], *SUFFIXES["video"]).index(suffix_of(file))


def _music_of(stem: str, tracks: dict[str, Path]) -> Path | None:
    aist = _AIST_MUSIC.search(stem)
    return tracks.get(stem) or (tracks.get(aist[1]) if aist else None)
