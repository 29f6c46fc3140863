"""Golden clips: rows of ``cases.json`` as frames, read from a file or derived from another clip."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.features.table import concatenate
from evaluation.features.video.passes import video_row
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.protocol import load_protocol

Find = Callable[[str], Path]


def read_rgb(path: Path) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB."""
    import cv2

    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        read, frame = capture.read()
        if not read:
            break
        frames.append(frame[..., ::-1])
    capture.release()
    assert frames, f"{path} has no frames"
    return np.ascontiguousarray(np.stack(frames))


OPERATIONS = {
    "reverse": lambda frames, _: frames[::-1],
    "hflip": lambda frames, _: frames[:, :, ::-1],
    "stride": lambda frames, step: frames[::step],
    "crop": lambda frames, border: frames[:, border:-border, border:-border],
    "transpose": lambda frames, _: frames.swapaxes(1, 2),
}


def derive(frames: np.ndarray, operations: str | list[str]) -> np.ndarray:
    words = operations if isinstance(operations, str) else " ".join(operations)
    for name, number in re.findall(r"([a-z]+)(\d*)", words):
        frames = OPERATIONS[name](frames, int(number or 0))
    return np.ascontiguousarray(frames)


def load_case(name: str, find: Find) -> np.ndarray:
    """Frames of a case; clips that a derived one starts from may live in another golden folder."""
    row = json.loads(find("appearance/cases.json").read_text()).get(name, {})
    if row.get("derived_from"):
        frames = derive(load_case(row["derived_from"], find), row["ops"])
    else:
        folder = "videos_lossy" if name.endswith("_h264") else "videos"
        frames = read_rgb(find(f"appearance/{row.get('file') or f'{folder}/{name}.mp4'}"))
    if row.get("rgb_sha256"):
        assert hashlib.sha256(frames.tobytes()).hexdigest() == row["rgb_sha256"], f"{name} is another clip"
    return frames


def load_pair(name: str, find: Find) -> tuple[np.ndarray, np.ndarray]:
    """Reference and generated frames of a row of ``pairs.json``."""
    row = json.loads(find("appearance/pairs.json").read_text()).get(name, {})
    if row.get("derived_from"):
        reference, generated = load_pair(row["derived_from"], find)
        return derive(reference, row["ops"]), derive(generated, row["ops"])
    files = [row.get(side) or f"pairs/{name}_{side}.mp4" for side in ("ref", "gen")]
    reference, generated = (read_rgb(find(f"appearance/{file}")) for file in files)
    return reference, generated


VBENCH = load_protocol("vbench")


def over_videos(scores):
    """The number of a data set, and the mean in which every video counts the same."""
    name = scores[0].dimension
    rows = [video_row(f"v{number}", scores={name: score}) for number, score in enumerate(scores)]
    found = {
        one.name: one for one in measure(Tables(VBENCH, videos={"prediction": concatenate(rows)})).metrics
    }
    return found[name], found.get(f"{name}_video_mean", found[name])
