"""The clips of a split and what there is of each: video, music, motion, keypoints, picture.

Two kinds of folder are read. A data set of ``madance curate`` has ``clips.parquet``. Any other folder is taken
as it is, files of one clip being those of one stem, in subfolders too:

    music/<clip>.wav   clips/<clip>.mp4   motions/<clip>.npz|.pkl|.npy|.bvh   keypoints/<clip>.npz   images/<clip>.png

with one subfolder per split above them where there are splits (``test/music/...``).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.inputs.discovery import clip_files
from evaluation.systems import RealClip, Task
from evaluation.systems.folder import MOTION_SUFFIXES, VIDEO_SUFFIXES
from madata.errors import MadanceError
from madata.files import sha256_bytes, sha256_file

__all__ = ["SPLITS", "ClipSet", "DataClip", "read_clips"]

SPLITS = ("train", "val", "test", "held")
_AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".m4a", ".ogg", ".aac"})
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class DataClip:
    """Files of one clip, ``None`` where there is none; ``size`` is that of its video."""

    clip_id: str
    source_id: str
    duration_s: float
    fps: float | None
    size: tuple[int, int] | None
    video: Path | None = None
    music: Path | None = None
    motion: Path | None = None
    keypoints: Path | None = None
    image: Path | None = None

    @property
    def real(self) -> RealClip:
        """What there is of the real clip."""
        return RealClip(self.clip_id, self.source_id, self.duration_s, self.motion, self.video)


@dataclass(frozen=True)
class ClipSet:
    """A split.

    Attributes:
        clips: of the split, by clip id.
        others: the remaining clips of the data set.
        sha256: hash of the manifest, or of the names and sizes of all files.
        manifest: whether there is one.
    """

    name: str
    split: str | None
    clips: tuple[DataClip, ...]
    others: tuple[DataClip, ...]
    sha256: str
    manifest: bool


def read_clips(folder: Path, split: str | None, *, task: Task) -> ClipSet:
    """Read a data-set folder.

    Args:
        split: name of the split; ``None`` is ``test`` where there are splits, else the whole folder.

    Raises:
        MadanceError: there is no such folder or split, or a clip lacks what the task needs.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder")
    found = (
        _of_manifest(folder, split)
        if (folder / "clips.parquet").is_file()
        else _of_folder(folder, split, task)
    )
    for clip in (*found.clips, *found.others):
        if clip.clip_id.startswith(".") or any(sign in clip.clip_id for sign in "/\\\0"):
            raise MadanceError(f"{folder}: the clip id {clip.clip_id!r} is no file name")
    _complete(found, folder, task)
    return found


def _of_manifest(folder: Path, split: str | None) -> ClipSet:
    from madata.manifest import read_table

    rows = read_table(folder / "clips.parquet").to_dict("records")
    chosen = split or "test"
    if not any(row["split"] == chosen for row in rows):
        there = ", ".join(sorted({row["split"] for row in rows})) or "no clip at all"
        raise MadanceError(f"{folder}: has no clip in the split {chosen!r}; there is {there}")
    clips = [
        (row["split"], _row_clip(row, folder)) for row in sorted(rows, key=lambda row: str(row["clip_id"]))
    ]
    return ClipSet(
        name=folder.resolve().name,
        split=chosen,
        clips=tuple(clip for name, clip in clips if name == chosen),
        others=tuple(clip for name, clip in clips if name != chosen),
        sha256=sha256_file(folder / "clips.parquet"),
        manifest=True,
    )


def _row_clip(row: Mapping[Any, Any], folder: Path) -> DataClip:
    video, points = folder / str(row["path"]), row.get("keypoints")
    fps, frames = float(row["fps"]), int(row["num_frames"])
    return DataClip(
        clip_id=str(row["clip_id"]),
        source_id=str(row["source_id"]),
        duration_s=frames / fps,
        fps=fps,
        size=(int(row["width"]), int(row["height"])),
        video=video,
        music=video if row["has_audio"] else None,
        keypoints=folder / points if isinstance(points, str) else None,
    )


def _of_folder(folder: Path, split: str | None, task: Task) -> ClipSet:
    there = [name for name in SPLITS if (folder / name).is_dir()]
    if split is not None and split not in there:
        raise MadanceError(
            f"{folder}: has no subfolder {split!r}" + (f"; there is {', '.join(there)}" if there else "")
        )
    chosen = split or ("test" if "test" in there else None)
    roots = {name: folder / name for name in there} if chosen else {"": folder}
    files = {name: _files_of(root) for name, root in roots.items()}
    stems = [stem for name in files for stem in files[name]]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise MadanceError(f"{folder}: clip {twice[0]!r} is in two splits")
    clips = {
        name: tuple(_stem_clip(stem, kinds, task) for stem, kinds in sorted(found.items()))
        for name, found in files.items()
    }
    listing = "".join(
        f"{stem}\0{kind}\0{path.stat().st_size}\n"
        for name in sorted(files)
        for stem, kinds in sorted(files[name].items())
        for kind, path in sorted(kinds.items())
    )
    own = clips.pop(chosen or "")
    if not own:
        raise MadanceError(f"{folder}: holds no music, video or motion" + (f" in {chosen}" if chosen else ""))
    return ClipSet(
        name=folder.resolve().name,
        split=chosen,
        clips=own,
        others=tuple(clip for group in clips.values() for clip in group),
        sha256=sha256_bytes(listing.encode("utf-8", "surrogateescape")),
        manifest=False,
    )


def _files_of(root: Path) -> dict[str, dict[str, Path]]:
    """Stem -> kind -> file."""
    found: dict[str, dict[str, Path]] = {}
    for path in clip_files(root):
        kind = _kind(path)
        if kind is None:
            continue
        kinds = found.setdefault(path.stem, {})
        if kind in kinds:
            raise MadanceError(f"{path.stem}: two files for its {kind}: {kinds[kind]} and {path}; keep one")
        kinds[kind] = path
    return {stem: kinds for stem, kinds in found.items() if kinds.keys() & {"music", "video", "motion"}}


def _kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix == ".npz" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return "keypoints" if "xy.npy" in archive.namelist() else "motion"
    for kind, suffixes in (
        ("video", VIDEO_SUFFIXES),
        ("motion", MOTION_SUFFIXES),
        ("music", _AUDIO_SUFFIXES),
        ("image", _IMAGE_SUFFIXES),
    ):
        if suffix in suffixes:
            return kind
    return None


def _stem_clip(stem: str, kinds: Mapping[str, Path], task: Task) -> DataClip:
    """Length and rate are those of the real clip the task would make, else those of whatever there is."""
    video, motion = kinds.get("video"), kinds.get("motion")
    fps, size, duration_s = None, None, None
    if video is not None:
        from madata.video import probe

        info = probe(video)
        size, fps = info.size, info.fps
        duration_s = info.num_frames / info.fps if info.num_frames else info.duration_s
    if motion is not None and (task == "motion" or duration_s is None):
        from madata.motion import read_motion

        danced = read_motion(motion)
        fps, duration_s = danced.fps, len(danced.rotation) / danced.fps
    if duration_s is None:
        from madata.video import read_audio

        sound = read_audio(kinds.get("music") or kinds["video"])
        duration_s = len(sound.waveform) / sound.rate_hz
    return DataClip(
        clip_id=stem,
        source_id=stem,
        duration_s=duration_s,
        fps=fps,
        size=size,
        video=video,
        music=kinds.get("music") or video,
        motion=motion,
        keypoints=kinds.get("keypoints"),
        image=kinds.get("image"),
    )


def _complete(found: ClipSet, folder: Path, task: Task) -> None:
    """Refuse a split of which some clips lack an input, naming them."""
    wanted: dict[str, Iterable[DataClip]] = {}
    if task != "animation":
        wanted["music"] = [clip for clip in found.clips if clip.music is None]
    if task != "motion":
        wanted["a reference picture or a video"] = [
            clip for clip in found.clips if clip.image is None and clip.video is None
        ]
    if task == "animation":
        wanted["keypoints"] = [clip for clip in found.clips if clip.keypoints is None]
    for what, clips in wanted.items():
        if names := [clip.clip_id for clip in clips]:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise MadanceError(
                f"{folder}: the task {task} needs {what}; none for {', '.join(names[:3])}{more}"
            )
