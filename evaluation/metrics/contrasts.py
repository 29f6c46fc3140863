"""Systems held against each other: each metric on the clips all of them have, with what each block of clips does to it.

Metrics that are other readings of what another metric decides (means weighted otherwise, extrapolations) are not here:
they would be the same comparison twice.

Legend: K systems, N rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.metrics.derived import block_estimate, column_of, row_statistic
from evaluation.metrics.estimate import ClipSources, clip_sources
from evaluation.metrics.registry import check_metrics
from evaluation.metrics.spec import MetricSpec
from evaluation.metrics.tables import Tables
from evaluation.result import Side, Track
from evaluation.stats.jackknife import BlockEstimate, distance_to
from madata.errors import MadanceError

__all__ = ["LEAST_CLIPS", "Contrast", "contrasts"]

LEAST_CLIPS = 3


@dataclass(frozen=True)
class Contrast:
    """One metric of several systems.

    Attributes:
        values: (K,) as printed, on the clips all systems have.
        estimates: (K,) without bias as far as that goes, or how far they are from the value of the reference where the
            nearer is the better; empty where there is no telling, for ``reason``.
        count: clips that have a value in all systems.
        units: songs or sources among them.
        margin: what the metric makes of two parts of the reference: one standard deviation, for as many clips.
    """

    spec: MetricSpec
    values: tuple[float, ...]
    estimates: tuple[BlockEstimate, ...]
    count: int
    units: int
    margin: float | None
    reason: str | None = None


def contrasts(runs: Sequence[Tables]) -> dict[str, Contrast]:
    """Every metric the runs can be compared by, in the order of the protocol of the first.

    A metric of pictures with fewer than three common videos is left out, like one without values. Means are weighted as
    in the result.

    Raises:
        MadanceError: fewer than three clips of motion in common, or features of different kinds.
    """
    first = runs[0]
    dances = (
        _dances(runs)
        if all(run.prediction is not None and run.reference is not None for run in runs)
        else None
    )
    found = {}
    for spec in check_metrics(first.protocol):
        if not spec.compared:
            continue
        panel = dances if spec.track == "motion" else _videos(spec, runs)
        contrast = None if panel is None else _contrast(spec, panel)
        if contrast is not None:
            found[spec.name] = contrast
    return found


@dataclass(frozen=True)
class _Panel:
    """Tables of all systems, row for row of the same clips, held against one reference."""

    tables: list[Tables]
    clip_ids: tuple[str, ...]
    drawn: ClipSources


def _kept(run: Tables) -> Tables:
    """A run as it is, for comparisons with any number of others: what they are made of is computed once."""
    return replace(run, notes=[], _known={})


def _dances(runs: Sequence[Tables]) -> _Panel:
    aligned = _aligned([run.motion("prediction") for run in runs])
    first = aligned[0]
    for other in aligned[1:]:
        if first.kinetic.shape[1] != other.kinetic.shape[1] or set(first.scalars) != set(other.scalars):
            raise MadanceError("these results do not compare: their features are of different kinds")
    if (clips := len(set(first.clip_ids))) < LEAST_CLIPS:
        raise MadanceError(f"a comparison needs at least three clips in common, there are {clips}")
    reference = runs[0].motion("reference")
    tables = [
        run.shared(_kept)
        if rows is run.prediction and _alike(reference, run.motion("reference"))
        else replace(runs[0], prediction=rows, reference=reference, notes=[], _known={})
        for run, rows in zip(runs, aligned, strict=True)
    ]
    return _Panel(tables, first.clip_ids, tables[0].shared(_drawn, "motion"))


def _aligned(sides: Sequence[FeatureTable]) -> list[FeatureTable]:
    """The rows all sides have, in the order of the first; a table that holds just these is given as it is."""
    places = [
        {key: row for row, key in enumerate(zip(side.clip_ids, side.numbers.tolist(), strict=True))}
        for side in sides
    ]
    common = [key for key in places[0] if all(key in place for place in places)]
    found = []
    for side, place in zip(sides, places, strict=True):
        rows = [place[key] for key in common]
        found.append(side if rows == list(range(len(side.clip_ids))) else side.take(rows))
    return found


def _alike(one: FeatureTable, other: FeatureTable) -> bool:
    """Whether two tables hold the same, bit for bit."""
    if one is other:
        return True
    if one.columns.keys() != other.columns.keys() or one.ragged.keys() != other.ragged.keys():
        return False
    pairs = [(one.columns[name], other.columns[name]) for name in one.columns]
    for name, rows in one.ragged.items():
        if len(rows) != len(other.ragged[name]):
            return False
        pairs += zip(rows, other.ragged[name], strict=True)
    return all(
        mine.shape == theirs.shape and mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes()
        for mine, theirs in pairs
    )


def _videos(spec: MetricSpec, runs: Sequence[Tables]) -> _Panel | None:
    """The videos that have a value in all systems."""
    if not all("prediction" in run.videos for run in runs):
        return None
    usable = [_usable(spec, run) for run in runs]
    common = [clip for clip in usable[0] if all(clip in rows for rows in usable)]
    real = runs[0].videos.get("reference")
    if real is not None and not spec.by_clip:
        real = real.take(np.flatnonzero(_whole(real)))
    if len(common) < LEAST_CLIPS or (not spec.by_clip and (real is None or len(real) < LEAST_CLIPS)):
        return None
    tables = []
    for run, rows in zip(runs, usable, strict=True):
        held: dict[Side, FeatureTable] = {
            "prediction": run.videos["prediction"].take([rows[clip] for clip in common])
        }
        if real is not None:
            held["reference"] = real
        tables.append(replace(run, videos=held, notes=[], _known={}))
    return _Panel(tables, tuple(common), tables[0].shared(_drawn, spec.track))


def _usable(spec: MetricSpec, tables: Tables) -> dict[str, int]:
    """Clip -> row of the videos that have a value, or what a number of sets is made of."""
    table = tables.videos["prediction"]
    column = column_of(spec, tables, "prediction")
    there = _whole(table) if column is None else np.isfinite(column.values)
    return {table.clip_ids[row]: int(row) for row in np.flatnonzero(there)}


def _whole(table: FeatureTable) -> npt.NDArray[np.bool_]:
    """(N,) whether a video has logits."""
    held = np.asarray(np.isfinite(table.logits).all(axis=1), np.bool_)
    return held if table.logits.shape[1] else np.zeros_like(held)


def _contrast(spec: MetricSpec, panel: _Panel) -> Contrast | None:
    there = np.ones(len(panel.clip_ids), bool)
    try:
        values = []
        for tables in panel.tables:
            if (column := column_of(spec, tables, "prediction")) is not None:
                there &= np.isfinite(column.values)
                values.append(column.mean())
            elif (statistic := row_statistic(spec, tables)) is not None:
                values.append(statistic(np.arange(len(there)), np.concatenate(panel.drawn.reference)))
    except ValueError:
        return None
    if len(values) < len(panel.tables) or not np.isfinite(values).all():
        return None
    count = len({clip for clip, has in zip(panel.clip_ids, there, strict=True) if has})
    units = sum(bool(there[rows].any()) for rows in panel.drawn.prediction)
    try:
        estimates = tuple(tables.shared(_estimate, spec) for tables in panel.tables)
    except ValueError as error:
        return Contrast(spec, tuple(values), (), count, units, None, str(error))
    return Contrast(spec, tuple(values), estimates, count, units, _margin(spec, panel, units))


def _estimate(tables: Tables, spec: MetricSpec) -> BlockEstimate:
    """The metric, or its distance to that of the reference."""
    drawn = tables.shared(_drawn, spec.track)
    found = block_estimate(spec, tables, drawn)
    if spec.direction_in(tables.protocol.kind) != "reference":
        return found
    turned = ClipSources(drawn.reference, drawn.prediction, drawn.paired, drawn.protocol)
    return distance_to(found, block_estimate(spec, _of_reference(tables), turned), paired=drawn.paired)


def _drawn(tables: Tables, track: Track) -> ClipSources:
    """How the clips of a kind of metric were drawn."""
    if track == "motion":
        return tables.shared(clip_sources)
    mine, real = tables.videos["prediction"].clip_ids, tables.videos.get("reference")
    return ClipSources.of(mine, () if real is None else real.clip_ids, tables.protocol)


def _of_reference(tables: Tables) -> Tables:
    """The reference in the place of the prediction."""
    videos = dict(tables.videos)
    if "reference" in videos:
        videos["prediction"] = videos["reference"]
    else:
        videos.pop("prediction", None)
    return replace(tables, prediction=tables.reference, videos=videos, notes=[], _known={})


def _margin(spec: MetricSpec, panel: _Panel, units: int) -> float | None:
    """The noise floor of a difference; nothing where the reference is too small, or has no value of its own."""
    try:
        deviation = panel.tables[0].shared(_floor, spec)
    except ValueError:
        return None
    single = spec.by_clip or spec.direction_in(panel.drawn.protocol.kind) == "reference"
    size = min(len(panel.drawn.halved.prediction), units) / units
    return deviation * math.sqrt((2.0 if single else 1.0) * size)


def _floor(tables: Tables, spec: MetricSpec) -> float:
    """Standard error of the metric between two halves of the reference."""
    halved = tables.shared(_drawn, spec.track).halved
    return block_estimate(spec, _of_reference(tables), halved).deviation
