"""A data set without its media, and its clips again from a user's own downloads.

What may be published of crawled video is where it was, not what it shows: links, spans, keypoints, music features and
signatures. :func:`rebuild` cuts the clips again from videos that the user has downloaded. Encoders of other versions
give other bytes, so a clip is held against its signature: it must show the same dance from the same moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from madata.cache import remembered_sha256
from madata.dataset.absent import write_absent
from madata.dataset.duplicates import same_from_the_start
from madata.dataset.folder import FolderTables, Row, read_folder, write_folder
from madata.dataset.recognise import DUPLICATES, SIGNATURES, read_signatures, signature_in
from madata.dataset.removed import data_version
from madata.dataset.signatures import signature_of
from madata.dataset.sums import write_sums
from madata.engine import SILENT, Watch, run
from madata.errors import ConfigError, MadanceError, MediaError
from madata.files import copy_file, hold_folder, read_json, sha256_file, write_json
from madata.formats import files_in, stem_of

__all__ = ["Rebuilt", "rebuild", "release"]

MARK = "release.json"
_TABLES = (
    "shots.parquet",
    "timeline.parquet",
    SIGNATURES,
    DUPLICATES,
    "settings.toml",
    "settings.json",
    "removed.json",
)


def release(folder: Path, out: Path) -> int:
    """Write the data set ``folder`` without pictures and sound into the new folder ``out``; the number of its clips.

    Raises:
        ConfigError: ``out`` exists already.
        MadanceError: ``folder`` is no data set, or has no signatures yet.
    """
    if (out / "clips.parquet").exists():
        raise ConfigError(f"{out}: is a data set already: choose another --out")
    tables = read_folder(folder)
    known = {row["clip_id"] for row in read_signatures(folder)}
    unknown = [row["clip_id"] for row in tables.clips if row["clip_id"] not in known]
    if unknown:
        raise MadanceError(
            f"{folder}: {len(unknown)} clips have no signature ({unknown[0]}): madance dataset split {folder}"
        )
    with hold_folder(out):
        _copy_what_is_measured(folder, out, tables.clips)
        clips = [{**row, "thumbnail": None} for row in tables.clips]
        dropped = [{**row, "thumbnail": None} for row in tables.dropped]
        released = FolderTables(out, tables.sources, clips, dropped, tables.measured)
        write_json(out / MARK, {"version": 1, "data_version": data_version(folder), "clips": len(clips)})
        write_folder(released)
        write_sums(out, released)
    return len(clips)


@dataclass(frozen=True)
class Rebuilt:
    """What came of a rebuild.

    Attributes:
        clips: that are there and agree with their signatures.
        missing: source id -> clips that its absence costs.
        wrong: clip id -> why it is not what was released.
    """

    clips: int
    missing: dict[str, int]
    wrong: dict[str, str]


def rebuild(
    folder: Path,
    videos: Path,
    out: Path,
    *,
    jobs: int = 1,
    watch: Watch = SILENT,
) -> Rebuilt:
    """Cut the clips of a release again from the ``videos`` of a user, into the data set ``out``.

    Files are told by their content, or by the name they had (a downloader's name holds the id of the video). A call
    that was interrupted goes on.

    Raises:
        MadanceError: ``folder`` is no release.
    """
    if not (folder / MARK).exists():
        raise MadanceError(f"{folder}: no release (it holds no {MARK}); madance dataset release makes one")
    if read_json(folder / MARK).get("version") != 1:
        raise MadanceError(f"{folder / MARK}: of a newer madance; update this one")
    tables = read_folder(folder)
    found = _found(tables.sources, videos)
    signatures = {row["clip_id"]: row for row in read_signatures(folder)}
    by_source = tables.by_source()
    missing = {source: len(rows) for source, rows in by_source.items() if source not in found}
    kept: list[Row] = []
    wrong: dict[str, str] = {}
    with hold_folder(out):
        items = [(found[source], rows) for source, rows in sorted(by_source.items()) if source in found]
        work = partial(_rebuild_source, out=out, signatures=signatures)
        for number, outcome in enumerate(run(work, items, jobs=jobs), start=1):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            if outcome.value is None:
                wrong |= {row["clip_id"]: outcome.error or "no result" for row in outcome.item[1]}
            else:
                kept += outcome.value[0]
                wrong |= outcome.value[1]
            watch.files("sources", number, len(items))
        why = {
            row["clip_id"]: "its video is not there" for row in tables.clips if row["source_id"] in missing
        }
        _take_tables(folder, out, tables, kept, why | wrong)
    return Rebuilt(len(kept), dict(sorted(missing.items())), dict(sorted(wrong.items())))


def _found(sources: Iterable[Row], videos: Path) -> dict[str, Path]:
    if not videos.is_dir():
        raise MadanceError(f"{videos}: no such folder")
    files = list(files_in(videos, "video"))
    contents = {remembered_sha256(path): path for path in files}
    names = {stem_of(path): path for path in files}
    found = {}
    for row in sources:
        if row["source_id"] and row["status"] != "duplicate":
            path = contents.get(row["sha256"]) or names.get(stem_of(Path(row["file"] or "")))
            if path is not None:
                found[row["source_id"]] = path
    return found


def _rebuild_source(
    item: tuple[Path, list[Row]], report: Callable[[float], None], *, out: Path, signatures: dict[str, Row]
) -> tuple[list[Row], dict[str, str]]:
    """The rows of the clips that came out right, and why others did not."""
    from madata.bars import crop_of
    from madata.types import Span
    from madata.video import CutRequest, EncodeSettings, cut

    source, rows = item
    kept: list[Row] = []
    wrong: dict[str, str] = {}
    for row in rows:
        target = out / row["path"]
        if not target.exists():
            span = Span(row["start_frame"], row["end_frame"], row["start_s"], row["end_s"])
            settings = EncodeSettings(
                fps=row["fps"], size=(row["width"], row["height"]), audio_rate_hz=48_000
            )
            try:
                (result,) = cut(source, [CutRequest(span, target, crop_of(row))], settings)
            except MediaError as error:
                wrong[row["clip_id"]] = str(error)
                continue
            if result.reason is not None:
                wrong[row["clip_id"]] = result.error or result.reason
                continue
        why = _other_than(signatures[row["clip_id"]], target)
        if why:
            wrong[row["clip_id"]] = why
            target.unlink()
        else:
            kept.append({**row, "bytes": target.stat().st_size, "sha256": sha256_file(target)})
    return kept, wrong


def _other_than(known: Row, path: Path) -> str | None:
    """Why a clip does not show what its signature says; ``None`` where it does."""
    score = same_from_the_start(signature_in(known).motion, signature_of(path).motion)
    if score is None:
        return None  # hardly anything moves in it: there is nothing to know it by
    if not np.isfinite(score) or score < 0.5:
        return (
            "shows something else than what was released: another version of the video, or another part of it"
        )
    return None


def _copy_what_is_measured(folder: Path, out: Path, clips: Iterable[Row]) -> None:
    """Tables, lists and settings of a folder, and the features of some of its clips."""
    for name in _TABLES:
        if (folder / name).is_file():
            copy_file(folder / name, out / name)
    for name in ("splits", "settings"):
        for path in sorted((folder / name).rglob("*")):
            if path.is_file():
                copy_file(path, out / path.relative_to(folder))
    for row in clips:
        for column in ("keypoints", "music"):
            if row[column]:
                copy_file(folder / row[column], out / row[column])


def _take_tables(
    folder: Path, out: Path, tables: FolderTables, kept: list[Row], absent: dict[str, str]
) -> None:
    names = {row["clip_id"] for row in kept}
    _copy_what_is_measured(folder, out, [row for row in tables.clips if row["clip_id"] in names])
    kept.sort(key=lambda row: str(row["clip_id"]))
    rebuilt = FolderTables(out, tables.sources, kept, tables.dropped, tables.measured)
    write_folder(rebuilt)
    write_absent(out, absent)
    write_sums(out, rebuilt)
