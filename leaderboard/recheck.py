"""Does a result say what its files say? Every number is computed again from the features alone.

Numbers agree when they are equal to :data:`TOLERANCE`: on one machine they are equal to the last bit, another linear
algebra library moves the last few.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features.store import read_run
from evaluation.features.table import FeatureTable, RunFeatures
from evaluation.protocol import load_protocol, protocol_names
from evaluation.result import Course, Metric, Result, Side, as_far_as_comparable, older_intervals
from evaluation.scoring import rescore
from leaderboard.entries import BoardEntry
from leaderboard.feature_bounds import impossible_features
from madata.errors import MadanceError
from madata.files import whole_table

__all__ = [
    "TOLERANCE",
    "Fault",
    "check_features",
    "check_numbers",
    "check_protocol",
    "check_sample_rows",
    "check_samples",
    "checked_level",
]

TOLERANCE = 1e-6

_SIDES: tuple[Side, Side] = ("prediction", "reference")
_UNSEEN_AT_MOST = 0.5
"""Share of a clip's features that may be NaN, because the joints they are of were never seen."""


@dataclass(frozen=True)
class Fault:
    """One reason to refuse a result.

    Attributes:
        code: short and stable: ``changed_number``, ``changed_features``, ``wrong_protocol``, ``other_split``,
            ``missing_clip``, ``not_finite``, ...
    """

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


def check_protocol(result: Result) -> list[Fault]:
    """Whether the protocol's hash is that of the protocol of that name in this build."""
    stated = result.protocol
    if stated.name not in protocol_names():
        return [Fault("wrong_protocol", f"there is no official protocol {stated.name!r}")]
    known = load_protocol(stated.name)
    if known.sha256 != stated.sha256 or known.version != stated.version:
        theirs = f"version {stated.version}, hash {stated.sha256[:12]}"
        message = f"protocol {stated.name}: the result has {theirs}, this build {known.version}, {known.sha256[:12]}"
        return [Fault("wrong_protocol", message)]
    return []


def check_features(result: Result, features: Path) -> list[Fault]:
    """Whether the features are of the clips the result speaks of, whole and finite.

    Features of motion are of two sides. Where pictures were looked at there are rows of videos, beside the motion
    or alone.
    """
    try:
        run = read_run(features)
    except MadanceError as error:
        return [Fault("bad_features", f"{features.name} cannot be read: {error}")]
    if impossible := impossible_features(run):
        return [Fault("bad_features", text) for text in impossible]
    motion = {side: table for side in _SIDES if (table := getattr(run, side)) is not None}
    if faults := [fault for side, table in motion.items() for fault in _check_motion(side, table)]:
        return faults
    for side, table in run.videos.items():
        if twice := _twice(table.clip_ids):
            return [Fault("duplicate", f"{side} videos are held twice: {_few(twice)}")]
    seen = {side: set(table.scored_clips) for side, table in run.videos.items()}
    scored, real = (
        set(motion[side].clip_ids) if side in motion else seen.get(side, set()) for side in _SIDES
    )
    return _check_hashes(result, run) + _check_clips(result, scored, real)


def _check_clips(result: Result, scored: set[str], real: set[str]) -> list[Fault]:
    """Whether these are the clips the result counts."""
    dataset, faults = result.dataset, []
    known = {clip for clip, hashes in dataset.files.items() if hashes.prediction}
    if unknown := sorted(scored - known):
        faults.append(
            Fault("other_clips", f"the features hold clips the result does not list: {_few(unknown)}")
        )
    if len(scored) != dataset.n_scored:
        text = f"the result says {dataset.n_scored} clips, the features hold {len(scored)}"
        faults.append(Fault("missing_clip", text))
    if len(real) != dataset.n_reference:
        text = f"the result says {dataset.n_reference} real clips, the features hold another number"
        faults.append(Fault("missing_clip", text))
    return faults


def _check_hashes(result: Result, run: RunFeatures) -> list[Fault]:
    """Whether the videos that were looked at are those the result lists."""
    faults = []
    for side, table in run.videos.items():
        stated = {clip: getattr(files, side) for clip, files in result.dataset.files.items()}
        held = zip(table.clip_ids, table.columns["sha256"].tolist(), table.faults, strict=True)
        if other := sorted(clip for clip, digest, fault in held if not fault and stated.get(clip) != digest):
            text = f"the features hold {side} videos the result does not list: {_few(other)}"
            faults.append(Fault("other_clips", text))
    return faults


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _check_motion(name: str, side: FeatureTable) -> list[Fault]:
    """Whether the motion of one side is finite, and of clips that are there once."""
    faults = []
    for kind in ("kinetic", "geometric"):
        values = np.asarray(getattr(side, kind), np.float64)
        # a joint that is never seen has no features; a clip without most of its joints is no dance
        unusable = np.isinf(values).any(axis=1) | (np.isnan(values).mean(axis=1) > _UNSEEN_AT_MOST)
        if unusable.any():
            bad = sorted({side.clip_ids[row] for row in np.flatnonzero(unusable)})
            text = f"{name} {kind} features are infinite, or most of them NaN, in {_few(bad)}"
            faults.append(Fault("not_finite", text))
    keys = list(zip(side.clip_ids, np.asarray(side.numbers).tolist(), strict=True))
    if len(set(keys)) != len(keys):
        twice = sorted({clip for (clip, _), count in Counter(keys).items() if count > 1})
        faults.append(Fault("duplicate", f"{name} features hold clips twice: {_few(twice)}"))
    return faults


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def check_numbers(result: Result, features: Path) -> list[Fault]:
    """Whether every number of ``result`` comes out of ``features`` again.

    Frames per second and other numbers of how the clips were made are not in the features and are not looked at
    here.
    """
    try:
        measurement, protocol = rescore(features)
    except (MadanceError, ValueError) as error:
        return [Fault("bad_features", f"{features.name} cannot be scored: {error}")]
    if protocol.sha256 != result.protocol.sha256:
        message = f"the features were measured by protocol {protocol.name} {protocol.sha256[:12]}, the result names "
        return [Fault("wrong_protocol", f"{message}{result.protocol.name} {result.protocol.sha256[:12]}")]
    stated = {metric.name: metric for metric in result.metrics}
    found = {metric.name: metric for metric in measurement.metrics}
    faults = [
        Fault("changed_number", f"{name}: in the result, but the features do not give it")
        for name in stated
        if name not in found
    ]
    older = older_intervals(result.metrics)
    for name, metric in found.items():
        if name not in stated:
            faults.append(Fault("changed_number", f"{name}: left out of the result, the features give it"))
            continue
        again = as_far_as_comparable(metric, stated[name]) if name in older else metric
        faults += [Fault("changed_number", text) for text in _differences(stated[name], again)]
    return faults


_NUMBERS = ("value", "noise_floor", "reference", "n", "n_reference", "noise_floor_n", "version")
_FACTS = ("unit", "higher_is_better", "track", "ci_method", "caution")


def _differences(stated: Metric, found: Metric) -> list[str]:
    texts = []
    for name in _NUMBERS:
        ours, theirs = getattr(found, name), getattr(stated, name)
        if not _same(ours, theirs):
            texts.append(
                f"{stated.name}: the result says {name} {_show(theirs)}, the features give {_show(ours)}"
            )
    for name in ("ci95", "reference_ci95"):
        ours, theirs = getattr(found, name) or (None, None), getattr(stated, name) or (None, None)
        if not all(_same(*pair) for pair in zip(ours, theirs, strict=True)):
            said, given = (f"{_show(low)} .. {_show(high)}" for low, high in (theirs, ours))
            texts.append(f"{stated.name}: the result says {name} {said}, the features give {given}")
    if not _same_course(found.by_second, stated.by_second):
        texts.append(f"{stated.name}: by_second is not what the features give")
    for name in _FACTS:
        if getattr(stated, name) != getattr(found, name):
            texts.append(
                f"{stated.name}: {name} is {getattr(stated, name)!r}, should be {getattr(found, name)!r}"
            )
    return texts


def _same_course(first: Course | None, second: Course | None) -> bool:
    if first is None or second is None:
        return first is second
    pairs = (first.values, second.values), (first.reference or [], second.reference or [])
    return first.n == second.n and all(
        len(ours) == len(theirs) and all(map(_same, ours, theirs)) for ours, theirs in pairs
    )


def _same(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=1e-9)


def _show(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.9g}"


def check_samples(features: Path, scores: dict[str, dict[str, float]]) -> list[Fault]:
    """Whether the scores of single clips (metric -> clip -> mean over windows) come out of the features."""
    try:
        measurement, _ = rescore(features)
        run = read_run(features)
    except (MadanceError, ValueError) as error:
        return [Fault("bad_features", f"{features.name} cannot be scored: {error}")]
    seen = run.videos.get("prediction")
    clips_of: list[Sequence[str]] = [
        () if table is None else table.clip_ids for table in (run.prediction, seen)
    ]
    found: dict[str, tuple[Sequence[str], npt.NDArray[np.float64]]] = {}
    for clips, samples in zip(clips_of, (measurement.samples, measurement.video_samples), strict=True):
        found |= {name: (clips, values) for name, values in samples.items()}
    faults = []
    for name, (clips, values) in sorted(found.items()):
        ours = _clip_means(clips, values)
        theirs = scores.get(name, {})
        wrong = sorted(clip for clip in {*ours, *theirs} if not _same(ours.get(clip), theirs.get(clip)))
        if wrong:
            faults.append(Fault("changed_sample", f"{name} of {_few(wrong)} is not what the features give"))
    if unknown := sorted(set(scores) - set(found)):
        text = f"samples hold {_few(unknown)}, which the features do not give"
        faults.append(Fault("changed_sample", text))
    return faults


_SAMPLE_COLUMNS = ("clip_id", "window", "start_s", "seed", "sha256", "metric", "value")


def check_sample_rows(result: Result, features: Path, samples: Path) -> list[Fault]:
    """Whether every row of the samples is of a stretch of a scored file, and there once."""
    table = whole_table(samples)
    if odd := sorted(set(table.column_names) ^ set(_SAMPLE_COLUMNS)):
        return [Fault("bad_samples", f"{samples.name}: column {odd[0]} is missing or too many")]
    run, faults = read_run(features), []
    stretches: set[tuple[Any, ...]] = set()
    if run.prediction is not None:
        one = run.prediction
        stretches |= set(zip(one.clip_ids, one.numbers.tolist(), one.starts_s.tolist(), strict=True))
    if (videos := run.videos.get("prediction")) is not None:
        stretches |= {(clip, 0, 0.0) for clip in videos.clip_ids}
    rows = [table[name].to_pylist() for name in ("clip_id", "window", "start_s", "sha256", "metric")]
    seen: set[tuple[Any, ...]] = set()
    for clip, window, start_s, digest, metric in zip(*rows, strict=True):
        files = result.dataset.files.get(clip)
        if (clip, window, start_s) not in stretches or files is None or files.prediction != digest:
            text = f"a row of {metric!r} is of {clip!r}, window {window}, which the features do not hold"
        elif (clip, window, metric) in seen:
            text = f"{metric!r} of {clip!r}, window {window}, is there twice"
        else:
            seen.add((clip, window, metric))
            continue
        faults.append(Fault("changed_sample", f"{samples.name}: {text}"))
        break  # the first says enough: a table may hold millions
    return faults


def _clip_means(clips: Collection[str], values: npt.NDArray[np.float64]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for clip, value in zip(clips, values.tolist(), strict=True):
        if math.isfinite(value):
            found.setdefault(clip, []).append(value)
    return {clip: sum(own) / len(own) for clip, own in found.items()}


def checked_level(entry: BoardEntry) -> tuple[int, list[Fault]]:
    """1 when every number comes out of the features again, else 0, with the reasons.

    Intervals of an earlier version's methods are not among them; a reader is told.
    """
    if entry.stale:
        return 0, [
            Fault("changed_features", f"{', '.join(entry.stale)}: not the file the result was made with")
        ]
    if entry.features is None:
        return 0, [Fault("no_features", "no features lie beside the result")]
    faults = check_features(entry.result, entry.features) or check_numbers(entry.result, entry.features)
    if not faults and older_intervals(entry.result.metrics):
        text = "its intervals are of a method of an earlier version and were not computed again"
        return 1, [Fault("older_intervals", text)]
    return (0 if faults else 1), faults
