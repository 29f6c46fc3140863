"""Find motion files and the music that belongs to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madata.cache import remembered_sha256
from madata.errors import MadanceError

__all__ = ["MotionSource", "find_motions"]

_MOTION_SUFFIXES = (".npz", ".npy", ".pkl", ".pickle", ".bvh", ".bvh.xz")
_MUSIC_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".mp4")
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
            for file in sorted(path.rglob("*")):
                inside = file.relative_to(path)
                hidden = any(part.startswith(".") for part in inside.parts)
                if not hidden and _is_motion(file) and not file.resolve().is_relative_to(out.resolve()):
                    files.setdefault(file.resolve(), str(inside))
        elif path.is_file():
            files.setdefault(path.resolve(), path.name)
        else:
            raise MadanceError(f"{path}: no such file or folder")
    if not files:
        raise MadanceError(
            f"no motion in {', '.join(map(str, paths))}: looked for {', '.join(_MOTION_SUFFIXES)} files"
        )
    tracks = _tracks(music) if music is not None else {}
    found: dict[str, MotionSource] = {}
    for file, name in files.items():
        digest = remembered_sha256(file)
        stem = _stem(file)
        source_id = f"{_slug(stem)}-{digest[:10]}"
        found.setdefault(digest, MotionSource(source_id, file, name, digest, _music_of(stem, tracks)))
    return tuple(found.values())


def _is_motion(file: Path) -> bool:
    return file.is_file() and file.name.lower().endswith(_MOTION_SUFFIXES)


def _stem(file: Path) -> str:
    lower = file.name.lower()
    suffix = max((end for end in _MOTION_SUFFIXES if lower.endswith(end)), key=len, default=file.suffix)
    return file.name[: len(file.name) - len(suffix)]


def _slug(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].lower() or "motion"


def _tracks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder of music")
    files = sorted(folder.rglob("*"), key=lambda file: (file.suffix.lower() != ".wav", file))
    tracks: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() in _MUSIC_SUFFIXES and file.is_file():
            tracks.setdefault(file.stem, file.resolve())
    return tracks


def _music_of(stem: str, tracks: dict[str, Path]) -> Path | None:
    aist = _AIST_MUSIC.search(stem)
    return tracks.get(stem) or (tracks.get(aist[1]) if aist else None)
