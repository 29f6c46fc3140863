"""Numbers of single clips and their means: beat alignment, foot sliding, foot contact, missing joints.

Legend: N rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.definitions import VARIANTS
from evaluation.features.table import Features
from evaluation.measure.draft import METRICS, Draft, Statistics
from evaluation.metrics.beats import BeatAlignment, NoBeatsError, beat_alignment, official_alignment
from evaluation.protocol import Protocol

__all__ = ["beats", "row_scores", "scalars"]

Floats = npt.NDArray[np.float64]

_NO_MUSIC = "no music: give a folder of sound files, or videos with sound as the reference"


def row_scores(features: Features, protocol: Protocol) -> dict[str, Floats]:
    """Per-row scores of one side, (N,) each: ``bas``, ``fsr``, ``pfc``, ``missing_rate``; NaN where a row has none."""
    scores = dict(features.scalars)
    if "fsr_left" in scores:
        scores["fsr"] = (scores["fsr_left"] + scores["fsr_right"]) / 2
    if "bas" in protocol.metrics and features.heard.any():
        if protocol.beats is None:
            scores["bas"] = _official_alignment(features, protocol)[0]
        else:
            rng = np.random.default_rng(protocol.statistics.seed)
            scores["bas"] = _alignment(features, protocol, rng).clips
    return scores


def scalars(
    scores: dict[str, Floats], reference: dict[str, Floats], statistics: Statistics
) -> dict[str, Draft]:
    """Means over rows of foot sliding, foot contact and missing joints."""
    drafts = {name: Draft(0) for name in ("fsr", "pfc", "missing_rate")}
    for name, draft in drafts.items():
        if name not in statistics.protocol.metrics or name not in scores:
            continue
        values = scores[name]
        statistics.mean(draft, values, name, maximum=np.inf if name == "pfc" else 1.0)
        absent = int(np.isnan(values).sum())
        if absent and statistics.protocol.kind == "official":
            draft.value = None
            draft.reason = f"upstream prints nan: {absent} of {len(values)} clips have no value"
        elif absent:
            draft.cautions.append(f"{absent} of {len(values)} rows have no foot contact and are left out")
        if np.isfinite(reference[name]).any():
            draft.reference = float(np.nanmean(reference[name]))
    return drafts


def beats(
    prediction: Features, reference: Features, statistics: Statistics, notes: list[str]
) -> dict[str, Draft]:
    """Beat alignment of the set."""
    drafts = {name: Draft(0) for name in METRICS if name.startswith("bas")}
    if "bas" not in statistics.protocol.metrics:
        return drafts
    if not prediction.heard.any():
        for draft in drafts.values():
            draft.reason = _NO_MUSIC
        return drafts
    if statistics.protocol.beats is None:
        _published(drafts["bas"], prediction, reference, statistics, notes)
    else:
        _corrected(drafts, prediction, reference, statistics, notes)
    return drafts


def _alignment(side: Features, protocol: Protocol, rng: np.random.Generator) -> BeatAlignment:
    rule = protocol.beats
    if rule is None:
        raise ValueError(f"protocol {protocol.name} has no [beats]")
    return beat_alignment(
        side.motion_beats, side.music_beats, rng, sigma_ms=rule.sigma_ms, shuffles=rule.shuffles
    )


def _corrected(
    drafts: dict[str, Draft],
    prediction: Features,
    reference: Features,
    statistics: Statistics,
    notes: list[str],
) -> None:
    found = _alignment(prediction, statistics.protocol, statistics.rng("bas"))
    bas = drafts["bas"]
    if found.excluded:
        count = f"{len(found.excluded)} of {len(prediction)} rows"
        notes.append(f"{count} have no sure music beats or no motion beats and are left out of BAS")
    statistics.mean(bas, found.clips, "bas", maximum=1.0)
    sides = {
        "bas_music_to_motion": (prediction.music_beats, prediction.motion_beats),
        "bas_motion_to_music": (prediction.motion_beats, prediction.music_beats),
    }
    for name, (own, other) in sides.items():
        near = [_nearness(*pair, statistics.protocol) for pair in zip(own, other, strict=True)]
        statistics.mean(drafts[name], np.array(near), name, maximum=1.0)
    for name, value in (("bas_chance", found.chance), ("bas_z", found.z)):
        drafts[name].n = bas.n
        drafts[name].value = value if np.isfinite(value) else None
        drafts[name].reason = "needs music and motion beats in at least two clips"
    if np.isfinite(found.chance) and found.chance_deviation > 0:
        bas.noise_floor = found.chance
        bas.cautions.append(
            "its noise floor is the chance level: the same dances to the music of other clips"
        )
        reach = 1.96 * found.chance_deviation
        drafts["bas_chance"].set_interval(found.chance - reach, found.chance + reach, "shuffled-music")
        if bas.ci95 is not None:
            low, high = ((end - found.chance) / found.chance_deviation for end in bas.ci95)
            drafts["bas_z"].set_interval(low, high, "basic-bootstrap")
    if reference.heard.any():
        real = _alignment(reference, statistics.protocol, statistics.rng("bas"))
        bas.reference = real.score if np.isfinite(real.score) else None


def _nearness(own: Floats, other: Floats, protocol: Protocol) -> float:
    """How near the beats of ``own`` are to those of ``other``, 0..1; NaN where one side has none."""
    if protocol.beats is None or not len(own) or not len(other):
        return float("nan")
    distance_s = np.abs(own[:, None] - other).min(axis=1)
    return float(np.exp(-np.square(distance_s / (protocol.beats.sigma_ms / 1000.0)) / 2.0).mean())


def _official_alignment(side: Features, protocol: Protocol) -> tuple[Floats, list[str]]:
    """Beat alignment of each row that has music, and the rows at which the published script stops."""
    rule = VARIANTS[protocol.definition].beats
    values, stops = np.full(len(side), np.nan), []
    for row in np.flatnonzero(side.heard):
        music, motion = side.music_beats[row].astype(np.intp), side.motion_beats[row].astype(np.intp)
        try:
            values[row] = official_alignment(music, motion, rule)
        except NoBeatsError as error:
            stops.append(f"{side.clip_ids[row]}: {error}")
    return values, stops


def _published(
    draft: Draft, prediction: Features, reference: Features, statistics: Statistics, notes: list[str]
) -> None:
    values, stops = _official_alignment(prediction, statistics.protocol)
    statistics.mean(draft, values, "bas", maximum=1.0)
    if stops:
        more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
        draft.value, draft.reason = None, f"upstream stops at {stops[0]}{more}"
    silent = [
        prediction.clip_ids[row]
        for row in np.flatnonzero(prediction.heard)
        if not len(prediction.music_beats[row])
    ]
    if silent and not stops:
        notes.append(f"no music beats, counted as BAS 0 as upstream does: {', '.join(silent)}")
    if statistics.protocol.definition == "bailando":
        draft.cautions.append(
            "music beats are those of the 35-d features; Bailando's own 438 are not rebuilt"
        )
    real, stuck = _official_alignment(reference, statistics.protocol)
    if np.isfinite(real).any() and not stuck:
        draft.reference = float(np.nanmean(real))
