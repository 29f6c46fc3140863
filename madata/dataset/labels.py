"""Genre and caption of clips: from a list, from FineDance's label files, or from a user's own model.

A model is one function, offered by the entry-point group ``madance.labels``: it takes a :class:`madata.types.Clip` and
returns ``genre``, ``caption`` or both. What was said is kept in ``labels.json``, so that tables that are
made again have it too; a later label replaces an earlier one. A model is asked about each clip once, whatever becomes
of the call; a clip at which it fails is named, and asked about again by the next one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from madata.dataset.clips import ClipTable
from madata.dataset.folder import Row, hold_data_set, read_folder, write_folder
from madata.dataset.sums import SUMS, write_sums
from madata.engine import SILENT, Watch
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.files import kept_on_the_way, read_json, write_json
from madata.formats import stem_of
from madata.types import Clip

__all__ = ["LABELS", "Labelled", "Labeller", "join_labels", "label_clips", "read_labels"]

Labeller = Callable[[Clip], Mapping[str, Any]]
GROUP = "madance.labels"
LABELS = "labels.json"
_SAID = ("genre", "caption")
_ASKED = "labeller"
"""What ``labels.json`` says besides: which model has been asked about a clip."""
_LONGEST = 2000


@dataclass(frozen=True)
class Labelled:
    """How many clips have a genre and a caption now, and clip id -> why a model has not labelled it."""

    genre: int
    caption: int
    failed: dict[str, str]


def label_clips(folder: Path, given: str, *, again: bool = False, watch: Watch = SILENT) -> Labelled:
    """Label the clips of ``folder``.

    Args:
        given: a CSV file with a column ``clip_id``, ``source_id`` or ``file`` and any of ``genre`` and ``caption``; a
            folder of FineDance's ``label_json``; or the name of a labeller.
        again: ask a labeller also about clips that it has labelled.
        watch: is told about how many clips a labeller has been asked.

    Raises:
        ConfigError: there is no such file, folder or labeller.
        MadanceError: a file cannot be read.
    """
    path, failed = Path(given), dict[str, str]()
    with hold_data_set(folder):
        tables, known = read_folder(folder), _read(folder)
        if path.is_dir() or path.is_file():
            said, source = (_finedance(path), "finedance") if path.is_dir() else (_list(path), "list")
            _take(known, _of_keys(tables.clips, tables.sources, dict(said)), source)
            write_json(folder / LABELS, known)
        else:
            failed = _ask(folder, given, known, again, watch)
        labels = _columns(known)
        tables.clips = [{**row, **labels.get(row["clip_id"], {})} for row in tables.clips]
        write_folder(tables)
        if (folder / SUMS).exists():
            write_sums(folder, tables)
    genre, caption = (sum(bool(row[name]) for row in tables.clips) for name in _SAID)
    return Labelled(genre, caption, failed)


def _take(known: dict[str, Row], said: Mapping[str, Row], source: str) -> None:
    """Put labels beside those that are known, or in their place."""
    for clip, labels in said.items():
        more = {"genre_source": source} if "genre" in labels else {}
        known[clip] = {**known.get(clip, {}), **labels, **more}


def read_labels(folder: Path) -> dict[str, Row]:
    """Clip id -> columns that labels fill; empty where nothing was labelled."""
    return _columns(_read(folder))


def _columns(known: Mapping[str, Row]) -> dict[str, Row]:
    return {clip: {name: row[name] for name in row if name != _ASKED} for clip, row in known.items()}


def join_labels(folders: Sequence[Path], out: Path, clips: Set[str]) -> None:
    """Write what is known of ``clips`` in several folders into ``out``; of a clip in two of them the first says it."""
    known = {
        clip: row for folder in reversed(folders) for clip, row in _read(folder).items() if clip in clips
    }
    if known:
        write_json(out / LABELS, dict(sorted(known.items())))


def _read(folder: Path) -> dict[str, Row]:
    """Clip id -> labels, and which model was asked."""
    path = folder / LABELS
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(row, dict) for row in content.values()):
        raise MadanceError(f"{path}: no labels: bring the file back, or remove it and label again")
    columns = (*_SAID, "genre_source", _ASKED)
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


def _ask(folder: Path, name: str, known: dict[str, Row], again: bool, watch: Watch) -> dict[str, str]:
    """Ask a model about clips and keep what it says; clip id -> why there is no answer."""
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        raise ConfigError(
            f"{name}: no such file or folder, and no labeller of that name{did_you_mean(name, offered)}"
        )
    try:
        labeller: Labeller = offered[name].load()
    except (Exception, SystemExit) as error:  # a stranger's module: whatever it raises on import
        raise MadanceError(f"labeller {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    clips = [
        clip for clip in ClipTable.read(folder) if again or known.get(clip.clip_id, {}).get(_ASKED) != name
    ]
    failed = {}
    with kept_on_the_way(lambda: write_json(folder / LABELS, known)) as note:
        for number, clip in enumerate(clips, start=1):
            try:
                said = labeller(clip)
                labels = {key: _text(said[key]) for key in _SAID if said.get(key)}
            # a stranger's code: whatever it raises is told with the clip, also its wish to end the process
            except (Exception, SystemExit) as error:
                failed[clip.clip_id] = f"labeller {name!r}: {type(error).__name__}: {error}"
            else:
                _take(known, {clip.clip_id: {**labels, _ASKED: name}}, name)
            watch.files("labels", number, len(clips))
            note(len(known))
    return failed
