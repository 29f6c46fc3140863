"""Which clips a folder holds: one file for each stem, in subfolders too.

``madance generate`` leaves a record ``<clip>.json`` and a folder ``<clip>.parts`` beside a single clip; neither is a
clip.

Example:
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.json", "a.json", "notes.txt"):
    ...     _ = (folder / name).write_text("{}")
    >>> list(find_clips(folder, "keypoints2d").files)
    ['a', 'b']
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evaluation.protocol import InputKind
from evaluation.result import Problem, Side
from madata.errors import MadanceError
from madata.files import read_json, sha256_bytes
from madata.formats import SUFFIXES, Kind, files_in, is_a, kind_of, stem_of, suffix_of

__all__ = [
    "CLIP_SCHEMA",
    "PARTS_SUFFIX",
    "Folder",
    "clip_files",
    "clip_records",
    "find_clips",
    "guess_kind",
    "set_sha256",
]

CLIP_SCHEMA = "madance.clip/1"
"""Of the record beside a single clip."""

PARTS_SUFFIX = ".parts"
"""Of the folder of intermediate files beside it."""


def clip_files(folder: Path) -> list[Path]:
    """Files in ``folder`` and below in order of their names; hidden ones, parts and records aside."""
    files, records = _sorted_out(folder)
    return [path for path in files if path not in records]


def clip_records(folder: Path) -> list[dict[str, Any]]:
    """The records of the single clips in ``folder`` and below."""
    return list(_sorted_out(folder)[1].values())


def _sorted_out(folder: Path) -> tuple[list[Path], dict[Path, dict[str, Any]]]:
    """All files, and which of them are records."""
    files = [path for path in files_in(folder) if not _is_part(path.relative_to(folder))]
    twins = Counter(path.with_suffix("") for path in files)
    beside = [path for path in files if suffix_of(path) == ".json" and twins[path.with_suffix("")] > 1]
    return files, {path: record for path in beside if (record := _read_record(path)) is not None}


def _is_part(path: Path) -> bool:
    return any(folder.endswith(PARTS_SUFFIX) for folder in path.parts[:-1])


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except MadanceError:
        return None
    return content if isinstance(content, dict) and content.get("schema") == CLIP_SCHEMA else None


_FRAME_OF_OPENPOSE = re.compile(r"_\d{12}_keypoints\.json$", re.IGNORECASE)
_Sought = InputKind | Literal["music", "video or picture"]
_KINDS: dict[_Sought, tuple[Kind, ...]] = {
    "keypoints2d": ("keypoints", "video"),
    "motion3d": ("motion",),
    "video": ("video",),
    "video or picture": ("video", "picture"),
    "music": ("sound", "video"),
}


@dataclass(frozen=True)
class Folder:
    """The clips of one folder.

    Attributes:
        files: stem -> file, sorted by stem.
        problems: stems that occur twice.
        unused: files of other kinds, by name.
    """

    path: Path
    files: dict[str, Path]
    problems: list[Problem] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def find_clips(folder: Path, kind: _Sought, *, side: Side = "prediction") -> Folder:
    """Find the files of ``kind`` in ``folder`` and below.

    Raises:
        MadanceError: the folder is absent or holds no such file.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder ({side})")
    found: dict[str, list[Path]] = {}
    unused = []
    for path in clip_files(folder):
        if is_a(path, *_KINDS[kind]):
            found.setdefault(stem_of(path), []).append(path)
        else:
            unused.append(path.relative_to(folder).as_posix())
    if kind == "keypoints2d":
        _refuse_frames(found)
    if not found:
        expected = ", ".join(suffix for one in _KINDS[kind] for suffix in SUFFIXES[one])
        other = f"; it holds {', '.join(unused[:3])}" if unused else ""
        raise MadanceError(f"{folder}: no file of {side} in it (expected {expected}){other}")
    problems = [_twice(stem, paths, folder, side) for stem, paths in found.items() if len(paths) > 1]
    return Folder(folder, {stem: found[stem][0] for stem in sorted(found)}, problems, unused)


def _refuse_frames(found: Mapping[str, Sequence[Path]]) -> None:
    """OpenPose writes one file a frame and no frame rate: such a folder is no set of clips yet."""
    for paths in found.values():
        if _FRAME_OF_OPENPOSE.search(paths[0].name):
            raise MadanceError(
                f"{paths[0].parent}: holds one file a frame, as OpenPose writes them, and no frame rate; "
                f"make a file of each clip first: madance convert {paths[0].parent} OUT/CLIP.npz --fps 30"
            )


def _twice(stem: str, paths: Sequence[Path], folder: Path, side: Side) -> Problem:
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Problem(
        clip_id=stem,
        side=side,
        file=names[0],
        reason="ambiguous",
        message=f"{len(names)} files have this stem: {', '.join(names)}; keep one",
        dropped=True,
    )


def guess_kind(folder: Path) -> InputKind:
    """What a folder holds, from its first file that can be scored.

    Raises:
        MadanceError: the folder is absent, or nothing in it can be scored.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder")
    for path in clip_files(folder):
        kind = kind_of(path)
        if kind in ("keypoints", "video", "motion"):
            return "motion3d" if kind == "motion" else "keypoints2d"
    raise MadanceError(f"{folder}: holds neither keypoints or videos nor 3D motions")


def set_sha256(hashes: Mapping[str, str]) -> str:
    """One hash for a set of files: over their clip ids and contents, whatever they are called on disk.

    Example:
        >>> set_sha256({"a": "0f", "b": "1e"}) == set_sha256({"b": "1e", "a": "0f"})
        True
    """
    lines = "".join(f"{clip}\0{digest}\n" for clip, digest in sorted(hashes.items()))
    return sha256_bytes(lines.encode("utf-8", "surrogateescape"))
