"""Keypoint files of a data set: rows of joints, each at a time, read at the times that are wanted.

A file is an ``.npz`` of ``xy`` (N, J, 2) px, ``score`` (N, J) 0..1, ``skeleton``, ``size`` (width, height) px, and
``times_s`` (N,) or ``fps``. Legend: N rows stored, T times wanted, J joints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import read_npz
from madata.keypoints.sequence import between_frames
from madata.types import Keypoints2D

__all__ = ["read_keypoints"]


def read_keypoints(
    path: Path, times_s: npt.NDArray[np.float64], size: tuple[int, int] | None = None
) -> Keypoints2D:
    """Keypoints at given times, on a line between the rows around each; as sure as the less sure row.

    Args:
        times_s: (T,) evenly spaced; what lies outside the rows gets the nearest row.
        size: (width, height) of the pixels wanted; those of the file by default.

    Raises:
        MediaError: the file holds no keypoints.
    """
    arrays = read_npz(path)
    clock = "times_s" if "times_s" in arrays else "fps"
    if absent := [key for key in ("xy", "score", "skeleton", "size", clock) if key not in arrays]:
        raise MediaError(f"{path}: lacks {', '.join(absent)}", reason="no_keypoints")
    xy, score = arrays["xy"], arrays["score"]
    rows = len(xy)
    if rows == 0 or xy.ndim != 3 or score.shape != xy.shape[:2] or arrays["size"].shape != (2,):
        raise MediaError(
            f"{path}: holds no keypoints (xy {xy.shape}, score {score.shape})", reason="no_keypoints"
        )
    known_s = arrays[clock] if clock == "times_s" else np.arange(rows) / float(arrays[clock])
    place = np.interp(times_s, known_s, np.arange(rows))
    points, sureness = between_frames(xy, score, place)
    own = (int(arrays["size"][0]), int(arrays["size"][1]))
    scale = np.array(size or own) / arrays["size"]
    return Keypoints2D(
        np.ascontiguousarray(points * scale, np.float32),
        np.ascontiguousarray(sureness, np.float32),
        str(arrays["skeleton"]),
        float(1 / np.diff(times_s).mean()) if len(times_s) > 1 else 1.0,
        size or own,
    )
