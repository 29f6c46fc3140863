"""The clips of a split and what there is of each: video, music, motion, pose, picture.

Two kinds of folder are read. A data set of ``madance curate`` has ``clips.parquet``. Any other folder is taken
as it is, files of one clip being those of one stem, in subfolders too:

    music/<clip>.wav   clips/<clip>.mp4   motions/<clip>.npz|.pkl|.npy|.bvh   keypoints/<clip>.npz   images/<clip>.png

with one subfolder per split above them where there are splits (``test/music/...``), or with an official list that
chooses (:mod:`evaluation.inputs.splits`). Clips that share music go by the names of the field
(:mod:`evaluation.inputs.names`). A file that cannot be read costs its own clip alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.inputs.discovery import clip_files
from evaluation.inputs.names import clip_name, match_music
from evaluation.inputs.splits import OfficialSplit, is_official, official_split
from evaluation.systems import RealClip, Task
from madata.dataset import ClipTable
from madata.errors import MadanceError, MediaError
from madata.files import sha256_bytes, sha256_file
from madata.formats import Kind, kind_of, stem_of, suffix_of
from madata.types import Clip

__all__ = ["SPLITS", "ClipSet", "DataClip", "lacking", "read_clips"]

SPLITS = ("train", "val", "test", "held")
_PART_OF_CLIP: dict[Kind, str] = {
    "video": "video", "motion": "motion", "sound": "music", "picture": "image", "keypoints": "pose",
}  # fmt: skip


@dataclass(frozen=True)
class DataClip:
    """Files of one clip, ``None`` where there is none.

    Attributes:
        size: (width, height) px of its video, or of the picture of a user's own clip.
        pose: keypoints to follow, or a motion; that of the picture, but for a user's own clip.
        problem: why its files are of no use.
    """

    clip_id: str
    source_id: str
    duration_s: float
    fps: float | None
    size: tuple[int, int] | None
    video: Path | None = None
    music: Path | None = None
    motion: Path | None = None
    pose: Path | None = None
    image: Path | None = None
    problem: str | None = None

    @property
    def real(self) -> RealClip:
        """What there is of the real clip."""
        return RealClip(self.clip_id, self.source_id, self.duration_s, self.motion, self.video, self.size)


@dataclass(frozen=True)
class ClipSet:
    """A split, or the one clip of a user's own.

    Attributes:
        clips: of the split, by clip id.
        others: the remaining clips of the data set.
        own: it is a user's own clip: its seed is that of the run, and its picture is shown whole.
        identity: what the clips are, as the record of a run holds it: names and hashes.
    """

    name: str
    split: str | None
    clips: tuple[DataClip, ...]
    others: tuple[DataClip, ...]
    own: bool = False
    identity: Mapping[str, Any] = field(default_factory=dict)


def read_clips(folder: Path, split: str | None, *, task: Task) -> ClipSet:
    """Read a data-set folder.

    Args:
        split: name of the split, or of an official list (``aist++:crossmodal-test``); ``None`` is ``test`` where
            there are splits, else the whole folder.

    Raises:
        MadanceError: there is no such folder or split, or every clip lacks what the task needs.
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
    lacks = {clip.clip_id: what for clip in found.clips if (what := lacking(clip, task))}
    if len(lacks) == len(found.clips):
        raise MadanceError(f"{folder}: no clip can be made: {_in_short(lacks)}")
    return found


def lacking(clip: DataClip, task: Task) -> str | None:
    """Why a clip cannot be asked for; ``None`` where it can.

    Example:
        >>> lacking(DataClip("a", "a", 1.0, 30.0, None), "motion")
        'the task motion needs music, there is none'
    """
    if clip.problem is not None:
        return clip.problem
    wanted = {
        "music": task != "animation" and clip.music is None,
        "a reference picture or a video": task != "motion" and clip.image is None and clip.video is None,
        "keypoints": task == "animation" and clip.pose is None,
    }
    absent = [what for what, is_absent in wanted.items() if is_absent]
    return f"the task {task} needs {' and '.join(absent)}, there is none" if absent else None


def _in_short(lacks: Mapping[str, str]) -> str:
    """Each reason once, with the first clips it holds for."""
    by_reason: dict[str, list[str]] = {}
    for clip, what in lacks.items():
        by_reason.setdefault(what, []).append(clip)
    return "; ".join(
        f"{what} ({', '.join(clips[:3])}{f' and {len(clips) - 3} more' if len(clips) > 3 else ''})"
        for what, clips in by_reason.items()
    )


def _of_manifest(folder: Path, split: str | None) -> ClipSet:
    chosen = split or "test"
    own: list[DataClip] = []
    others: list[DataClip] = []
    there = set()
    for clip in ClipTable.read(folder):
        there.add(clip.split)
        (own if clip.split == chosen else others).append(_table_clip(clip))
    if not own:
        known = ", ".join(sorted(there)) or "no clip at all"
        raise MadanceError(f"{folder}: has no clip in the split {chosen!r}; there is {known} (--split)")
    return _clip_set(folder, chosen, tuple(own), tuple(others), sha256_file(folder / "clips.parquet"))


def _clip_set(
    folder: Path, split: str | None, own: tuple[DataClip, ...], others: tuple[DataClip, ...], sha256: str
) -> ClipSet:
    name = folder.resolve().name
    data = {"name": name, "split": split, "sha256": sha256, "clips": len(own)}
    return ClipSet(name, split, own, others, identity={"data": data})


def _table_clip(clip: Clip) -> DataClip:
    return DataClip(
        clip_id=clip.clip_id,
        source_id=clip.source_id,
        duration_s=clip.num_frames / clip.fps,
        fps=clip.fps,
        size=clip.size,
        video=clip.path,
        music=clip.path if clip.has_sound else None,
        pose=clip.keypoints,
    )


def _of_folder(folder: Path, split: str | None, task: Task) -> ClipSet:
    official = official_split(split) if split and is_official(split) else None
    there = [] if official else [name for name in SPLITS if (folder / name).is_dir()]
    if split is not None and official is None and split not in there:
        raise MadanceError(
            f"{folder}: has no subfolder {split!r}" + (f"; there is {', '.join(there)}" if there else "")
        )
    chosen = split or ("test" if "test" in there else None)
    roots = {name: folder / name for name in there} if chosen and not official else {"": folder}
    files = {name: _with_music(_files_of(root)) for name, root in roots.items()}
    stems = [stem for name in files for stem in files[name]]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise MadanceError(f"{folder}: clip {twice[0]!r} is in two splits")
    listing = "".join(
        f"{stem}\0{kind}\0{path.stat().st_size}\n"
        for name in sorted(files)
        for stem, kinds in sorted(files[name].items())
        for kind, path in sorted(kinds.items())
    )
    if official:
        files = dict(zip((official.name, ""), _official(files[""], official, folder), strict=True))
        chosen = official.name
    clips = {
        name: tuple(_stem_clip(stem, kinds, task) for stem, kinds in sorted(found.items()))
        for name, found in files.items()
    }
    own = clips.pop(chosen or "")
    if not own:
        raise MadanceError(f"{folder}: holds no music, video or motion" + (f" in {chosen}" if chosen else ""))
    others = tuple(clip for group in clips.values() for clip in group)
    return _clip_set(folder, chosen, own, others, sha256_bytes(listing.encode("utf-8", "surrogateescape")))


_Files = dict[str, dict[str, Path]]  # stem -> kind -> file
_AGAIN = ", a second time"


def _with_music(found: _Files) -> _Files:
    """Clips without music of their own get that which their names speak of; it is no clip of its own then."""
    sounds = {stem: kinds["music"] for stem, kinds in found.items() if kinds.keys() == {"music"}}
    mute = [stem for stem, kinds in found.items() if "music" not in kinds]
    match = match_music(mute, sounds)
    files = {stem: path for stem, path in match.files.items() if stem not in match.starts_s}
    used = set(files.values())
    return {
        stem: {**kinds, "music": files[stem]} if stem in files else kinds
        for stem, kinds in found.items()
        if not (kinds.keys() == {"music"} and kinds["music"] in used)
    }


def _official(found: _Files, split: OfficialSplit, folder: Path) -> tuple[_Files, _Files]:
    """The dances of an official list, whatever there is of them, and all others."""
    chosen: _Files = {}
    for stem, clip_id in split.choose(found).items():
        if clip_id in chosen:
            raise MadanceError(f"{folder}: holds {clip_id} twice, once as {stem}; keep one")
        chosen[clip_id] = found[stem]
    taken = set(split.choose(found))
    rest = {stem: kinds for stem, kinds in found.items() if stem not in taken}
    there = {clip_name(clip_id).dance for clip_id in chosen}
    absent = [dance for dance in split.dances if dance not in there]
    sounds = {stem_of(kinds["music"]): kinds["music"] for kinds in found.values() if "music" in kinds}
    match = match_music(absent, sounds)
    chosen |= {dance: {"music": match.files[dance]} if dance in match.files else {} for dance in absent}
    used = set(match.files.values())
    return chosen, {
        stem: kinds
        for stem, kinds in rest.items()
        if not (kinds.keys() == {"music"} and kinds["music"] in used)
    }


def _files_of(root: Path) -> _Files:
    found: _Files = {}
    for path in clip_files(root):
        kind = _PART_OF_CLIP.get(kind_of(path) or "settings")
        if kind is None or suffix_of(path) == ".json":
            continue
        kinds = found.setdefault(stem_of(path), {})
        kinds[f"{kind}{_AGAIN}" if kind in kinds else kind] = path
    return {stem: kinds for stem, kinds in found.items() if kinds.keys() & {"music", "video", "motion"}}


def _stem_clip(stem: str, kinds: Mapping[str, Path], task: Task) -> DataClip:
    """One clip of a folder; one whose files cannot be read says so."""
    video, music = kinds.get("video"), kinds.get("music")
    clip = DataClip(
        clip_id=stem,
        source_id=stem if music is None else stem_of(music),
        duration_s=0.0,
        fps=None,
        size=None,
        video=video,
        music=music,
        motion=kinds.get("motion"),
        pose=kinds.get("pose"),
        image=kinds.get("image"),
        problem=_unclear(kinds) if kinds else "the data set does not hold it",
    )
    try:
        return _measured(clip, task)
    except MediaError as error:
        return replace(clip, problem=str(error))


def _unclear(kinds: Mapping[str, Path]) -> str | None:
    """Which of its files there are two of."""
    for name, path in kinds.items():
        if name.endswith(_AGAIN):
            kind = name.removesuffix(_AGAIN)
            return f"two files for its {kind}: {kinds[kind]} and {path}; keep one"
    return None


def _measured(clip: DataClip, task: Task) -> DataClip:
    """Length and rate are those of the real clip the task would make, else those of whatever there is."""
    duration_s = 0.0
    if clip.video is not None:
        from madata.video import probe

        info = probe(clip.video)
        duration_s = info.num_frames / info.fps if info.num_frames else info.duration_s or 0.0
        music = clip.music or (clip.video if info.audio is not None else None)
        clip = replace(clip, size=info.size, fps=info.fps, music=music)
    if clip.motion is not None and (task == "motion" or not duration_s):
        from madata.motion import read_motion

        danced = read_motion(clip.motion)
        duration_s = len(danced.rotation) / danced.fps
        clip = replace(clip, fps=danced.fps)
    if not duration_s and clip.music is not None:
        from madata.video import read_audio

        sound = read_audio(clip.music)
        duration_s = len(sound.waveform) / sound.rate_hz
    if not duration_s and clip.video is not None:
        raise MediaError(f"{clip.video}: does not say how long it is", reason="no_duration")
    return replace(clip, duration_s=duration_s)
