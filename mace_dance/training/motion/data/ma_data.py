"""A MA-Data folder as ``madance curate`` and ``madance render`` write it.

Clips of the crawled subset have 2D keypoints, from which no rotations can be learnt: they are dropped by name. Clips
of the rendered subset were made from 3D motion, of which the folder keeps joint positions but not the rotations; the
motion files are looked up, by content, in the folder given as ``motions``. The sound is that of the clip, the split
that of the table (``val`` and ``test`` are held out).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from mace_dance.motion.config import GENRES
from mace_dance.training.motion.data.report import DroppedTake
from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.motion.data.takes import Found, Side, Take, TakeSpan
from madata.cache import remembered_sha256
from madata.errors import ConfigError
from madata.manifest import read_table

__all__ = ["find_ma_data"]


def find_ma_data(source: Path, settings: DataSettings) -> Found:
    """The clips of a MA-Data folder.

    Raises:
        ConfigError: the folder of motion files does not exist.
        MadanceError: a table is absent or damaged.
    """
    clips: list[dict[Any, Any]] = read_table(source / "clips.parquet").to_dict("records")
    sources = {row["source_id"]: row for row in read_table(source / "sources.parquet").to_dict("records")}
    motions = _Motions(settings.motions)
    given = {clip["genre"] for clip in clips if isinstance(clip["genre"], str)}
    genres = () if not given else GENRES if given <= set(GENRES) else tuple(sorted(given))
    takes: list[Take] = []
    drops: list[DroppedTake] = []
    for clip in sorted(clips, key=lambda row: str(row["clip_id"])):
        name = str(clip["clip_id"])
        if clip["subset"] != "rendered":
            message = (
                f"{source / str(clip['path'])}: a {clip['subset']} clip has 2D keypoints only, "
                "which cannot train a 3D model"
            )
            drops.append(DroppedTake(name, "keypoints_only", message))
            continue
        origin = sources.get(clip["source_id"], {})
        motion, problem = motions.find(str(origin.get("file")), str(origin.get("sha256")))
        if motion is None:
            drops.append(DroppedTake(name, "no_motion", f"{source / str(clip['path'])}: {problem}"))
            continue
        genre = clip["genre"] if isinstance(clip["genre"], str) else None
        if genres and genre is None:
            drops.append(
                DroppedTake(name, "unknown_genre", f"{source / 'clips.parquet'}: {name} has no genre")
            )
            continue
        side: Side | None = None
        if settings.split == "published":
            side = "train" if clip["split"] == "train" else "held-out"
        span = TakeSpan(int(clip["start_frame"]), int(clip["num_frames"]), float(clip["fps"]))
        music = source / str(clip["path"]) if clip["has_audio"] else None
        takes.append(Take(name, motion, music, genre, str(clip["source_id"]), side, span=span))
    return Found(takes, drops, genres)


class _Motions:
    """The motion files of a folder, found by name and checked by content."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None and not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder of motion files")
        self._folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.rglob("*")) if folder else ():
            self._by_name[path.name].append(path)

    def find(self, name: str, digest: str) -> tuple[Path | None, str]:
        """The file called ``name`` with this content, or ``None`` and what to do."""
        if self._folder is None:
            return None, f"it was rendered from {name}; say motions=FOLDER, where that file lies"
        for path in self._by_name[Path(name).name]:
            if remembered_sha256(path) == digest:
                return path, ""
        return None, f"it was rendered from {name}, which is not in {self._folder} with the same content"
