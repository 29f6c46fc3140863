"""A result out of a file that VBench wrote, with its numbers as they are and its units put right.

Nothing is measured, and the videos are not here: the result says so, holds no hashes of files, and stays at level 0.
The number of a dimension is the one VBench reports. It is held against the mean of the videos in the same file, and a
difference is said: on several GPUs VBench's subject consistency is the plain mean of the videos, on one it is weighted
by frame pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.features.table import FeatureTable, concatenate
from evaluation.features.video.passes import video_row
from evaluation.features.video.scores import DIMENSIONS, PAIR_WEIGHTED, VideoScore
from evaluation.inputs.discovery import set_sha256
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.protocol import Protocol, load_protocol
from evaluation.report.artifacts import SAMPLES_FILE, write_beside, write_samples
from evaluation.report.assembly import assemble
from evaluation.report.vbench_file import VBenchScores, read_vbench
from evaluation.result import Dataset, Metric, Result, SystemRecord
from madata.files import copy_file

__all__ = ["IMPORTED_FILE", "Imported", "import_vbench", "write_imported"]

IMPORTED_FILE = "vbench.json"

_SAME = 1e-6
_PER_VIDEO_UNIT = {"imaging_quality": 100.0}
_NOTE = "imported from a result file of VBench: the numbers are its own, the videos were not looked at"


@dataclass(frozen=True)
class Imported:
    """A result and the file it comes from."""

    result: Result
    source: Path
    samples: list[dict[str, Any]]


def import_vbench(file: Path, system: str | None = None, *, protocol: Protocol | None = None) -> Imported:
    """Make a result of ``*_eval_results.json``, by protocol ``vbench``.

    Args:
        system: what made the videos; the name of the file by default.
        protocol: ``vbench`` with fewer metrics, where not all are asked for.

    Raises:
        MadanceError: the file is not of that form, or of VBench 0.1.2 or older.
    """
    protocol = protocol or load_protocol("vbench")
    found = read_vbench(file)
    table = _table(found)
    missing = {name: "not in the file" for name in DIMENSIONS if name not in found}
    measured = measure(Tables(protocol, videos={"prediction": table}, missing=missing))
    metrics = [_as_reported(metric, found) for metric in measured.metrics]
    clips = list(table.clip_ids)
    maker = SystemRecord(name=system or file.stem.removesuffix("_eval_results"), task="video")
    dataset = Dataset(
        name="none",
        reference_sha256=set_sha256({}),
        n_expected=len(clips),
        n_scored=len(clips),
        n_reference=0,
    )
    warnings = [_NOTE, *_without_pairs(found)]
    result = assemble(protocol, (maker, None), dataset, metrics, warnings=warnings)
    return Imported(result, file, _samples(found, clips, protocol))


def _table(found: Mapping[str, VBenchScores]) -> FeatureTable:
    """One row per video; frame pairs are told by background consistency alone, without it each counts once."""
    pairs = {clip: count for scores in found.values() for clip, count in scores.num_pairs.items()}
    clips = sorted({clip for scores in found.values() for clip in scores.videos})
    rows = []
    for clip in clips:
        count = pairs.get(clip, 1)
        scores = {
            name: VideoScore(name, scores.videos[clip] * _PER_VIDEO_UNIT.get(name, 1.0), count + 1, count)
            for name, scores in found.items()
            if clip in scores.videos
        }
        rows.append(video_row(clip, frames=count + 1, scores=scores))
    return concatenate(rows)


def _as_reported(metric: Metric, found: Mapping[str, VBenchScores]) -> Metric:
    """VBench's own number in place of the mean of its videos; the difference is said."""
    scores = found.get(metric.name)
    if scores is None or metric.value is None:
        return metric
    caution = metric.caution
    if abs(scores.dataset - metric.value) > _SAME:
        text = f"the file reports {scores.dataset:.6g}, its videos give {metric.value:.6g}"
        caution = f"{caution}; {text}" if caution else text
    return metric.model_copy(update={"value": scores.dataset, "caution": caution})


def _without_pairs(found: Mapping[str, VBenchScores]) -> list[str]:
    affected = sorted(PAIR_WEIGHTED & set(found))
    if not affected or any(scores.num_pairs for scores in found.values()):
        return []
    return [f"the file does not tell frame pairs: intervals of {', '.join(affected)} are of plain means"]


def _samples(found: Mapping[str, VBenchScores], clips: list[str], protocol: Protocol) -> list[dict[str, Any]]:
    return [
        {"clip_id": clip, "window": 0, "start_s": 0.0, "metric": name, "value": found[name].videos.get(clip)}
        for clip in clips
        for name in protocol.metrics
        if name in found
    ]


def write_imported(imported: Imported, out: Path) -> Result:
    """Write the result, its samples and a copy of the file into ``out``."""
    copy_file(imported.source, out / IMPORTED_FILE)
    write_samples(out / SAMPLES_FILE, imported.samples)
    return write_beside(imported.result, out, {"vbench": IMPORTED_FILE, "samples": SAMPLES_FILE})
