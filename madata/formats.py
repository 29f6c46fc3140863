"""Every suffix the toolkit knows, once: what kind of file it is, and how a clip is named by its file.

| kind | suffixes | reader |
|---|---|---|
| video | .mp4 .mov .mkv ... | :class:`madata.video.Decoder` |
| sound | .wav .flac .mp3 ... | :func:`madata.video.read_audio` |
| motion | .npz .pkl .npy .bvh ... | :func:`madata.motion.read_motion` |
| keypoints | .npz .json | :func:`madata.keypoints.read_pose_sequence` |
| picture | .png .jpg .webp ... | OpenCV |
| weights | .safetensors .pt ... | the networks themselves |
| settings | .toml | :func:`madata.files.read_toml` |

Case does not matter. A suffix may have two parts (``clip.bvh.xz``, ``clip.pkl.npy``); the name without it is the
clip's, whatever other dots it has. ``.npz`` may hold a motion or keypoints, and :func:`kind_of` looks inside.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Literal

__all__ = ["PLAYED_BY_BROWSERS", "SUFFIXES", "Kind", "files_in", "is_a", "kind_of", "stem_of", "suffix_of"]

Kind = Literal["video", "sound", "motion", "keypoints", "picture", "weights", "settings"]

SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "video": (
        ".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".3gp", ".flv", ".gif", ".m2ts", ".mpeg", ".mpg", ".mts",
        ".ogv", ".ts", ".wmv",
    ),
    "sound": (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac"),
    "motion": (".npz", ".pkl", ".pickle", ".pt", ".pth", ".npy", ".pkl.npy", ".bvh", ".bvh.xz"),
    "keypoints": (".npz", ".json"),
    "picture": (".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    "weights": (".safetensors", ".pt", ".pth", ".ckpt"),
    "settings": (".toml",),
}  # fmt: skip
"""Suffixes by kind, in lower case; where several files would do, an earlier suffix is preferred."""

PLAYED_BY_BROWSERS = (".mp4", ".webm", ".m4v")
"""Videos that a web page shows."""

_OF_TWO_PARTS = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes if suffix.count(".") == 2}


def suffix_of(path: PurePath) -> str:
    """The suffix in lower case; of two parts where such a one is known.

    Example:
        >>> suffix_of(PurePath("Clip.BVH.xz")), suffix_of(PurePath("a.b.mp4")), suffix_of(PurePath("notes.TXT"))
        ('.bvh.xz', '.mp4', '.txt')
    """
    name = path.name.lower()
    two = name.rfind(".", 0, max(0, name.rfind(".")))
    if two > 0 and name[two:] in _OF_TWO_PARTS:
        return name[two:]
    return path.suffix.lower()


def stem_of(path: PurePath) -> str:
    """The name of a file without its suffix: the clip it is of.

    Example:
        >>> stem_of(PurePath("clip.bvh.xz")), stem_of(PurePath("x.pkl.npy")), stem_of(PurePath("a.b.MP4"))
        ('clip', 'x', 'a.b')
    """
    return path.name[: len(path.name) - len(suffix_of(path))]


def is_a(path: PurePath, *kinds: Kind) -> bool:
    """Whether a file is, by its name, of one of these kinds.

    Example:
        >>> is_a(PurePath("clip.OPUS"), "sound", "video"), is_a(PurePath("clip.opus"), "motion")
        (True, False)
    """
    return any(suffix_of(path) in SUFFIXES[kind] for kind in kinds)


def kind_of(path: Path) -> Kind | None:
    """The kind of a file, ``None`` where its suffix is not known; an ``.npz`` with ``xy`` in it holds keypoints."""
    if suffix_of(path) == ".npz" and path.is_file():
        # a damaged one is for whoever reads it to name
        with (
            contextlib.suppress(OSError, ValueError, NotImplementedError, zipfile.BadZipFile),
            zipfile.ZipFile(path) as archive,
        ):
            return "keypoints" if "xy.npy" in archive.namelist() else "motion"
    return next((kind for kind in SUFFIXES if is_a(path, kind)), None)


def files_in(folder: Path, *kinds: Kind, outside: Path | None = None) -> Iterator[Path]:
    """Files in a folder and below, in order of their paths; hidden ones are passed over.

    Args:
        kinds: only files of these kinds, by their names; any file where none is given.
        outside: a folder whose files are passed over, such as the output of the same command.
    """
    without = None if outside is None else outside.resolve()
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if (kinds and not is_a(path, *kinds)) or not path.is_file():
            continue
        if without is None or not path.resolve().is_relative_to(without):
            yield path
