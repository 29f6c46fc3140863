"""A folder that holds a result is written again by the same run alone: nothing finished is ever lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evaluation.features.cache import FeatureCache
from evaluation.features.saved_reference import read_reference
from evaluation.inputs.discovery import clip_files
from evaluation.inputs.run_folder import clips_of_run
from evaluation.options import Options
from evaluation.protocol import Protocol
from evaluation.report.artifacts import RESULT_FILE
from evaluation.report.assembly import chosen_options, maker_of
from evaluation.result import Result, Side, read_result
from madata.errors import MadanceError
from madata.files import sha256_file

__all__ = ["refuse_other_import", "refuse_other_score"]


def refuse_other_score(
    out: Path,
    predictions: Path,
    reference: Path | None,
    music: Path | None,
    protocol: Protocol,
    options: Options,
) -> None:
    """Refuse a folder that holds the result of another run, before anything is measured.

    The same run may be made again, with more clips too: its system, protocol and options are the same, and every file
    that was scored is still among those given.

    Raises:
        MadanceError: the folder holds another result (what differs is said), or one that cannot be read.
    """
    maker, _ = maker_of(*clips_of_run(predictions), protocol, options)
    if not (out / RESULT_FILE).is_file():
        return
    there = read_result(out / RESULT_FILE)
    differences = [*_differences(there, maker.name, protocol, options)]
    if not differences:
        differences = [*_other_files(there, predictions, reference, music, protocol, options)]
    _refuse(out, there, differences)


def refuse_other_import(out: Path, source: Path, system: str, protocol: Protocol) -> None:
    """The same for a result that is made of a file VBench wrote.

    Raises:
        MadanceError: see :func:`refuse_other_score`.
    """
    if not (out / RESULT_FILE).is_file():
        return
    there = read_result(out / RESULT_FILE)
    differences = [*_differences(there, system, protocol, Options())]
    held = there.artefacts.get("vbench")
    if held is None or held.sha256 != sha256_file(source):
        differences.append("made of other files")
    _refuse(out, there, differences)


def _refuse(out: Path, there: Result, differences: Iterable[str]) -> None:
    if told := "; ".join(differences):
        raise MadanceError(
            f"{out}: holds another run ({there.system.name}, protocol {there.protocol.name} "
            f"{there.protocol.sha256[:12]}): {told}; give another --out, or remove it first"
        )


def _differences(there: Result, system: str, protocol: Protocol, options: Options) -> Iterable[str]:
    """What was asked for otherwise, in words."""
    if there.system.name != system:
        yield f"that is of {there.system.name}, this of {system}"
    if there.protocol.sha256 != protocol.sha256:
        yield f"that is by protocol {there.protocol.name} {there.protocol.sha256[:12]}, this by {protocol.sha256[:12]}"
    named = options.split.lower() if options.split else None
    if there.dataset.split != named:
        yield f"that is of split {there.dataset.split or 'none'}, this of {named or 'none'}"
    if there.dataset.limit != options.limit:
        yield f"that has --limit {there.dataset.limit or 'none'}, this {options.limit or 'none'}"
    if there.pose is not None and there.pose.identity:
        used = there.pose.prediction.rpartition("-")[0]
        if used != options.backend:
            yield f"that has keypoints of {used}, this of {options.backend}"
    if there.options != (chosen := chosen_options(options)):
        pair = [" ".join(each.lines()) or "no options" for each in (there.options, chosen)]
        yield f"that was scored with {pair[0]}, this with {pair[1]}"


def _other_files(
    there: Result,
    predictions: Path,
    reference: Path | None,
    music: Path | None,
    protocol: Protocol,
    options: Options,
) -> Iterable[str]:
    """Sides whose scored files are not all among those given."""
    if "features" not in there.artefacts:
        yield "that was imported, this is measured"
        return
    cache = FeatureCache(options.cache)
    given: dict[Side, set[str]] = {
        "prediction": _hashes(clips_of_run(predictions)[0], cache),
        "reference": _of_reference(reference, protocol, cache),
    }
    given["music"] = given["reference"] if music is None else _hashes(music, cache)
    for side, hashes in given.items():
        scored = {getattr(files, side) for files in there.dataset.files.values()} - {None}
        if gone := scored - hashes:
            yield f"{len(gone)} of its {len(scored)} {side} files are not among those given"


def _hashes(folder: Path, cache: FeatureCache) -> set[str]:
    return {cache.sha256(path) for path in clip_files(folder)} if folder.is_dir() else set()


def _of_reference(reference: Path | None, protocol: Protocol, cache: FeatureCache) -> set[str]:
    if reference is None or not reference.exists():
        return set()
    return (
        _hashes(reference, cache)
        if reference.is_dir()
        else set(read_reference(reference, protocol).sha256.values())
    )
