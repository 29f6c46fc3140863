"""Results that VBench itself wrote, put into one unit.

``*_eval_results.json`` maps a dimension to ``[dataset score, [{"video_path": ..., "video_results": ...},
...]]``. Its imaging quality is 0..100 per video and 0..1 for the data set, and versions up to 0.1.2 stored
the sum over frame pairs, not the mean, as the subject consistency of a video.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from evaluation.features.video.scores import DIMENSIONS
from madata.errors import MadanceError
from madata.files import read_json

__all__ = ["VBenchScores", "read_vbench"]

_PER_VIDEO_SCALE = {"imaging_quality": 100.0}
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class VBenchScores:
    """One dimension as VBench reported it, everything 0..1.

    Attributes:
        dataset: VBench's own number for the data set.
        videos: file name without folder and suffix to score.
        num_pairs: frame pairs per video where the file tells them (background consistency), else empty.
    """

    dimension: str
    dataset: float
    videos: dict[str, float]
    num_pairs: dict[str, int]


def read_vbench(path: Path) -> dict[str, VBenchScores]:
    """Read the six dimensions of a result file; other dimensions in it are left out.

    Raises:
        MadanceError: the file is not a VBench result, holds none of the six dimensions, names a video twice,
            or holds a score outside of 0..1 (a sum, from VBench 0.1.2 or older).
    """
    content = read_json(path)
    if not isinstance(content, dict) or not set(content) & set(DIMENSIONS):
        raise MadanceError(f"{path}: holds none of VBench's dimensions {', '.join(DIMENSIONS)}")
    return {name: _dimension(path, name, content[name]) for name in DIMENSIONS if name in content}


def _dimension(path: Path, dimension: str, entry: Any) -> VBenchScores:
    scale = _PER_VIDEO_SCALE.get(dimension, 1.0)
    try:
        dataset, rows = entry
        names = [PurePath(row["video_path"]).stem for row in rows]
        videos = {name: float(row["video_results"]) / scale for name, row in zip(names, rows, strict=True)}
        counted = [(name, row) for name, row in zip(names, rows, strict=True) if "cnt_per_video" in row]
        pairs = {name: int(row["cnt_per_video"]) for name, row in counted}
        scores = VBenchScores(dimension, float(dataset), videos, pairs)
    except (TypeError, ValueError, KeyError) as error:
        raise MadanceError(
            f"{path}: {dimension} is not [score, [{{video_path, video_results}}, ...]] as VBench writes it ({error!r})"
        ) from error
    if len(videos) != len(rows):
        raise MadanceError(f"{path}: {dimension} names a video twice")
    for name, value in [("the data set", scores.dataset), *videos.items()]:
        if not (math.isfinite(value) and -_TOLERANCE <= value <= 1 + _TOLERANCE):
            raise MadanceError(
                f"{path}: {dimension} of {name} is {value * scale:g}, outside of 0..{scale:g}; VBench up to 0.1.2 "
                "stored sums over frame pairs: score again with 0.1.5"
            )
    return scores
