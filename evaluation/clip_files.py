"""The files of a folder of clips, whatever made them.

``madance generate`` leaves a record ``<clip>.json`` and a folder ``<clip>.parts`` beside a single clip; neither is a
clip.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from madata.errors import MadanceError
from madata.files import read_json

__all__ = ["CLIP_SCHEMA", "PARTS_SUFFIX", "clip_files", "clip_records"]

CLIP_SCHEMA = "madance.clip/1"
"""Of the record beside a single clip."""

PARTS_SUFFIX = ".parts"
"""Of the folder of intermediate files beside it."""


def clip_files(folder: Path) -> list[Path]:
    """Files in ``folder`` and below in order of their names; hidden ones, parts and records aside."""
    files, records = _sorted_out(folder)
    return [path for path in files if path not in records]


def clip_records(folder: Path) -> list[dict[str, Any]]:
    """The records of the single clips in ``folder`` and below."""
    return list(_sorted_out(folder)[1].values())


def _sorted_out(folder: Path) -> tuple[list[Path], dict[Path, dict[str, Any]]]:
    """All files, and which of them are records."""
    files = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and not any(part.endswith(PARTS_SUFFIX) for part in parts[:-1]) and path.is_file():
            files.append(path)
    twins = Counter(path.with_suffix("") for path in files)
    beside = [path for path in files if path.suffix.lower() == ".json" and twins[path.with_suffix("")] > 1]
    return files, {path: record for path in beside if (record := _read_record(path)) is not None}


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except MadanceError:
        return None
    return content if isinstance(content, dict) and content.get("schema") == CLIP_SCHEMA else None
