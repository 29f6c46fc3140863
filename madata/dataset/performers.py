"""What the report draws over a playing clip, and below it in 3D: the performer's keypoints and the motion behind them.

A page opened from a disk may read no arrays, only scripts. So they stand in scripts of a hundred clips each, which the
page asks for when one of these is played: the page itself grows with none of them. Each clip has one line,
``performer(clip, what is drawn)``; a script whose clips are as they were is not made again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError
from madata.files import read_npz, sha256_bytes, write_text
from madata.manifest import iterate_rows
from madata.motion.viewer import Dancer, dancer_data, packed, thinned
from madata.skeletons import skeleton
from madata.types import Positions3D

__all__ = ["CLIPS_PER_SCRIPT", "forget_performers", "write_performers"]

CLIPS_PER_SCRIPT = 100
_FOLDER = "performers"
_FPS = 15
"""Enough to see a dance by: the page draws what lies between."""
_FINE = 10_000
"""Keypoints are whole parts of this of the picture's sides."""
_SEEN = 0.3
"""Keypoints of less confidence are not drawn."""
_KEYS = frozenset(
    ("xy", "score", "skeleton", "size", "fps", "times_s", "joints3d", "travel", "up", "camera_rotation")
)


def write_performers(out: Path) -> int:
    """Write ``performers/00000.js`` and so on for the clips of the data set folder ``out``, in their order.

    A clip whose keypoints are absent or cannot be read has no line.

    Returns:
        Clips in each script; 0 where no clip has keypoints.
    """
    folder, wanted, found = out / _FOLDER, set(), False
    for number, rows in enumerate(_batches(out)):
        if not any(row["keypoints"] for row in rows):
            continue
        found = True
        path = folder / f"{number:05d}.js"
        wanted.add(path)
        mark = f"// {sha256_bytes(json.dumps([_FPS, rows]).encode())}\n"
        if path.is_file():
            with path.open(encoding="utf-8") as stream:
                if stream.readline() == mark:
                    continue
        write_text(path, mark + "".join(_line(out, row) for row in rows))
    for path in set(folder.glob("*.js")) - wanted:
        path.unlink()
    return CLIPS_PER_SCRIPT if found else 0


def forget_performers(out: Path, clips: Collection[str]) -> None:
    """Take ``clips`` out of the scripts of ``out``."""
    starts = tuple(f"performer({json.dumps(clip)}," for clip in clips)
    for path in sorted((out / _FOLDER).glob("*.js")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        left = [line for line in lines if not line.startswith(starts)]
        if len(left) < len(lines):
            write_text(path, "".join(left))


def _batches(out: Path) -> Iterator[list[dict[str, Any]]]:
    """What tells a clip's keypoints from others, a hundred clips at a time."""
    rows: list[dict[str, Any]] = []
    for row in iterate_rows(out / "clips.parquet", ["clip_id", "keypoints", "sha256"]):
        rows.append(
            {"clip_id": row["clip_id"], "keypoints": row.get("keypoints"), "sha256": row.get("sha256")}
        )
        if len(rows) == CLIPS_PER_SCRIPT:
            yield rows
            rows = []
    if rows:
        yield rows


def _line(out: Path, row: dict[str, Any]) -> str:
    if not row["keypoints"]:
        return ""
    try:
        shown = _shown(read_npz(out / row["keypoints"], _KEYS))
    except (MadanceError, KeyError, ValueError):
        return ""
    return f"performer({json.dumps(row['clip_id'])},{json.dumps(shown, separators=(',', ':'))})\n"


def _shown(arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What the page draws of a clip.

    Raises:
        KeyError, ValueError, MadanceError: something is absent, or is not what it should be.
    """
    body = skeleton(str(arrays["skeleton"]))
    step, times_s = 1, arrays.get("times_s")
    if times_s is None:
        step = max(1, round(float(arrays["fps"]) / _FPS))
        times_s = np.arange(len(arrays["xy"])) / float(arrays["fps"])
    xy = np.asarray(arrays["xy"], np.float64)[::step] / np.asarray(arrays["size"], np.float64)
    score = np.asarray(arrays["score"])[::step]
    if xy.shape != (*score.shape, 2) or score.shape[1:] != (body.num_joints,):
        raise ValueError("keypoints of another shape")
    seen = (score >= _SEEN) & np.isfinite(xy).all(axis=-1)
    reach = np.iinfo(np.int16)
    places = np.clip(np.round(np.where(seen[..., None], xy, 0) * _FINE), reach.min, reach.max)
    shown: dict[str, Any] = {
        "times": [round(float(time), 3) for time in times_s[::step]],
        "joints": body.num_joints,
        "edges": [list(edge) for edge in body.edges],
        "left": [left for left, _ in body.pairs],
        "xy": packed(places.astype("<i2")),
        "seen": packed(seen.astype(np.uint8)),
    }
    if "joints3d" in arrays:
        points = np.asarray(arrays["joints3d"], np.float32)
        if "travel" in arrays:
            points = points + np.asarray(arrays["travel"], np.float32)[:, None]
        motion = Positions3D(points, float(arrays["fps"]), str(arrays["up"]), body.name)
        shown["dancer"] = dancer_data([Dancer("", thinned(motion, fps=_FPS))])[0]
        back = np.asarray(arrays["camera_rotation"], np.float64)[2]
        shown["yaw"] = round(float(np.arctan2(back[0], back[2])), 3)  # seen from where the clip sees it
    return shown
