"""The reference, measured from its files or read from the file it was saved in.

A saved reference holds the features of every clip with their music beats, so that ground truth is measured
once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.features.extract_motion import MeasuredSide, SideReader, reader_for
from evaluation.features.music import Listener
from evaluation.features.table import read_features, write_features
from evaluation.features.wanted import Wanted
from evaluation.inputs.discovery import Folder, find_clips
from evaluation.options import Options
from evaluation.problems import Refused, nothing_left, refuse
from evaluation.protocol import Protocol
from evaluation.result import Problem
from madata.errors import MadanceError, MediaError

__all__ = ["Reference", "find_reference", "save_reference"]


@dataclass(frozen=True)
class Reference:
    """Where the real clips are.

    Attributes:
        name: of the folder they come from.
        files: clip id -> file name.
        folder: the folder, when they are still to be measured.
        saved: what was read from a file of :func:`save_reference`.
    """

    name: str
    files: dict[str, str]
    folder: Folder | None
    saved: MeasuredSide | None

    def measure(self, clips: Sequence[str], reader: SideReader) -> MeasuredSide:
        """The features of ``clips``, and whatever is wrong with them."""
        if self.saved is not None or self.folder is None:
            return self.saved or reader.measure({}, "reference")
        return reader.measure({clip: self.folder.files[clip] for clip in clips}, "reference")


def find_reference(path: Path, protocol: Protocol) -> Reference:
    """A folder of real clips, or a file of :func:`save_reference`.

    Raises:
        MediaError: the file is none.
        MadanceError: it was made under another protocol; the folder is absent or empty.
    """
    if not path.is_file():
        folder = find_clips(path, protocol.input, side="reference")
        return Reference(
            path.resolve().name, {clip: file.name for clip, file in folder.files.items()}, folder, None
        )
    sides, facts = read_features(path)
    if set(sides) != {"reference"} or "facts" not in facts:
        raise MediaError(f"{path}: not a file of --save-reference", reason="no_features")
    known = json.loads(facts["facts"])
    if known["protocol"] != protocol.sha256:
        name = f"{protocol.name} {protocol.sha256[:12]}"
        raise MadanceError(f"{path}: made under another protocol than {name}; save it anew")
    saved = MeasuredSide(
        features=sides["reference"],
        sha256=known["sha256"],
        fps=known["fps"],
        origins=tuple(known["origins"]),
        skeleton=known["skeleton"],
        problems=[Problem.model_validate(problem) for problem in known["problems"]],
        warnings=known["warnings"],
    )
    return Reference(known["name"], known["files"], None, saved)


def save_reference(
    reference: Path,
    protocol: Protocol,
    file: Path,
    *,
    wanted: Wanted,
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
    folder = find_clips(reference, protocol.input, side="reference")
    listener = Listener.of(music, folder, protocol, wanted)
    side = reader_for(protocol, options, wanted).measure(folder.files, "reference")
    problems = [*folder.problems, *side.problems, *listener.listen(folder.files, options)]
    refuse(problems, protocol, options)
    if side.features is None:
        raise Refused(problems or [nothing_left(reference.name)])
    facts: Mapping[str, Any] = {
        "name": reference.resolve().name,
        "protocol": protocol.sha256,
        "skeleton": side.skeleton,
        "origins": list(side.origins),
        "sha256": side.sha256,
        "fps": side.fps,
        "files": {clip: path.name for clip, path in folder.files.items()},
        "problems": [problem.model_dump() for problem in problems],
        "warnings": side.warnings,
    }
    write_features(file, {"reference": listener.attach(side.features)}, facts=json.dumps(facts))
    return problems
