"""BAS: do the stops of the dancer fall on the beats of the music (``bas``), and is that more than chance?

In the corrected definition beside it: its chance level on the music of other clips (``bas_chance``), the distance from
that in standard deviations (``bas_z``), and both directions alone. The mathematics is in
:mod:`evaluation.metrics.beats`.

Legend: N rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.metrics.beats import (
    BeatAlignment,
    NoBeatsError,
    beat_alignment,
    beatless,
    clip_alignment,
    clip_directions,
    official_alignment,
)
from evaluation.metrics.estimate import Estimate, clip_sources
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables

__all__ = ["METRICS"]

_LEAST_DEVIATION = 1e-6
"""Below this the chance level does not vary, and a z-score says nothing."""

Floats = npt.NDArray[np.float64]
Way = Literal["music_to_motion", "motion_to_music"]
_WAYS = get_args(Way)

_NO_MUSIC = "no music: give a folder of sound files, or videos with sound as the reference"
_BOUNDS = (0.0, 1.0)


def _heard(tables: Tables) -> None:
    """Stop where nothing was heard.

    Raises:
        ValueError: there is no music.
    """
    if not tables.motion("prediction").heard.any():
        raise ValueError(_NO_MUSIC)


def _alignment(tables: Tables, side: Side) -> BeatAlignment:
    """The corrected alignment of a side, with its chance level."""
    rule, features = tables.protocol.beats, tables.motion(side)
    if rule is None:
        raise ValueError(f"protocol {tables.protocol.name} has no [beats]")
    rng = tables.shared(clip_sources).rng("bas")
    return beat_alignment(
        features.motion_beats, features.music_beats, rng, sigma_ms=rule.sigma_ms, shuffles=rule.shuffles
    )


def _official_alignment(tables: Tables, side: Side) -> tuple[Floats, list[str]]:
    """Beat alignment of each row that has music, and the rows at which the published script stops."""
    rule, features = VARIANTS[tables.protocol.definition].beats, tables.motion(side)
    values, stops = np.full(len(features), np.nan), []
    for row in np.flatnonzero(features.heard):
        music, motion = features.music_beats[row].astype(np.intp), features.motion_beats[row].astype(np.intp)
        try:
            values[row] = official_alignment(music, motion, rule)
        except NoBeatsError as error:
            stops.append(f"{features.clip_ids[row]}: {error}")
    return values, stops


def _values(tables: Tables, side: Side) -> RowValues:
    """Beat alignment of every row."""
    features, rule = tables.motion(side), tables.protocol.beats
    if not features.heard.any():
        raise ValueError(_NO_MUSIC)
    if rule is None:
        return RowValues(tables.shared(_official_alignment, side)[0])
    return RowValues(clip_alignment(features.motion_beats, features.music_beats, sigma_ms=rule.sigma_ms))


def _bas(tables: Tables) -> Estimate:
    _heard(tables)
    return _official(tables) if tables.protocol.beats is None else _corrected(tables)


def _beatless(tables: Tables) -> tuple[str, ...]:
    """(N,) why a row of the prediction has no value."""
    features = tables.motion("prediction")
    return beatless(features.motion_beats, features.music_beats)


def _corrected(tables: Tables) -> Estimate:
    found, estimate = tables.shared(_alignment, "prediction"), Estimate()
    if found.excluded:
        count = f"{len(found.excluded)} of {len(tables.motion('prediction'))} rows"
        tables.note(f"{count} have no sure music beats or no motion beats and are left out of BAS")
    tables.shared(clip_sources).mean(estimate, RowValues(found.clips, reasons=_beatless(tables)), _BOUNDS)
    if np.isfinite(found.chance) and found.chance_deviation > _LEAST_DEVIATION:
        estimate.noise_floor = found.chance
        estimate.cautions.append(
            "its noise floor is the chance level: the same dances to the music of other clips"
        )
    if tables.motion("reference").heard.any():
        real = tables.shared(_alignment, "reference")
        estimate.reference = real.score if np.isfinite(real.score) else None
    return estimate


def _official(tables: Tables) -> Estimate:
    prediction, estimate = tables.motion("prediction"), Estimate()
    values, stops = tables.shared(_official_alignment, "prediction")
    tables.shared(clip_sources).mean(estimate, RowValues(values), _BOUNDS)
    if stops:
        more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
        estimate.value, estimate.reason = None, f"upstream stops at {stops[0]}{more}"
    silent = [
        prediction.clip_ids[row]
        for row in np.flatnonzero(prediction.heard)
        if not len(prediction.music_beats[row])
    ]
    if silent and not stops:
        tables.note(f"no music beats, counted as BAS 0 as upstream does: {', '.join(silent)}")
    if tables.protocol.definition == "bailando":
        estimate.cautions.append(
            "music beats are those of the 35-d features; Bailando's own 438 are not rebuilt"
        )
    real, stuck = tables.shared(_official_alignment, "reference")
    if np.isfinite(real).any() and not stuck:
        estimate.reference = float(np.nanmean(real))
    return estimate


def _of_chance(tables: Tables, name: Literal["chance", "z"]) -> Estimate:
    """The chance level itself, or the distance from it."""
    _heard(tables)
    found, bas = tables.shared(_alignment, "prediction"), tables.shared(_bas)
    value = found.chance if name == "chance" else found.z
    estimate = Estimate(bas.n, value=value if np.isfinite(value) else None)
    estimate.reason = "needs music and motion beats in at least two clips"
    if not (np.isfinite(found.chance) and found.chance_deviation > _LEAST_DEVIATION):
        return estimate
    if name == "chance":
        reach = 1.96 * found.chance_deviation
        estimate.set_interval(found.chance - reach, found.chance + reach, "shuffled-music")
    elif bas.ci95 is not None:
        low, high = ((end - found.chance) / found.chance_deviation for end in bas.ci95)
        estimate.set_interval(low, high, bas.ci_method or "")
    return estimate


def _one_way(tables: Tables, way: Way) -> Estimate:
    """How near the beats of one side are to those of the other."""
    _heard(tables)
    rule, features, estimate = tables.protocol.beats, tables.motion("prediction"), Estimate()
    if rule is None:
        raise ValueError(f"protocol {tables.protocol.name} has no [beats]")
    near = clip_directions(features.motion_beats, features.music_beats, sigma_ms=rule.sigma_ms)
    tables.shared(clip_sources).mean(
        estimate, RowValues(near[_WAYS.index(way)], reasons=_beatless(tables)), _BOUNDS
    )
    return estimate


_BAS = MetricSpec(
    name="bas",
    version=1,
    label="BAS",
    title="Beat alignment score",
    needs=frozenset({"keypoints", "music"}),
    direction="higher",
    bounds=_BOUNDS,
    values=_values,
    estimate=lambda tables: tables.shared(_bas),
)


def _beside(name: str, label: str, title: str, **differs: Any) -> MetricSpec:
    return replace(_BAS, name=name, label=label, title=title, values=None, compared=False, **differs)


METRICS = (
    _BAS,
    _beside(
        "bas_chance",
        "BAS_chance",
        "Beat alignment on the music of other clips",
        direction="none",
        estimate=lambda tables: _of_chance(tables, "chance"),
    ),
    _beside(
        "bas_z",
        "BAS_z",
        "Beat alignment above chance, in standard deviations",
        bounds=(-np.inf, np.inf),
        decimals=2,
        estimate=lambda tables: _of_chance(tables, "z"),
    ),
    _beside(
        "bas_music_to_motion",
        "BAS_music",
        "Music beats met by the motion",
        estimate=lambda tables: _one_way(tables, "music_to_motion"),
    ),
    _beside(
        "bas_motion_to_music",
        "BAS_motion",
        "Motion beats met by the music",
        estimate=lambda tables: _one_way(tables, "motion_to_music"),
    ),
)
