"""What one pass over a video leaves: a row of scores, as JSON for the shelf and as arrays for the features file.

Legend: N videos, D = 400 logits of I3D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features.video.scores import VideoScore
from madata.errors import MediaError

__all__ = ["VideoRow", "row_of_json", "rows_of_arrays", "table_arrays"]

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class VideoRow:
    """One video.

    Attributes:
        size: (width, height) px as shown; ``None``, like ``fps``, where the file cannot be decoded.
        scores: name -> score, undefined ones included.
        logits: (D,) of I3D, where FVD was asked for and the video is long enough.
        fault: (reason, message) of a file that is not scored.
    """

    clip_id: str
    sha256: str
    frames: int = 0
    fps: float | None = None
    size: tuple[int, int] | None = None
    scores: Mapping[str, VideoScore] = field(default_factory=dict)
    logits: Logits | None = None
    fault: tuple[str, str] | None = None

    def of(self, clip_id: str) -> VideoRow:
        """The same content as another clip."""
        return replace(self, clip_id=clip_id)

    def to_json(self) -> dict[str, Any]:
        """Plain values; numbers survive to the last bit."""
        return {
            "sha256": self.sha256,
            "frames": self.frames,
            "fps": self.fps,
            "size": self.size,
            "scores": {
                name: [score.value, score.num_samples, score.reason] for name, score in self.scores.items()
            },
            "logits": None if self.logits is None else [float(value) for value in self.logits],
            "fault": self.fault,
        }


def row_of_json(content: Mapping[str, Any], clip_id: str) -> VideoRow:
    """The row :meth:`VideoRow.to_json` made.

    Raises:
        ValueError, KeyError, TypeError: it did not.
    """
    frames = int(content["frames"])
    return VideoRow(
        clip_id=clip_id,
        sha256=content["sha256"],
        frames=frames,
        fps=content["fps"],
        size=None if content["size"] is None else (int(content["size"][0]), int(content["size"][1])),
        scores={
            name: VideoScore(name, value, frames, int(samples), reason)
            for name, (value, samples, reason) in content["scores"].items()
        },
        logits=None if content["logits"] is None else np.array(content["logits"], np.float32),
        fault=None if content["fault"] is None else (content["fault"][0], content["fault"][1]),
    )


def table_arrays(side: str, rows: Sequence[VideoRow]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a features file: one entry per video in each, NaN where there is no value."""
    columns: dict[str, list[Any]] = {
        "clip_ids": [row.clip_id for row in rows],
        "sha256": [row.sha256 for row in rows],
        "fault": [row.fault[0] if row.fault else "" for row in rows],
        "message": [row.fault[1] if row.fault else "" for row in rows],
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{side}/{name}": np.array(values, np.str_) for name, values in columns.items()
    }
    arrays[f"{side}/frames"] = np.array([row.frames for row in rows], np.int64)
    arrays[f"{side}/fps"] = np.array([np.nan if row.fps is None else row.fps for row in rows])
    arrays[f"{side}/size"] = np.array([row.size or (0, 0) for row in rows], np.int64).reshape(-1, 2)
    for name in sorted({name for row in rows for name in row.scores}):
        scores = [row.scores.get(name) for row in rows]
        values = [score.value if score else None for score in scores]
        arrays[f"{side}/value/{name}"] = np.array([np.nan if value is None else value for value in values])
        arrays[f"{side}/samples/{name}"] = np.array(
            [score.num_samples if score else 0 for score in scores], np.int64
        )
        arrays[f"{side}/reason/{name}"] = np.array(
            [(score.reason or "") if score else "" for score in scores], np.str_
        )
    if any(row.logits is not None for row in rows):
        width = next(len(row.logits) for row in rows if row.logits is not None)
        empty = np.full(width, np.nan, np.float32)
        arrays[f"{side}/logits"] = np.stack([empty if row.logits is None else row.logits for row in rows])
    return arrays


def rows_of_arrays(arrays: Mapping[str, npt.NDArray[Any]], side: str) -> list[VideoRow]:
    """The rows :func:`table_arrays` was given.

    Raises:
        MediaError: the arrays are not of that form.
    """
    prefix = f"{side}/value/"
    names = [key.removeprefix(prefix) for key in arrays if key.startswith(prefix)]
    try:
        count = len(arrays[f"{side}/clip_ids"])
        sizes = {len(values) for key, values in arrays.items() if key.startswith(f"{side}/")}
        if sizes != {count}:
            raise ValueError(f"{count} videos, but columns of {sorted(sizes)} rows")
        return [_row_of(arrays, side, names, row) for row in range(count)]
    except (KeyError, IndexError, ValueError, TypeError, OverflowError) as error:
        raise MediaError(f"not a whole table of videos ({error!r})", reason="no_features") from error


def _row_of(arrays: Mapping[str, npt.NDArray[Any]], side: str, names: list[str], row: int) -> VideoRow:
    def at(column: str) -> Any:
        return arrays[f"{side}/{column}"][row]

    frames, fps, size = int(at("frames")), float(at("fps")), tuple(int(length) for length in at("size"))
    scores = {}
    for name in names:
        value, reason = float(at(f"value/{name}")), str(at(f"reason/{name}")) or None
        if np.isfinite(value) or reason:
            samples = int(at(f"samples/{name}"))
            scores[name] = VideoScore(name, value if reason is None else None, frames, samples, reason)
    logits = at("logits") if f"{side}/logits" in arrays else None
    if logits is not None and logits.ndim != 1:
        raise ValueError("the logits are not one row for each video")
    return VideoRow(
        clip_id=str(at("clip_ids")),
        sha256=str(at("sha256")),
        frames=frames,
        fps=fps if np.isfinite(fps) else None,
        size=(size[0], size[1]) if size[0] else None,
        scores=scores,
        logits=logits if logits is not None and np.isfinite(logits).all() else None,
        fault=(str(at("fault")), str(at("message"))) if at("fault") else None,
    )
