"""The pictures of a run: every video is looked at once (:mod:`evaluation.features.video.passes`) or remembered.

A file that cannot be scored is listed with its reason, and the others go on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluation.features.extraction import Extraction
from evaluation.features.extractors import Extractors, load_extractors
from evaluation.features.keypoints import VideoKeypoints
from evaluation.features.reference_pictures import beside_pictures, looks_of_pictures
from evaluation.features.table import FeatureTable, concatenate
from evaluation.features.video.likeness import Look
from evaluation.features.video.passes import extract_pair, extract_video
from evaluation.inputs.discovery import Folder
from evaluation.inputs.pairing import Inputs
from evaluation.problems import Refused, nothing_left
from evaluation.protocol import Protocol
from evaluation.result import PoseSource, Problem, Side, Viewing
from madata.files import as_json, sha256_bytes

__all__ = ["ExtractedVideos", "extract_videos"]


@dataclass(frozen=True)
class ExtractedVideos:
    """What was seen in the pictures of a run.

    Attributes:
        tables: a row for each clip that is there, those with a fault included.
        missing: score -> why nobody could look for it.
        warnings: what a reader should know of the videos and the networks.
        no_keypoints: why there are no keypoints, where they were asked for and cannot be had.
        pose: what found the people of the pictures, where that is no part of the motion.
    """

    tables: Mapping[Side, FeatureTable] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    viewing: Viewing | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    no_keypoints: str | None = None
    pose: PoseSource | None = None


def extract_videos(inputs: Inputs, how: Extraction) -> ExtractedVideos:
    """Look at every video of a run once, or remember what was seen.

    The pass over a video finds the performer too, where the protocol has metrics of motion.

    Raises:
        Refused: no video of the predictions can be scored.
    """
    protocol, options = how.protocol, how.options
    extractors = load_extractors(protocol, how.wanted, options.weights, options.device, options.backend)
    no_keypoints = how.keypoints.unusable() if how.keypoints else None
    if protocol.pairs is not None:
        tables = _pairs(inputs, extractors, how)
    else:
        tables = _videos(inputs, extractors, None if no_keypoints else how.keypoints, how)
    problems = [*_faults(tables, inputs), *_without_value(tables, extractors, inputs, how)]
    if all(tables["prediction"].faults):
        raise Refused([*inputs.problems, *problems] or [nothing_left(inputs.predictions.path.name)])
    return ExtractedVideos(
        tables,
        extractors.missing,
        _viewing(extractors, tables["prediction"], protocol),
        problems,
        _warnings(extractors, tables),
        no_keypoints,
        _pose(extractors.look, options.backend),
    )


def _pose(look: Look | None, backend: str) -> PoseSource | None:
    """What found the people that were held against pictures."""
    if look is None:
        return None
    identity = as_json(look.identity, default=str)
    origin = f"{backend}-{sha256_bytes(json.dumps(identity, sort_keys=True).encode())[:12]}"
    return PoseSource(prediction=origin, reference=origin, skeleton=look.skeleton, identity=identity)


def _videos(
    inputs: Inputs,
    extractors: Extractors,
    keypoints: VideoKeypoints | None,
    how: Extraction,
) -> dict[Side, FeatureTable]:
    cache, options = how.cache, how.options
    files: dict[Side, dict[str, Path]] = {
        "prediction": inputs.prediction_files,
        "reference": inputs.reference_files,
    }
    options.on_total(sum(len(found) for found in files.values()))
    rows: dict[Side, list[FeatureTable]] = {"prediction": [], "reference": []}
    for side, found in files.items():
        for clip, path in found.items():
            kept = cache.path("videos", extractors.fingerprint[:16], cache.sha256(path))
            seen = cache.tables(kept, {"clip"})
            if seen is None:
                seen = {"clip": extract_video(path, extractors, keypoints)}
                cache.keep(kept, seen)
            rows[side].append(_named(seen["clip"], clip, cache.sha256(path)))
            options.on_clip()
    tables = {side: concatenate(found) for side, found in rows.items() if found}
    if extractors.look is None:
        return tables
    pictures = looks_of_pictures(files["reference"], extractors.look)
    return {side: beside_pictures(table, pictures) for side, table in tables.items()}


def _pairs(inputs: Inputs, extractors: Extractors, how: Extraction) -> dict[Side, FeatureTable]:
    cache, options = how.cache, how.options
    real = inputs.reference_files
    options.on_total(len(real))
    rows: dict[Side, list[FeatureTable]] = {"prediction": [], "reference": []}
    for clip, path in inputs.prediction_files.items():
        key = f"{cache.sha256(path)[:32]}{cache.sha256(real[clip])[:32]}"
        kept = cache.path("videos", extractors.fingerprint[:16], key)
        seen = cache.tables(kept, set(rows))
        if seen is None:
            prediction, reference = extract_pair(path, real[clip], extractors)
            seen = {"prediction": prediction, "reference": reference}
            cache.keep(kept, seen)
        rows["prediction"].append(_named(seen["prediction"], clip, cache.sha256(path)))
        rows["reference"].append(_named(seen["reference"], clip, cache.sha256(real[clip])))
        options.on_clip()
    return {side: concatenate(found) for side, found in rows.items() if found}


def _named(row: FeatureTable, clip_id: str, sha256: str) -> FeatureTable:
    return row.having({"clip_ids": [clip_id], "sha256": [sha256]})


def _faults(tables: Mapping[Side, FeatureTable], inputs: Inputs) -> list[Problem]:
    folders: dict[Side, Folder | None] = {"prediction": inputs.predictions, "reference": inputs.reference}
    found = []
    for side, table in tables.items():
        folder = folders[side]
        rows = zip(table.clip_ids, table.faults, table.columns["message"].tolist(), strict=True)
        for clip, reason, message in rows:
            if reason and folder is not None:
                file = folder.files[clip].name
                found.append(
                    Problem(clip_id=clip, side=side, file=file, reason=reason, message=message, dropped=True)
                )
    return found


def _without_value(
    tables: Mapping[Side, FeatureTable], extractors: Extractors, inputs: Inputs, how: Extraction
) -> list[Problem]:
    """Videos that can be decoded and lack a score all the same (one frame too few, another size than the reference).

    A score nobody could look for, for want of weights, is no fault of a video.
    """
    table, real = tables["prediction"], tables.get("reference")
    asked = {*how.wanted.scores, *how.wanted.per_video}
    named = {clip for clip, fault in zip(real.clip_ids, real.faults, strict=True) if fault} if real else set()
    found = []
    for row, (clip, fault) in enumerate(zip(table.clip_ids, table.faults, strict=True)):
        if clip in named:  # the fault of its reference says it all
            continue
        lacking = {
            name: table.reasons(name)[row]
            for name, values in table.scores.items()
            if not fault and name in asked - set(extractors.missing) and np.isnan(values[row])
        }
        if reasons := {reason for reason in lacking.values() if reason}:
            names = ", ".join(name for name, reason in lacking.items() if reason)
            message = f"no {names}: {'; '.join(sorted(reasons))}"
            file = inputs.predictions.files[clip].name
            found.append(
                Problem(
                    clip_id=clip,
                    side="prediction",
                    file=file,
                    reason="no_value",
                    message=message,
                    dropped=False,
                )
            )
    return found


def _viewing(extractors: Extractors, table: FeatureTable, protocol: Protocol) -> Viewing:
    scored = table.take([row for row, fault in enumerate(table.faults) if not fault])
    fps = scored.fps[np.isfinite(scored.fps)]
    sizes = Counter(f"{width}x{height}" for width, height in scored.columns["size"].tolist() if width)
    return Viewing(
        device=extractors.device.partition(":")[0],
        clip_dtype=protocol.appearance.clip_precision if protocol.appearance else None,
        fps=(float(fps.min()), float(fps.max())) if len(fps) else None,
        frames=(int(scored.frames.min()), int(scored.frames.max())) if len(scored) else None,
        sizes=[size for size, _ in sizes.most_common(5)],
        networks=list(extractors.networks),
    )


def _warnings(extractors: Extractors, tables: Mapping[Side, FeatureTable]) -> list[str]:
    """What a reader should know of the videos and the networks."""
    warnings = []
    prediction = tables["prediction"]
    if (reference := tables.get("reference")) is not None:
        real = {clip: row for row, clip in enumerate(reference.clip_ids)}
        both = [(row, real[clip]) for row, clip in enumerate(prediction.clip_ids) if clip in real]
        first, second = ([pair[side] for pair in both] for side in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):  # files that cannot be decoded
            rates = prediction.fps[first] / reference.fps[second]
            durations = prediction.frames[first] / reference.frames[second] / rates
        if other := int((np.abs(rates - 1) > 0.01).sum()):
            warnings.append(
                f"{other} of {len(prediction)} videos have another frame rate than their reference: frame "
                "differences, and with them TF, MS and SC, depend on it"
            )
        if other := int((np.abs(durations - 1) > 0.05).sum()):
            warnings.append(f"{other} of {len(prediction)} videos have another duration than their reference")
    restricted = [network for network in extractors.networks if network.noncommercial]
    if restricted:
        names = ", ".join(f"{network.name} ({network.licence})" for network in restricted)
        warnings.append(f"measured with networks whose licence forbids commercial use: {names}")
    return warnings
