"""Packing a scored run; what would not verify is not packed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.result import Result
from leaderboard.archive import write_archive
from leaderboard.entries import read_entries
from leaderboard.recheck import check_features, check_numbers
from leaderboard.submission.contents import (
    CARD,
    FEATURES,
    MANIFEST,
    PREDICTIONS,
    RESULT,
    SAMPLES,
    SCHEMA,
    SystemCard,
    few,
    read_card,
)
from madata.errors import MadanceError
from madata.files import sha256_bytes, sha256_file

__all__ = ["pack"]


def pack(
    folder: Path, target: Path, *, predictions: Path | None = None, card: Mapping[str, Any] | None = None
) -> Path:
    """Write one archive of the scored run in ``folder``.

    Args:
        predictions: folder with the scored files; they are found by their hashes and go into the archive.
        card: what is known of the system; by default what the result says.

    Raises:
        MadanceError: the run would not verify: it is partial, lacks a file, or its numbers are not those of its
            features.
    """
    entry = read_entries([folder / RESULT if folder.is_dir() else folder])[0]
    result = entry.result
    if result.status != "complete":
        raise MadanceError(f"{entry.file}: the result is {result.status}; a submission must be complete")
    if entry.stale:
        raise MadanceError(f"{entry.file}: {', '.join(entry.stale)} changed after scoring; score again")
    if entry.features is None or entry.samples is None:
        raise MadanceError(f"{entry.file}: needs {FEATURES} and {SAMPLES} beside it; score with --out")
    if faults := check_features(result, entry.features) or check_numbers(result, entry.features):
        raise MadanceError(f"{entry.file}: {faults[0]}")
    stated = {key: value for key, value in result.system.card.items() if key in SystemCard.model_fields}
    files: dict[str, Path | bytes] = {
        RESULT: entry.file,
        CARD: _document(read_card(card if card is not None else stated).model_dump(mode="json")),
        FEATURES: entry.features,
        SAMPLES: entry.samples,
    }
    if predictions is not None:
        files |= _prediction_files(result, predictions)
    manifest = {
        "schema": SCHEMA,
        "result": result.id,
        "files": {name: _hashes(content) for name, content in sorted(files.items())},
    }
    write_archive(target, {**files, MANIFEST: _document(manifest)})
    return target


def _document(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _hashes(content: Path | bytes) -> dict[str, str | int]:
    if isinstance(content, bytes):
        return {"sha256": sha256_bytes(content), "bytes": len(content)}
    return {"sha256": sha256_file(content), "bytes": content.stat().st_size}


def _prediction_files(result: Result, folder: Path) -> dict[str, Path | bytes]:
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder")
    by_hash = {sha256_file(path): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files: dict[str, Path | bytes] = {}
    absent = []
    for clip, hashes in result.dataset.files.items():
        if hashes.prediction is None:
            continue
        path = by_hash.get(hashes.prediction)
        if path is None:
            absent.append(clip)
        else:
            files[f"{PREDICTIONS}/{clip}{path.suffix}"] = path
    if absent:
        raise MadanceError(f"{folder}: the scored files of {few(absent)} are not in it")
    return files
