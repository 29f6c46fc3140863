"""Join data sets: the rendered and the wild half, or the parts that several machines made.

The result is a function of what is joined, not of the order: rows are sorted by their ids, and the same folders give
the same bytes. A clip that stands in two folders with the same bytes is taken once; with other bytes it is an error
that names both. Parts that were curated under the same settings make a folder of these settings: what was measured
goes along, and ``madance dataset decide`` takes it as if one machine had made it. Frozen splits of one folder are kept;
two folders with different frozen tests cannot be joined.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madata.config import differences
from madata.dataset.absent import read_absent, write_absent
from madata.dataset.folder import FILE_COLUMNS, REMOVED, FolderTables, Row, read_folder, write_folder
from madata.dataset.labels import join_labels
from madata.dataset.placed import place_clips
from madata.dataset.recognise import read_signatures, write_signatures
from madata.dataset.removed import write_removed
from madata.dataset.split import Assignment, SplitRule, read_assignment, write_assignment
from madata.engine import SILENT, Watch
from madata.errors import ConfigError, MadanceError
from madata.files import hold_folder, link_or_copy, read_json, read_toml, sha256_file, write_json
from madata.manifest import SHOT_COLUMNS, read_rows, table_columns, write_table

__all__ = ["MergeSummary", "merge_data_sets"]


@dataclass(frozen=True)
class MergeSummary:
    """What a merge made; ``splits`` counts the clips in each."""

    folders: int
    sources: int
    clips: int
    clips_s: float
    dropped: int
    repeated: int
    near_duplicates: int
    splits: dict[str, int]
    advice: str


def merge_data_sets(
    folders: Sequence[Path],
    out: Path,
    *,
    jobs: int = 1,
    watch: Watch = SILENT,
) -> MergeSummary:
    """Join ``folders`` into the new data set ``out``; files become hard links where that is possible.

    Raises:
        ConfigError: a folder is named twice, or is ``out``.
        MadanceError: two of them contradict each other.
    """
    resolved = [folder.resolve() for folder in folders]
    if len(set(resolved)) < len(resolved):
        raise ConfigError("a folder is named twice")
    if out.resolve() in resolved:
        raise ConfigError(f"{out} is one of the folders that are joined: choose another --out")
    parts = [read_folder(folder) for folder in folders]
    with hold_folder(out):
        _refuse_other_content(out, parts)
        sources = _sources(parts)
        clips, repeated = _clips(parts)
        dropped = _distinct(row for part in parts for row in part.dropped)
        measured = {name: column for part in parts for name, column in sorted(part.measured.items())}
        merged = FolderTables(out, sources, clips, dropped, dict(sorted(measured.items())))
        frozen = _frozen(folders)
        _link_files(parts, out, watch)
        signatures = {row["clip_id"]: row for folder in folders for row in read_signatures(folder)}
        kept = {row["clip_id"] for row in clips}
        write_signatures(out, [row for name, row in signatures.items() if name in kept])
        _more_tables(folders, out)
        _write_settings(folders, out)
        _take_measurements(parts, out)
        # without its labels a folder that is decided about again would lose them, and a model be asked again; what
        # the whole was labelled with since says it first
        join_labels([out, *(part.folder for part in sorted(parts, key=_identity))], out, kept)
        if frozen is not None:
            write_assignment(out, frozen)
        write_removed(out, folders)
        _note_absent(folders, out, kept)
        write_folder(merged)
        share = SplitRule().val_share
        placed = place_clips(out, val_share=share, test_share=share, jobs=jobs, watch=watch)
    seconds = float(sum(row["duration_s"] or 0.0 for row in clips))
    return MergeSummary(
        len(folders),
        len(sources),
        len(clips),
        seconds,
        len(dropped),
        repeated,
        placed.near_duplicates,
        placed.splits,
        placed.advice,
    )


def _refuse_other_content(out: Path, parts: Sequence[FolderTables]) -> None:
    """A folder that a merge of others was begun in holds their files too."""
    names = sorted(_identity(part) for part in parts)
    path = out / "merged.json"
    if (out / "clips.parquet").exists() and not path.exists():
        raise ConfigError(f"{out}: is a data set already: choose another --out")
    if path.exists() and (changed := differences(read_json(path), {"parts": names})):
        raise ConfigError(f"{out}: other data sets were joined here ({changed[0]}): choose another --out")
    write_json(path, {"parts": names})


def _identity(part: FolderTables) -> str:
    return sha256_file(part.folder / "clips.parquet")


def _sources(parts: Sequence[FolderTables]) -> list[Row]:
    """One row for each source; rows of files that are no source as they are."""
    known: dict[str, tuple[Row, Path]] = {}
    others = []
    for part in parts:
        for row in part.sources:
            if not row["source_id"] or row["status"] == "duplicate":
                others.append(row)
                continue
            before = known.get(row["source_id"])
            if (
                before is not None
                and before[0]["sha256"] != row["sha256"]
                and row["sha256"]
                and before[0]["sha256"]
            ):
                raise MadanceError(
                    f"source {row['source_id']!r} is one file in {before[1]} and another in {part.folder}: "
                    "rename one and curate it again"
                )
            if before is None or _rank(row) > _rank(before[0]):
                known[row["source_id"]] = (row, part.folder)
    return [*(known[name][0] for name in sorted(known)), *_distinct(others)]


def _rank(row: Row) -> tuple[bool, int, str]:
    """Of two rows of a source the one that says it was removed, then the one that clips came of."""
    return (
        row["status"] == REMOVED,
        int(row["clips"] or 0),
        str(sorted(row.items(), key=lambda item: item[0])),
    )


def _clips(parts: Sequence[FolderTables]) -> tuple[list[Row], int]:
    removed = {row["source_id"] for part in parts for row in part.sources if row["status"] == REMOVED}
    known: dict[str, tuple[Row, Path]] = {}
    repeated = 0
    for part in parts:
        for row in part.clips:
            if row["source_id"] in removed:
                continue
            before = known.get(row["clip_id"])
            if before is not None:
                if before[0]["sha256"] != row["sha256"]:
                    raise MadanceError(
                        f"clip {row['clip_id']!r} is in {before[1]} and in {part.folder} with different bytes: "
                        "they were made under different settings or on different machines; leave one folder out"
                    )
                repeated += 1
            known[row["clip_id"]] = (row, part.folder)
    return [known[name][0] for name in sorted(known)], repeated


def _distinct(rows: Any) -> list[Row]:
    """Different rows in an order that depends on them alone."""
    by_text = {str(sorted(row.items(), key=lambda item: item[0])): row for row in rows}
    order = sorted(
        by_text, key=lambda text: (str(by_text[text].get("source_id") or ""), _start(by_text[text]), text)
    )
    return [by_text[text] for text in order]


def _start(row: Row) -> int:
    return int(row.get("start_frame") or 0)


def _frozen(folders: Sequence[Path]) -> Assignment | None:
    found = [
        (folder, assignment) for folder in folders if (assignment := read_assignment(folder)) is not None
    ]
    if not found:
        return None
    first = found[0]
    for other in found[1:]:
        if other[1].test != first[1].test:
            raise MadanceError(
                f"{first[0]} and {other[0]} have different frozen tests: join what they were made of before a test is "
                "frozen, or leave one out"
            )
    sources = {name: place for _, assignment in found for name, place in assignment.sources.items()}
    return Assignment(first[1].rule, dict(sorted(sources.items())), first[1].test, first[1].clips)


def _note_absent(folders: Sequence[Path], out: Path, kept: Set[str]) -> None:
    """What a part could not make again is missing from the whole only where no other part has it."""
    reasons = sorted({one for folder in folders for one in read_absent(folder).items()}, reverse=True)
    if absent := {name: why for name, why in reasons if name not in kept}:
        write_absent(out, absent)


def _more_tables(folders: Sequence[Path], out: Path) -> None:
    for name in ("shots", "timeline"):
        paths = [folder / f"{name}.parquet" for folder in folders if (folder / f"{name}.parquet").exists()]
        if paths:
            columns = SHOT_COLUMNS if name == "shots" else table_columns(paths[0])
            write_table(
                out / f"{name}.parquet", _distinct(row for path in paths for row in read_rows(path)), columns
            )


def _write_settings(folders: Sequence[Path], out: Path) -> None:
    """The settings of all parts, each once, named by their content; halves that are made by different tools differ."""
    for folder in folders:
        files = [folder / name for name in ("settings.toml", "settings.json")]
        files += sorted((folder / "settings").glob("*")) if (folder / "settings").is_dir() else []
        for path in files:
            if path.is_file():
                _link(path, out / "settings" / f"{sha256_file(path)[:12]}{path.suffix}")


def _take_measurements(parts: Sequence[FolderTables], out: Path) -> None:
    """Settings, journal and observations of parts that ``madance curate`` made under the same settings."""
    settings = [part.folder / "settings.toml" for part in parts]
    if not all(path.is_file() for path in settings) or len({path.read_bytes() for path in settings}) > 1:
        return
    if "renderer" in read_toml(settings[0]):
        return
    _link(settings[0], out / "settings.toml")
    removed = {row["source_id"] for part in parts for row in part.sources if row["status"] == REMOVED}
    for part in sorted(parts, key=_identity):
        for pattern in ("journal/*/*.json", "observations/*.npz"):
            for path in sorted(part.folder.glob(pattern)):
                if path.stem not in removed:
                    _link(path, out / path.relative_to(part.folder))


def _link_files(parts: Sequence[FolderTables], out: Path, watch: Watch) -> None:
    """Every file of every clip, and the pictures of what was dropped."""
    taken, total = 0, sum(len(part.clips) for part in parts)
    for part in parts:
        for row in part.clips:
            for name in filter(None, map(row.get, FILE_COLUMNS)):
                _link(part.folder / name, out / name)
            taken += 1
            watch.files("clips", taken, total)
        for row in part.dropped:
            if row["thumbnail"]:
                _link(part.folder / row["thumbnail"], out / row["thumbnail"])


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system has them: clips are never written in place."""
    if target.exists():
        return
    if not source.is_file():
        raise MadanceError(
            f"{source}: no such file; the table of its folder names it: copy the whole folder again"
        )
    link_or_copy(source, target)
