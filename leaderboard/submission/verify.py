"""Looking at an archive of a stranger: which level holds, or the precise reasons to reject it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.result import Result, content_id, read_result
from leaderboard.archive import LIMITS, ArchiveError, Limits, check_npz, unpack
from leaderboard.entries import BoardEntry, read_entries
from leaderboard.recheck import (
    Fault,
    check_features,
    check_numbers,
    check_protocol,
    check_sample_rows,
    check_samples,
)
from leaderboard.submission.contents import (
    CARD,
    FEATURES,
    MANIFEST,
    NEEDED,
    PREDICTIONS,
    RESULT,
    SAMPLES,
    Manifest,
    few,
    read_card,
)
from leaderboard.submission.levels import Remeasure, reached
from leaderboard.ties import clip_scores
from madata.config import validated
from madata.errors import ConfigError, MadanceError
from madata.files import open_table, read_json, read_npz, scratch_folder, sha256_bytes, sha256_file

__all__ = ["ArchiveVerdict", "Expected", "verify", "verify_all"]

_ROWS_PER_CLIP = 10_000
_TOLD = 5


@dataclass(frozen=True)
class Expected:
    """What a board asks of a submission; ``None`` is not looked at.

    Attributes:
        split: name of the split.
        clips: the clip ids of the test set.
        against: trusted results (those of the ground truth, say, one for each protocol): protocol, split, reference
            and its features must be those of one of them.
        board: results and submissions already on the board.
    """

    split: str | None = None
    clips: frozenset[str] | None = None
    against: tuple[BoardEntry, ...] = ()
    board: tuple[BoardEntry, ...] = ()


@dataclass(frozen=True)
class ArchiveVerdict:
    """What became of one submission.

    Attributes:
        level: the highest level that holds; ``None`` for a rejected submission.
        faults: why it is rejected; empty for an accepted one.
        checked: what was looked at and holds.
        open: what was not looked at, or does not hold and only bars a higher level.
    """

    archive: str
    system: str | None
    result_id: str | None
    level: int | None
    faults: tuple[Fault, ...]
    checked: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the submission may go on a board."""
        return self.level is not None


def verify(
    archive: Path,
    expected: Expected | None = None,
    *,
    remeasure: Remeasure | None = None,
    regenerated: Path | None = None,
    limits: Limits = LIMITS,
) -> ArchiveVerdict:
    """Look at an archive of a stranger and say which level holds, or why it is rejected.

    Args:
        remeasure: scores predictions against the verifier's own reference; needed for level 2.
        regenerated: predictions the verifier made from code and weights; needed, with ``remeasure``, for level 3.
    """
    with scratch_folder() as folder:
        try:
            names = unpack(archive, folder, limits)
            manifest = _manifest(folder)
            faults = _check_files(folder, names, manifest)
            entry = None if faults else _entry(folder, manifest, limits)
        except ArchiveError as error:
            return ArchiveVerdict(archive.name, None, None, None, (Fault(error.code, str(error)),))
        except _Rejected as rejected:
            return ArchiveVerdict(archive.name, None, None, None, (rejected.fault,))
        if entry is None:
            return ArchiveVerdict(archive.name, None, manifest.result, None, tuple(faults))
        found = _check_content(entry, expected or Expected(), limits)
        system = entry.result.system.name
        if found:
            return ArchiveVerdict(archive.name, system, entry.result.id, None, tuple(found))
        levels = reached(entry.result, folder / PREDICTIONS, remeasure, regenerated)
        if levels.faults:
            return ArchiveVerdict(archive.name, system, entry.result.id, None, levels.faults)
        return ArchiveVerdict(
            archive.name,
            system,
            entry.result.id,
            levels.level,
            (),
            levels.checked,
            (*_unasked(expected or Expected()), *levels.still_open),
        )


def _unasked(expected: Expected) -> list[str]:
    if not expected.against and expected.clips is None:
        return ["the test set: give --against or --clips to know that it is the board's"]
    return []


class _Rejected(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(code, message)


def _manifest(folder: Path) -> Manifest:
    if not (folder / MANIFEST).is_file():
        raise _Rejected(
            "missing_file", f"the archive has no {MANIFEST}; build it with `madance submission pack`"
        )
    try:
        return validated(Manifest, _json(folder / MANIFEST), where=MANIFEST, noun="field")
    except ConfigError as error:
        raise _Rejected("unknown_field", str(error)) from error


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except MadanceError as error:
        code = "not_finite" if "is no number" in str(error) else "bad_json"
        raise _Rejected(code, str(error).removeprefix(f"{path.parent}/")) from error


def _check_files(folder: Path, names: list[str], manifest: Manifest) -> list[Fault]:
    faults = [Fault("missing_file", f"the archive has no {name}") for name in NEEDED if name not in names]
    for name in names:
        if name == MANIFEST:
            continue
        if name not in manifest.files:
            faults.append(Fault("unknown_file", f"{name!r} is in the archive and not in {MANIFEST}"))
        elif sha256_file(folder / name) != manifest.files[name].sha256:
            code = "changed_features" if name == FEATURES else "changed_file"
            faults.append(Fault(code, f"{name} is not the file that was packed: its hash differs"))
        if name not in NEEDED and not name.startswith(f"{PREDICTIONS}/"):
            faults.append(Fault("unknown_file", f"{name!r} does not belong in a submission"))
    gone = sorted(set(manifest.files) - set(names))
    return faults + [
        Fault("missing_file", f"{name!r} is in {MANIFEST} and not in the archive") for name in gone
    ]


def _entry(folder: Path, manifest: Manifest, limits: Limits) -> BoardEntry:
    _json(folder / RESULT)
    try:
        read_result(folder / RESULT)
        entry = read_entries([folder / RESULT])[0]
        read_card(_json(folder / CARD))
    except (MadanceError, TypeError, ValueError) as error:
        text = str(error).replace(f"{folder}/", "")
        code = _code_of(text)
        told = _changed_by_hand(folder, limits) if code == "changed_number" else ""
        raise _Rejected(code, text + told) from error
    if entry.result.id != manifest.result:
        raise _Rejected("changed_file", f"{MANIFEST} is of another result than {RESULT}")
    for kind, name in (("features", FEATURES), ("samples", SAMPLES)):
        artefact = entry.result.artefacts.get(kind)
        if artefact is None or artefact.file != name:
            raise _Rejected("missing_file", f"{RESULT} does not name {name}")
        if kind in entry.stale:
            raise _Rejected(
                f"changed_{kind}", f"{name} is not the file the result was made with: its hash differs"
            )
    return entry


def _changed_by_hand(folder: Path, limits: Limits) -> str:
    """Which numbers of an edited result are not those of its features, as the end of a sentence."""
    result = validated(Result, read_json(folder / RESULT), where=RESULT, noun="field")
    features = folder / FEATURES
    try:
        check_npz(features, limits)
    except ArchiveError:
        return ""
    faults = check_features(result, features) or check_numbers(result, features)
    if not faults:
        return "; no number of a metric is another than the features give, so it is one of its other fields"
    return "; " + "; ".join(fault.message for fault in faults[:_TOLD])


def _code_of(message: str) -> str:
    """A code for what the reader of results says."""
    if "there is no field" in message:
        return "unknown_field"
    if "does not belong to its content" in message:
        return "changed_number"
    return "not_finite" if " nan" in message or " inf" in message or "finite" in message else "bad_result"


def _check_content(entry: BoardEntry, expected: Expected, limits: Limits) -> list[Fault]:
    result = entry.result
    if entry.features is None or entry.samples is None:
        return [Fault("missing_file", "features or samples are missing")]
    try:
        check_npz(entry.features, limits)
        _check_table(entry.samples, result, limits)
    except ArchiveError as error:
        return [Fault(error.code, str(error))]
    faults = [*_check_dataset(result), *check_protocol(result), *_check_expected(entry, expected)]
    faults += check_features(result, entry.features)
    if faults:
        return faults
    try:
        if faults := check_sample_rows(result, entry.features, entry.samples):
            return faults
        scores = clip_scores(entry.samples)
    except (MadanceError, TypeError, KeyError) as error:
        return [Fault("changed_sample", f"{SAMPLES} cannot be read: {error}")]
    return check_numbers(result, entry.features) or check_samples(entry.features, scores)


def _check_table(path: Path, result: Result, limits: Limits) -> None:
    try:
        metadata = open_table(path).metadata
    except MadanceError as error:
        raise ArchiveError("bad_samples", str(error).removeprefix(f"{path.parent}/")) from error
    size = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if metadata.num_rows > _ROWS_PER_CLIP * max(1, result.dataset.n_scored) or size > limits.table_bytes:
        raise ArchiveError(
            "too_large", f"{path.name} holds {metadata.num_rows} rows in {size} bytes, too many"
        )


def _check_dataset(result: Result) -> list[Fault]:
    faults = []
    dataset = result.dataset
    if result.id != content_id(result):
        faults.append(Fault("changed_number", "the result's id does not belong to its content"))
    if result.status != "complete":
        faults.append(Fault("partial", f"the result is {result.status}; a board takes complete ones only"))
    if dataset.missing or dataset.n_scored != dataset.n_expected:
        names = ", ".join(dataset.missing[:3]) or f"{dataset.n_expected - dataset.n_scored} of them"
        faults.append(Fault("missing_clip", f"clips are missing: {names}"))
    if result.pose is not None and result.pose.mixed:
        faults.append(Fault("mixed_pose", "the two sides have keypoints of different pose backends"))
    return faults


def _check_expected(entry: BoardEntry, expected: Expected) -> list[Fault]:
    result, faults = entry.result, []
    if expected.split is not None and result.dataset.split != expected.split:
        faults.append(
            Fault("other_split", f"split {result.dataset.split!r}, the board has {expected.split!r}")
        )
    scored = {clip for clip, hashes in result.dataset.files.items() if hashes.prediction}
    if expected.clips is not None:
        if absent := sorted(expected.clips - scored):
            faults.append(Fault("missing_clip", f"clips of the test set are missing: {few(absent)}"))
        if others := sorted(scored - expected.clips):
            faults.append(Fault("other_split", f"clips that are not in the test set: {few(others)}"))
    if expected.against:
        faults += _check_against(entry, _counterpart(result, expected.against))
    for other in expected.board:
        same = other.result.artefacts.get("features") == result.artefacts.get("features")
        if other.result.id == result.id or same:
            name = other.result.system.name
            faults.append(
                Fault("duplicate", f"the board has this result already, as {name!r} {other.result.id[:12]}")
            )
    return faults


def _counterpart(result: Result, trusted: Sequence[BoardEntry]) -> BoardEntry:
    """The trusted run that was measured like ``result``; the first, where none was."""
    for one in trusted:
        if one.result.protocol.sha256 == result.protocol.sha256 and one.result.options == result.options:
            return one
    return trusted[0]


def _check_against(entry: BoardEntry, trusted: BoardEntry) -> list[Fault]:
    ours, theirs = trusted.result, entry.result
    faults = []
    if theirs.protocol.sha256 != ours.protocol.sha256:
        pair = [f"{one.protocol.name} {one.protocol.sha256[:12]}" for one in (theirs, ours)]
        faults.append(Fault("wrong_protocol", f"protocol {pair[0]}, the board has {pair[1]}"))
    if theirs.options != ours.options:
        pair = [" ".join(one.options.lines()) or "none" for one in (theirs, ours)]
        faults.append(Fault("wrong_protocol", f"options {pair[0]}, the board has {pair[1]}"))
    if (
        theirs.dataset.split != ours.dataset.split
        or theirs.dataset.manifest_sha256 != ours.dataset.manifest_sha256
    ):
        pair = [
            f"{one.dataset.split!r} of {(one.dataset.manifest_sha256 or 'no manifest')[:12]}"
            for one in (theirs, ours)
        ]
        faults.append(Fault("other_split", f"split {pair[0]}, the board has {pair[1]}"))
    elif theirs.dataset.reference_sha256 != ours.dataset.reference_sha256:
        faults.append(Fault("other_split", "the real clips are not those of the board: their hash differs"))
    if faults or trusted.features is None or entry.features is None:
        return faults
    if _reference_hash(trusted.features) != _reference_hash(entry.features):
        faults.append(Fault("changed_features", "the features of the real clips are not those of the board"))
    return faults


_OF_THE_RUN = ("music_beats", "heard")
"""What a run adds to the real clips."""


def _reference_hash(features: Path) -> str:
    """Hash of everything that was measured on the real clips."""
    arrays = read_npz(features)
    parts = []
    for name in sorted(arrays):
        real = name.startswith(("reference/", "video/reference/"))
        if real and name.split("/")[1] not in _OF_THE_RUN:
            array = np.ascontiguousarray(arrays[name])
            parts.append(f"{name} {array.dtype} {array.shape} {sha256_bytes(array.tobytes())}")
    return sha256_bytes("\n".join(parts).encode())


def verify_all(archives: Iterable[Path], expected: Expected, **how: Any) -> list[ArchiveVerdict]:
    """Verify several archives; the same result twice among them is a duplicate.

    Raises:
        MadanceError: one of them is no file; nothing is looked at then.
    """
    archives = list(archives)
    if absent := [str(archive) for archive in archives if not archive.is_file()]:
        raise MadanceError(f"{', '.join(absent)}: no such file")
    verdicts: list[ArchiveVerdict] = []
    seen: dict[str, str] = {}
    for archive in archives:
        verdict = verify(archive, expected, **how)
        if verdict.accepted and verdict.result_id in seen:
            fault = Fault("duplicate", f"the same result as {seen[verdict.result_id]}")
            verdict = ArchiveVerdict(verdict.archive, verdict.system, verdict.result_id, None, (fault,))
        elif verdict.accepted and verdict.result_id:
            seen[verdict.result_id] = archive.name
        verdicts.append(verdict)
    return verdicts
