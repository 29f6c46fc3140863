"""A scored run in parts: does a method fail on fast songs, or on one genre? Every metric, on the clips of a part.

A part is chosen by the music (tempo), by the reference (speed of the dance) or by labels, never by what was generated,
so that systems are compared on the same parts. Each number rests on its own, fewer, clips: intervals and refusals are
those of so few, and the chance level is that within the part.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from evaluation.comparison import Run
from evaluation.features.table import FeatureTable
from evaluation.metrics.measure import measure
from evaluation.metrics.tables import Tables
from evaluation.result import Metric
from madata.errors import MadanceError, did_you_mean

__all__ = ["Slicing", "read_slice_labels", "slice_parts", "slices"]

Slicing = Literal["tempo", "speed"]
_TEMPI_BPM = (100.0, 130.0)


def slice_parts(run: Run, by: str) -> dict[str, str]:
    """Clip -> part, in the order in which parts are shown.

    Args:
        by: ``tempo`` of the music (below 100, 100 to 130, above 130 beats a minute), ``speed`` of the reference's
            dances (thirds), or a CSV file of labels.

    Raises:
        MadanceError: the run has no music, no motion, or there is no such file.
    """
    if by == "tempo":
        return _by_tempo(run.tables)
    if by == "speed":
        return _by_speed(run.tables)
    path = Path(by)
    if not path.is_file():
        known = get_args(Slicing)
        raise MadanceError(
            f"--by {by}: neither tempo nor speed, nor a file of labels{did_you_mean(by, known)}"
        )
    return read_slice_labels(path)


def read_slice_labels(path: Path) -> dict[str, str]:
    """Clip -> label, from a CSV file with the columns ``clip_id`` and one other (``genre``, say).

    Raises:
        MadanceError: it cannot be read, has other columns, or holds nothing.
    """
    import csv

    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MadanceError(f"{path}: not a readable CSV file ({error})") from error
    names = [name for name in (rows[0] if rows else {}) if name != "clip_id"]
    if not rows or "clip_id" not in rows[0] or len(names) != 1:
        raise MadanceError(
            f"{path}: expected a CSV file with the columns clip_id and one of labels, such as genre"
        )
    found = {row["clip_id"]: row[names[0]] for row in rows if row["clip_id"] and row[names[0]]}
    return dict(sorted(found.items(), key=lambda pair: (pair[1], pair[0])))


def slices(run: Run, parts: Mapping[str, str]) -> dict[str, tuple[int, list[Metric]]]:
    """Part -> clips in it, and every metric of its clips.

    Raises:
        MadanceError: no clip of the run is in a part.
    """
    found = {}
    for part in dict.fromkeys(parts.values()):
        clips = {clip for clip, name in parts.items() if name == part}
        tables = run.tables
        chosen = Tables(
            protocol=tables.protocol,
            prediction=_taken(tables.prediction, clips),
            reference=_taken(tables.reference, clips),
            videos={side: taken for side, table in tables.videos.items() if (taken := _taken(table, clips))},
            missing=tables.missing,
            no_motion=tables.no_motion,
        )
        sides = [side for side in (chosen.prediction, *chosen.videos.values()) if side is not None]
        if sides:
            found[part] = (len(set(sides[0].clip_ids)), list(measure(chosen).metrics))
    if not found:
        raise MadanceError("no clip of the run is in any part")
    return found


def _taken(table: FeatureTable | None, clips: set[str]) -> FeatureTable | None:
    if table is None:
        return None
    rows = [row for row, clip in enumerate(table.clip_ids) if clip in clips]
    return table.take(rows) if rows else None


def _by_tempo(tables: Tables) -> dict[str, str]:
    table = tables.prediction
    if table is None or not table.heard.any():
        raise MadanceError("--by tempo: the run heard no music")
    gaps: dict[str, list[float]] = {}
    for clip, beats in zip(table.clip_ids, table.music_beats, strict=True):
        gaps.setdefault(clip, []).extend(np.diff(np.asarray(beats, np.float64)).tolist())
    tempi = {clip: 60.0 / float(np.median(found)) for clip, found in gaps.items() if found}
    low, high = _TEMPI_BPM
    names = [f"below {low:g} bpm", f"{low:g} to {high:g} bpm", f"above {high:g} bpm"]
    placed = {clip: int(np.searchsorted(_TEMPI_BPM, tempo)) for clip, tempo in tempi.items()}
    return {clip: names[place] for clip, place in sorted(placed.items(), key=lambda pair: pair[1])}


def _by_speed(tables: Tables) -> dict[str, str]:
    table = tables.reference
    if table is None or "kinetic" not in table.names:
        raise MadanceError("--by speed: the run has no motion of a corrected protocol")
    speeds = [
        place for place, name in enumerate(table.names["kinetic"]) if not name.endswith(":acceleration")
    ]
    energy = table.kinetic[:, speeds].mean(axis=1)
    of_clip: dict[str, list[float]] = {}
    for clip, value in zip(table.clip_ids, energy, strict=True):
        of_clip.setdefault(clip, []).append(float(value))
    means = {clip: float(np.mean(values)) for clip, values in of_clip.items()}
    edges = np.quantile(list(means.values()), [1 / 3, 2 / 3])
    names = ["slow third", "middle third", "fast third"]
    placed = {clip: int(np.searchsorted(edges, mean)) for clip, mean in means.items()}
    return {clip: names[place] for clip, place in sorted(placed.items(), key=lambda pair: pair[1])}
