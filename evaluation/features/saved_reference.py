"""A reference whose features are saved, so that ground truth is measured once, with the beats of its music."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.features.extract_motion import ExtractedSide, extract_side
from evaluation.features.extraction import Extraction
from evaluation.features.music import attach_beats, find_music_beats
from evaluation.features.store import read_tables, write_tables
from evaluation.features.wanted import WantedFeatures
from evaluation.inputs.discovery import find_clips
from evaluation.inputs.sounds import find_sounds
from evaluation.options import Options
from evaluation.problems import Refused, nothing_left, refuse
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.errors import MadanceError, MediaError
from madata.files import parse_json

__all__ = ["SavedReference", "read_reference", "save_reference"]


@dataclass(frozen=True)
class SavedReference:
    """What :func:`save_reference` kept.

    Attributes:
        name: of the folder it is of.
        files: clip id -> file name.
        sha256: clip id -> hash of the file.
    """

    name: str
    files: dict[str, str]
    sha256: dict[str, str]
    side: ExtractedSide


def read_reference(path: Path, protocol: Protocol) -> SavedReference:
    """Read a file of :func:`save_reference`.

    Raises:
        MediaError: the file is none.
        MadanceError: it was made under another protocol.
    """
    tables, facts = read_tables(path)
    if set(tables) != {"reference"} or "facts" not in facts:
        raise MediaError(f"{path}: not a file of --save-reference", reason="no_features")
    known = parse_json(facts["facts"], path)
    if known["protocol"] != protocol.sha256:
        name = f"{protocol.name} {protocol.sha256[:12]}"
        raise MadanceError(f"{path}: made under another protocol than {name}; save it anew")
    side = ExtractedSide(
        table=tables["reference"],
        fps=known["fps"],
        origins=tuple(known["origins"]),
        skeleton=known["skeleton"],
        problems=[Problem.model_validate(problem) for problem in known["problems"]],
        warnings=known["warnings"],
    )
    return SavedReference(known["name"], known["files"], known["sha256"], side)


def save_reference(
    reference: Path,
    protocol: Protocol,
    file: Path,
    *,
    wanted: WantedFeatures,
    music: Path | None = None,
    options: Options | None = None,
) -> list[Problem]:
    """Measure a reference once and keep it; return what was wrong with its files.

    Args:
        wanted: see :func:`evaluation.metrics.registry.wanted_by`.

    Raises:
        Refused: a file is unusable, and neither the protocol nor ``options`` lets it pass.
    """
    options = options or Options()
    how = Extraction.of(protocol, wanted, options)
    folder = find_clips(reference, protocol.input, side="reference")
    sounds = find_sounds(music, folder, folder.files, table=options.music_map) if wanted.music else None
    side = extract_side(folder.files, "reference", how)
    beats = find_music_beats(sounds, folder.files, protocol, how.cache, options.jobs)
    problems = [*folder.problems, *side.problems, *(beats.problems if beats else [])]
    refuse(problems, protocol, options)
    if side.table is None:
        raise Refused(problems or [nothing_left(reference.name)])
    facts: Mapping[str, Any] = {
        "name": reference.resolve().name,
        "protocol": protocol.sha256,
        "skeleton": side.skeleton,
        "origins": list(side.origins),
        "sha256": {clip: how.cache.sha256(path) for clip, path in folder.files.items()},
        "fps": side.fps,
        "files": {clip: path.name for clip, path in folder.files.items()},
        "problems": [problem.model_dump() for problem in problems],
        "warnings": side.warnings,
    }
    table = attach_beats(side.table, beats, protocol) if beats else side.table
    write_tables(file, {"reference": table}, facts=json.dumps(facts))
    return problems
