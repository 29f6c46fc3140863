"""Results as the leaderboard takes them in: found, checked, with what lies beside them, and sorted by condition.

Two results share a ranked column only when their conditions are equal: protocol hash, split, reference, clips and
pose backend.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from evaluation.protocol import Protocol, load_protocol, protocol_names
from evaluation.result import Result, read_result
from leaderboard.paper import Task
from madata.errors import MadanceError
from madata.files import sha256_bytes, sha256_file
from madata.weights import HandSource, known

__all__ = ["BoardEntry", "Conditions", "SystemKey", "by_conditions", "find_results", "read_entries"]

_RESULT_FILE = "result.json"
_PROTOCOL_FILE = "protocol.json"

SystemKey = tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """How a result was measured; results of equal conditions may be ranked.

    Attributes:
        clips: hash of the ids of the scored clips; "" where the protocol compares sets.
        options: what was chosen beside the protocol, in the words of the command line.
        pose: backends and skeleton of the keypoints, or "".
        own_networks: name and hash of networks that are the user's, and not everybody's.
    """

    task: Task
    protocol: str
    version: int
    protocol_sha256: str
    split: str | None
    reference_sha256: str
    manifest_sha256: str | None
    n_scored: int
    n_reference: int
    clips: str
    options: tuple[str, ...]
    pose: str
    mixed: bool
    own_networks: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """The same in words."""
        split = f"split {self.split}, " if self.split else ""
        lines = [
            f"protocol {self.protocol} v{self.version}, hash {self.protocol_sha256[:12]}",
            f"{split}{self.n_scored} clips against {self.n_reference} real ones "
            f"(reference {self.reference_sha256[:12]})",
        ]
        if self.options:
            lines.append(f"scored with {' '.join(self.options)}")
        if self.pose:
            lines.append(f"keypoints: {self.pose}")
        if self.own_networks:
            lines.append(f"networks: {', '.join(self.own_networks)}")
        if self.mixed:
            lines.append("MIXED POSE BACKENDS: the two sides were not measured alike")
        return tuple(lines)


@dataclass(frozen=True)
class BoardEntry:
    """One result and the files beside it.

    Attributes:
        file: the result file.
        features, samples: files the result names, when they are there and their hash is right.
        stale: artefacts that are there but are not the ones the result was made with.
        protocol: the text behind the protocol's hash, where it is known.
    """

    result: Result
    file: Path
    features: Path | None
    samples: Path | None
    stale: tuple[str, ...]
    protocol: Protocol | None

    @property
    def system(self) -> SystemKey:
        """What makes two results of one system: its name, version, code, settings and weights."""
        system = self.result.system
        weights = sorted(checkpoint.sha256 for checkpoint in system.checkpoints)
        settings = json.dumps(system.config, sort_keys=True, default=str)
        return (
            system.name,
            system.version or "",
            str(system.code.get("commit") or ""),
            settings,
            ",".join(weights),
        )

    @property
    def conditions(self) -> Conditions:
        """How it was measured."""
        result = self.result
        pose = result.pose
        sides = "" if pose is None else pose.prediction
        if pose is not None and pose.prediction != pose.reference:
            sides = f"{pose.prediction} against {pose.reference}"
        return Conditions(
            task=result.system.task,
            protocol=result.protocol.name,
            version=result.protocol.version,
            protocol_sha256=result.protocol.sha256,
            split=result.dataset.split,
            reference_sha256=result.dataset.reference_sha256,
            manifest_sha256=result.dataset.manifest_sha256,
            n_scored=result.dataset.n_scored,
            n_reference=result.dataset.n_reference,
            clips="" if self._compares_sets else self._clips_hash(),
            options=result.options.lines(),
            pose="" if pose is None else f"{sides}, {pose.skeleton}",
            mixed=pose is not None and pose.mixed,
            own_networks=_own_networks(result),
        )

    @property
    def _compares_sets(self) -> bool:
        return self.protocol is not None and self.protocol.clips.pairing == "set"

    def _clips_hash(self) -> str:
        dropped = {
            problem.clip_id
            for problem in self.result.errors
            if problem.dropped and problem.side != "reference"
        }
        scored = {clip for clip, hashes in self.result.dataset.files.items() if hashes.prediction} - dropped
        return sha256_bytes("\n".join(sorted(scored)).encode())[:12] if scored else ""


def _own_networks(result: Result) -> tuple[str, ...]:
    """Networks that looked at the pictures and of which the manifest of weights records no bytes."""
    by_hand = {entry.name for entry in known() if isinstance(entry.source, HandSource)}
    seen = result.viewing.networks if result.viewing else []
    return tuple(f"{one.name} {one.sha256[:12]}" for one in seen if one.name in by_hand)


def find_results(paths: Iterable[Path]) -> list[Path]:
    """Result files among files and folders; folders are searched to any depth, in order of name.

    Raises:
        MadanceError: a path is absent or a folder holds no result.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_file():
            found.append(path)
            continue
        inside = sorted(path.rglob(_RESULT_FILE)) if path.is_dir() else []
        if not inside:
            what = f"no {_RESULT_FILE} in it" if path.is_dir() else "no such file or folder"
            raise MadanceError(f"{path}: {what}; give the folders of `madance score --out`")
        found += inside
    return list(dict.fromkeys(found))


def read_entries(
    paths: Iterable[Path], *, on_repeat: Callable[[str], None] = lambda text: None
) -> list[BoardEntry]:
    """Read results; of one that comes twice the first with its features beside it is kept.

    Args:
        on_repeat: told of each file that is left out because another holds the same result.

    Raises:
        MadanceError: a result cannot be read.
    """
    by_id: dict[str, BoardEntry] = {}
    for entry in map(_read, find_results(paths)):
        kept = by_id.setdefault(entry.result.id, entry)
        if kept is entry:
            continue
        if kept.features is None and entry.features is not None:
            kept, entry = entry, kept
            by_id[kept.result.id] = kept
        on_repeat(f"left out, the same result as {kept.file}: {entry.file}")
    return list(by_id.values())


def _read(path: Path) -> BoardEntry:
    result = read_result(path)
    there: dict[str, Path] = {}
    stale = []
    for kind, artefact in result.artefacts.items():
        file = path.parent / artefact.file
        if not file.is_file():
            continue
        if sha256_file(file) == artefact.sha256:
            there[kind] = file
        else:
            stale.append(kind)
    return BoardEntry(
        result, path, there.get("features"), there.get("samples"), tuple(stale), _protocol_text(path, result)
    )


def _protocol_text(path: Path, result: Result) -> Protocol | None:
    """The protocol of this build, or the one beside the result, if its hash is the stated one."""
    if result.protocol.name in protocol_names():
        known = load_protocol(result.protocol.name)
        if known.sha256 == result.protocol.sha256:
            return known
    beside = path.with_name(_PROTOCOL_FILE)
    try:
        protocol = Protocol.model_validate_json(beside.read_bytes())
    except (OSError, ValidationError):
        return None
    return protocol if protocol.sha256 == result.protocol.sha256 else None


def by_conditions(entries: Sequence[BoardEntry]) -> Mapping[Conditions, list[BoardEntry]]:
    """Entries of equal conditions together, in order of first appearance."""
    groups: dict[Conditions, list[BoardEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.conditions, []).append(entry)
    return groups
