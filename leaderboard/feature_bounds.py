"""What can stand in features of a stranger: columns a measurement has, numbers it can give.

The numbers of a result come out of some columns alone. Nonsense in the others changes no number and is refused all
the same: who reads them later, a comparison or a new metric, takes them for measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable, RunFeatures
from evaluation.features.video.likeness import LOOK_WEIGHTS
from evaluation.metrics.registry import wanted_by
from evaluation.protocol import Protocol
from evaluation.result import Side
from madata.errors import ConfigError
from madata.limits import reading_limits

__all__ = ["impossible_features"]

Array = npt.NDArray[Any]

_SIDES: tuple[Side, Side] = ("prediction", "reference")
_FORMER_SCALARS = {"fsr_left", "fsr_right"}
"""Columns of files written before feet were averaged on reading."""
_BEATS = {"motion_beats", "music_beats", "downbeats"}
_SHARE = "scalars/missing_rate"
"""Always measured, whether or not a protocol asks for it."""
_BEATS_AFTER_END_S = 0.5


def impossible_features(run: RunFeatures) -> list[str]:
    """What no measurement gives, in words that name column, row and value; nothing for features that can be."""
    motion = {side: table for side in _SIDES if (table := getattr(run, side)) is not None}
    try:
        wanted = wanted_by(run.protocol)
    except ConfigError as error:
        return [str(error)]
    known = {_SHARE, *(f"scalars/{name}" for name in (*wanted.per_clip, *_FORMER_SCALARS))}
    known |= {f"kept/{name}" for name in wanted.kept}
    scores = {*wanted.scores, *wanted.per_video}
    found = [text for side, table in motion.items() for text in _of_motion(side, table, run.protocol, known)]
    found += [text for side, table in run.videos.items() for text in _of_videos(side, table, scores)]
    return found + _of_both(motion)


def _of_motion(side: str, table: FeatureTable, protocol: Protocol, known: set[str]) -> Iterator[str]:
    """The motion of one side; a rate may be unknown only to the published definitions."""
    stated = {f"reason/{name}" for name in known}
    yield from _unknown(side, table, known | stated | {"reason/body", "reason/motion"})
    limits = reading_limits()
    yield from _outside(side, table, "numbers", 0, limits.frames)
    yield from _outside(side, table, "starts_s", 0, limits.seconds)
    yield from _outside(side, table, "frames", 1, limits.frames)
    yield from _outside(side, table, "fps", 1e-3, limits.rate, unknown=protocol.kind == "official")
    for name in (f"scalars/{name}" for name in table.scalars):
        most = 1.0 if name == _SHARE else np.finfo(np.float64).max
        yield from _outside(side, table, name, 0 if name == _SHARE else -most, most, unknown=True)
    for name, labels in table.names.items():
        width = table.columns[name].shape[1] if name in ("kinetic", "geometric") else None
        if width is None or (labels and (len(labels) != width or len(set(labels)) != width)):
            yield f"{side}/{name}_columns: {len(labels)} names, not one for each of the {width or 'no'} columns"
    if odd := sorted(set(table.ragged) - _BEATS - known):
        yield f"{side}/{odd[0]}: lists that no metric of the protocol asks for"
        return
    yield from _of_lists(side, table, protocol)


def _of_lists(side: str, table: FeatureTable, protocol: Protocol) -> Iterator[str]:
    """Beats are times in their order; what else is kept of a clip are numbers, as many for every frame."""
    for name in sorted(set(table.ragged) - _BEATS):
        for clip, kept, frames in zip(table.clip_ids, table.ragged[name], table.frames, strict=True):
            if np.isinf(kept).any() or not kept.size or kept.size % max(frames, 1):
                yield f"{side}/{name} of {clip}: {kept.size} values, infinite or not as many for each frame"
    for clip, beats, heard in zip(table.clip_ids, table.music_beats, table.heard.tolist(), strict=True):
        if beats.size and not heard:
            yield f"{side}/music_beats of {clip}: beats of music that was not heard"
    for name, lists in ((name, table.ragged[name]) for name in sorted(_BEATS & set(table.ragged))):
        for clip, beats, frames, fps in zip(table.clip_ids, lists, table.frames, table.fps, strict=True):
            # published definitions hold frame numbers; what is wrong with a rate is said above
            in_seconds = protocol.definition == "corrected" and fps > 0
            end = frames / fps + _BEATS_AFTER_END_S if in_seconds else np.inf
            if not np.isfinite(beats).all() or (beats < 0).any() or (np.diff(beats) < 0).any():
                yield f"{side}/{name} of {clip}: not finite times in their order"
            elif beats.size and beats[-1] > end:
                yield f"{side}/{name} of {clip}: a beat at {beats[-1]:g} s, the clip ends at {frames / fps:g} s"


def _of_videos(side: str, table: FeatureTable, scores: set[str]) -> Iterator[str]:
    """The pictures of one side; a file with a fault has nothing else."""
    known = {f"{part}/{name}" for part in ("value", "samples", "reason") for name in scores}
    yield from _unknown(f"video/{side}", table, known | {"logits"})
    where, limits = f"video/{side}", reading_limits()
    yield from _outside(where, table, "frames", 0, limits.frames)
    yield from _outside(where, table, "fps", 0, limits.rate, unknown=True)
    yield from _outside(where, table, "size", 0, limits.frame_pixels)
    for name in table.columns:
        part = name.partition("/")[0]
        if part in ("value", "logits"):
            most = float(np.finfo(np.float64).max)
            yield from _outside(where, table, name, -most, most, unknown=True)
        elif part == "samples":
            yield from _outside(where, table, name, 0, limits.frames)
    for clip, digest, fault in zip(
        table.clip_ids, table.columns["sha256"].tolist(), table.faults, strict=True
    ):
        if not fault and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
            yield f"{where}/sha256 of {clip}: {digest[:80]!r} is no hash"
    if table.names:
        yield f"{where}: names of columns, which videos have none of"
    if odd := sorted(set(table.ragged) - _lists_of(scores)):
        yield f"{where}/{odd[0]}: lists that no metric of the protocol asks for"
    for name, lists in table.ragged.items():
        if bad := [clip for clip, kept in zip(table.clip_ids, lists, strict=True) if np.isinf(kept).any()]:
            yield f"{where}/{name} of {bad[0]}: infinite"


def _of_both(motion: dict[Side, FeatureTable]) -> list[str]:
    """Both sides are measured alike: the same columns, as wide and called the same."""
    if len(motion) < 2:
        return []
    first, other = (motion[side] for side in _SIDES)
    found = []
    for name in ("kinetic", "geometric"):
        widths = [table.columns[name].shape[1] for table in (first, other)]
        if widths[0] != widths[1] or first.names.get(name) != other.names.get(name):
            found.append(
                f"{name}: {widths[0]} columns of the prediction, {widths[1]} of the reference, or other names"
            )
    if odd := sorted(set(first.scalars) ^ set(other.scalars)):
        found.append(f"scalars/{odd[0]}: of one side alone")
    if odd := sorted(set(first.ragged) ^ set(other.ragged)):
        found.append(f"{odd[0]}: of one side alone")
    return found


def _lists_of(scores: set[str]) -> set[str]:
    """What may be kept of the seconds of videos, and of the pictures beside them."""
    return {f"kept/{name}" for name in scores} | {
        f"kept/{name}_picture" for name in scores & set(LOOK_WEIGHTS)
    }


def _unknown(where: str, table: FeatureTable, optional: set[str]) -> Iterator[str]:
    """Columns that no metric of the protocol asks for."""
    for name in sorted(table.columns):
        if ("/" in name or name == "logits") and name not in optional:
            yield f"{where}/{name}: a column that no metric of the protocol asks for"


def _outside(
    where: str, table: FeatureTable, name: str, least: float, most: float, *, unknown: bool = False
) -> Iterator[str]:
    """The first row of a column beyond its bounds; NaN passes where a value may be ``unknown``."""
    values = table.columns[name]
    flat = values.reshape(len(table), -1)
    with np.errstate(invalid="ignore"):
        good = (flat >= least) & (flat <= most)
    if unknown and values.dtype.kind == "f":
        good |= np.isnan(flat)
    bad = np.flatnonzero(~good.all(axis=1))
    if bad.size:
        row = int(bad[0])
        value = flat[row][~good[row]][0]
        more = f" (and {bad.size - 1} more rows)" if bad.size > 1 else ""
        yield f"{where}/{name} of {table.clip_ids[row]} is {value:g}, possible is {least:g} to {most:g}{more}"
