"""Tables that have just been made get their groups and splits: what is frozen stays, the rest is provisional.

``madance curate``, ``render``, ``decide`` and ``merge`` end here, so that no table is ever without a split, and so that
whoever makes a data set reads how its splits stand. Clips of sources that were removed do not come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madata.dataset.folder import Row, require_tables
from madata.dataset.groups import group_of_sources, ties_between
from madata.dataset.labels import read_labels
from madata.dataset.music_features import music_columns
from madata.dataset.recognise import recognise, recognise_songs
from madata.dataset.removed import read_removed, tombstone
from madata.dataset.split import (
    Assignment,
    SplitRule,
    assign_new,
    provisional,
    read_assignment,
    write_assignment,
)
from madata.engine import SILENT, Watch
from madata.manifest import SOURCE_COLUMNS, TableWriter, clip_columns, iterate_rows, read_rows, table_columns

__all__ = ["Placed", "place_clips"]

_NEEDED = ("clip_id", "source_id", "path", "sha256", "split", "music_id")


@dataclass(frozen=True)
class Placed:
    """How the splits of a folder stand.

    Attributes:
        splits: clips in each.
        groups: split units that clips come from.
        near_duplicates: pairs of clips of different sources that show the same; they share a group.
        advice: what to do next about the splits, in words.
    """

    splits: dict[str, int]
    groups: int
    near_duplicates: int
    advice: str


def place_clips(
    folder: Path, *, val_share: float, test_share: float, jobs: int = 1, watch: Watch = SILENT
) -> Placed:
    """Find duplicates and write groups and splits into the tables of ``folder``.

    Args:
        val_share, test_share: of the groups, while nothing is frozen.

    Raises:
        MadanceError: a table cannot be read or written.
    """
    require_tables(folder)
    removed = read_removed(folder)
    sources = read_rows(folder / "sources.parquet", SOURCE_COLUMNS)
    clips = [
        row
        for row in read_rows(folder / "clips.parquet", clip_columns({}), only=_NEEDED)
        if row["source_id"] not in removed
    ]
    before = read_assignment(folder)
    frozen = set(before.test or ()) if before else set()
    duplicates = recognise(folder, clips, jobs=jobs, as_known=frozen, watch=watch)
    recognise_songs(folder, clips)
    songs = [(row["source_id"], row["music_id"]) for row in clips if row["music_id"]]
    ties = ties_between(sources, duplicates, songs, before.rule.by if before else SplitRule().by)
    ids = [row["source_id"] for row in sources if row["source_id"] and row["status"] != "duplicate"]
    if before is None:
        places = provisional(
            group_of_sources(ids, ties),
            (row["source_id"] for row in clips),
            val_share=val_share,
            test_share=test_share,
        )
        after = Assignment(SplitRule(val_share=val_share), places)
    else:
        after = Assignment(before.rule, assign_new(before, ids, ties), before.test, before.clips)
        write_assignment(folder, after)
    genres = {row["source_id"]: (row["genre"], row["genre_source"]) for row in sources if row["genre"]}
    music = {row["clip_id"]: row["music_id"] for row in clips}
    splits = _rewrite(folder, after, removed, genres, music)
    groups = {after.sources[row["source_id"]][0] for row in clips}
    return Placed(splits, len(groups), len(duplicates), _advice(after, len(groups), bool(clips)))


def _rewrite(
    folder: Path,
    after: Assignment,
    removed: Mapping[str, Row],
    genres: Mapping[str, tuple[str, str]],
    music: Mapping[str, str | None],
) -> dict[str, int]:
    """Write both tables again, row by row; the clips in each split. A clip without a genre has that of its source."""
    splits: Counter[str] = Counter()
    labels = read_labels(folder)
    known = clip_columns({})
    measured = {
        name: one for name, one in table_columns(folder / "clips.parquet").items() if name not in known
    }

    def sources() -> Iterator[Row]:
        for row in iterate_rows(folder / "sources.parquet"):
            gone = removed.get(str(row["source_id"]))
            yield after.source_row(tombstone(row, gone) if gone else row)

    def clips() -> Iterator[Row]:
        for row in iterate_rows(folder / "clips.parquet"):
            if row["source_id"] not in removed:
                marked = after.clip_row({**row, **labels.get(row["clip_id"], {})})
                marked |= {"music_id": music[row["clip_id"]], **music_columns(folder, marked)}
                if marked.get("genre") is None and row["source_id"] in genres:
                    marked["genre"], marked["genre_source"] = genres[row["source_id"]]
                splits[str(marked["split"])] += 1
                yield marked

    tables: list[tuple[str, Iterator[Row], Any]] = [
        ("sources", sources(), SOURCE_COLUMNS),
        ("clips", clips(), clip_columns(measured)),
    ]
    for name, rows, columns in tables:
        with TableWriter(folder / f"{name}.parquet", columns) as table:
            table.write(rows)
    return dict(sorted(splits.items()))


def _advice(after: Assignment, groups: int, has_clips: bool) -> str:
    if after.is_frozen:
        return "the test is frozen; madance dataset split FOLDER cuts and sums up what is new"
    if not has_clips:
        return ""
    if groups < 2:
        return (
            "there is no test split: all clips come from one group (a source, performance or uploader); add videos of "
            "others"
        )
    return "splits are provisional; madance dataset split FOLDER freezes a test of exactly 5 s clips"
