"""Genre and caption of clips: from a list, from FineDance's label files, or from a user's own model.

A model is one function, offered by the entry-point group ``madance.labels``: it takes a :class:`madata.types.Clip` and
returns ``genre``, ``caption`` or both. What was said is kept in ``labels.json``, so that tables that are
made again have it too; a later label replaces an earlier one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from madata.dataset.clips import ClipTable
from madata.dataset.folder import Row, hold_data_set, read_folder, write_folder
from madata.dataset.sums import SUMS, write_sums
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.files import read_json, write_json
from madata.formats import stem_of
from madata.types import Clip

__all__ = ["LABELS", "Labeller", "label_clips", "read_labels"]

Labeller = Callable[[Clip], Mapping[str, Any]]
GROUP = "madance.labels"
LABELS = "labels.json"
_SAID = ("genre", "caption")
_LONGEST = 2000


def label_clips(folder: Path, given: str) -> dict[str, int]:
    """Label the clips of ``folder``; how many have each label now.

    Args:
        given: a CSV file with a column ``clip_id``, ``source_id`` or ``file`` and any of ``genre`` and ``caption``; a
            folder of FineDance's ``label_json``; or the name of a labeller.

    Raises:
        ConfigError: there is no such file, folder or labeller.
        MadanceError: a file cannot be read, or a labeller fails.
    """
    path = Path(given)
    with hold_data_set(folder):
        tables = read_folder(folder)
        if path.is_dir():
            said, source = _of_keys(tables.clips, tables.sources, dict(_finedance(path))), "finedance"
        elif path.is_file():
            said, source = _of_keys(tables.clips, tables.sources, dict(_list(path))), "list"
        else:
            said, source = _of_model(folder, given), given
        known = read_labels(folder)
        for clip, labels in said.items():
            more = {"genre_source": source} if "genre" in labels else {}
            known[clip] = {**known.get(clip, {}), **labels, **more}
        write_json(folder / LABELS, known)
        tables.clips = [{**row, **known.get(row["clip_id"], {})} for row in tables.clips]
        write_folder(tables)
        if (folder / SUMS).exists():
            write_sums(folder, tables)
    return {name: sum(bool(row[name]) for row in tables.clips) for name in _SAID}


def read_labels(folder: Path) -> dict[str, Row]:
    """Clip id -> columns that labels fill; empty where nothing was labelled."""
    path = folder / LABELS
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(row, dict) for row in content.values()):
        raise MadanceError(f"{path}: no labels: bring the file back, or remove it and label again")
    columns = (*_SAID, "genre_source")
    return {
        clip: {name: _text(row[name]) for name in columns if row.get(name)} for clip, row in content.items()
    }


def _text(value: Any) -> str:
    """A label as one short printable line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())[:_LONGEST]


def _list(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            key = next(
                (name for name in ("clip_id", "source_id", "file") if name in (rows.fieldnames or ())), None
            )
            if key is None or not set(_SAID) & set(rows.fieldnames or ()):
                raise ConfigError(
                    f"{path}: expected a column clip_id, source_id or file, and genre or caption; it has "
                    f"{', '.join(rows.fieldnames or ()) or 'none'}"
                )
            for row in rows:
                yield row[key], {name: _text(row[name]) for name in _SAID if row.get(name)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MadanceError(f"{path}: not a readable CSV file ({error})") from error


def _finedance(folder: Path) -> Iterator[tuple[str, Row]]:
    """``NNN.json`` with ``style1`` and ``style2``: the finer one is the genre."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ConfigError(f"{folder}: holds no .json of FineDance's label_json")
    for path in files:
        content = read_json(path)
        style = (content.get("style2") or content.get("style1")) if isinstance(content, dict) else None
        if style:
            yield path.stem, {"genre": _text(style)}


def _of_keys(clips: list[Row], sources: list[Row], known: Mapping[str, Row]) -> dict[str, Row]:
    """Labels of clips by their own id, that of their source, or its file."""
    files = {row["source_id"]: row["file"] or "" for row in sources if row["source_id"]}
    found = {}
    for row in clips:
        file = files.get(row["source_id"], "")
        keys = (row["clip_id"], row["source_id"], file, stem_of(Path(file)) if file else "")
        labels = next((known[key] for key in keys if key and key in known), None)
        if labels:
            found[row["clip_id"]] = labels
    return found


def _of_model(folder: Path, name: str) -> dict[str, Row]:
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        raise ConfigError(
            f"{name}: no such file or folder, and no labeller of that name{did_you_mean(name, offered)}"
        )
    labeller: Labeller = offered[name].load()
    found = {}
    for clip in ClipTable.read(folder):
        try:
            said = labeller(clip)
        except Exception as error:  # a stranger's code: whatever it raises is told with the clip
            raise MadanceError(
                f"labeller {name!r}: {clip.clip_id}: {type(error).__name__}: {error}"
            ) from error
        labels = {key: _text(said[key]) for key in _SAID if said.get(key)}
        if labels:
            found[clip.clip_id] = labels
    return found
