"""Give every group its split for good, and cut the test clips to their exact length.

The first call chooses and freezes the test list; a later one, after growth, gives what is new its place and moves
nothing else. A call that was interrupted goes on: a test clip that is there is not cut again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madata.dataset.folder import FolderTables, Row, hold_data_set, read_folder, write_folder
from madata.dataset.groups import group_of_sources, hashed_place, ties_between
from madata.dataset.music_features import music_columns
from madata.dataset.recognise import recognise, recognise_songs
from madata.dataset.split import (
    Assignment,
    SplitRule,
    assign_new,
    choose_test,
    read_assignment,
    write_assignment,
)
from madata.dataset.sums import write_sums
from madata.engine import SILENT, Watch
from madata.errors import ConfigError, MadanceError
from madata.files import read_npz, write_npz
from madata.types import Span

__all__ = ["SplitSummary", "split_data_set"]


@dataclass(frozen=True)
class SplitSummary:
    """What came of a split.

    Attributes:
        splits: clips in each.
        new: sources that got their place now.
        duplicates: pairs of clips of different sources that show the same.
        fewer: why there are fewer test clips than wanted; ``None`` where there are not.
    """

    groups: int
    test: int
    splits: dict[str, int]
    new: int
    duplicates: int
    fewer: str | None


def split_data_set(folder: Path, rule: SplitRule, *, jobs: int = 1, watch: Watch = SILENT) -> SplitSummary:
    """Split the data set ``folder``: find duplicates, join groups, freeze the test list or go by the frozen one.

    Raises:
        ConfigError: it was frozen under another rule.
        MadanceError: ``folder`` is no data set, or there is nothing to test.
    """
    with hold_data_set(folder):
        tables = read_folder(folder)
        if not tables.clips:
            raise MadanceError(f"{folder}: holds no clip; see dropped.parquet for why")
        before = read_assignment(folder)
        frozen = set(before.test or ()) if before else set()
        duplicates = recognise(folder, tables.clips, jobs=jobs, as_known=frozen, watch=watch)
        if before is not None and before.rule != rule:
            raise ConfigError(
                f"{folder}: the test was frozen with other options ({before.rule}): go on without them, or make "
                "another data set"
            )
        recognise_songs(folder, tables.clips)
        songs = [(row["source_id"], row["music_id"]) for row in tables.clips if row["music_id"]]
        ties = ties_between(tables.sources, duplicates, songs, rule.by)
        ids = [
            row["source_id"] for row in tables.sources if row["source_id"] and row["status"] != "duplicate"
        ]
        if before is None:
            after = _first(tables, rule, group_of_sources(ids, ties))
        else:
            after = Assignment(before.rule, assign_new(before, ids, ties), before.test, before.clips)
        _cut_test(tables, after)
        _mark(tables, after)
        # the frozen list first: what follows is made again from it
        write_assignment(folder, after)
        write_folder(tables)
        _remove_long(tables, after)
        write_sums(folder, tables)
        return _summary(tables, after, before, len(duplicates), rule)


def _first(tables: FolderTables, rule: SplitRule, groups: Mapping[str, str]) -> Assignment:
    chosen = choose_test(tables.clips, groups, rule)
    sources = {}
    for source, group in groups.items():
        left = "val" if hashed_place(group, f"{rule.salt} val") < rule.val_share else "train"
        sources[source] = (group, "test" if group in chosen else left)
    return Assignment(rule, sources, tuple(sorted(chosen.values())))


def _cut_test(tables: FolderTables, after: Assignment) -> None:
    rows = {row["clip_id"]: row for row in tables.clips}
    for clip_id in after.test or ():
        if clip_id in rows and clip_id not in after.clips:
            after.clips[clip_id] = cut_test_clip(tables.folder, rows[clip_id], after.rule.seconds)


def cut_test_clip(folder: Path, row: Mapping[str, Any], seconds: float) -> Row:
    """Cut the beginning of a clip to exactly ``seconds``; the columns that this changes.

    A frame rate that has no whole number of frames in that time becomes the next whole one (29.97 becomes 30).
    """
    from madata.files import sha256_file
    from madata.video import CutRequest, EncodeSettings, cut

    clip_id = str(row["clip_id"])
    fps = float(row["fps"])
    rate = fps if abs(fps * seconds - round(fps * seconds)) < 1e-6 else float(round(fps))
    frames = round(rate * seconds)
    target, points = Path("test") / f"{clip_id}.mp4", None
    source = folder / str(row["path"])
    if not (folder / target).exists():
        span = Span(0, round(fps * seconds), 0.0, seconds)
        settings = EncodeSettings(fps=rate, audio_rate_hz=None)
        (result,) = cut(source, [CutRequest(span, folder / target)], settings)
        if result.reason is not None or result.num_frames != frames:
            raise MadanceError(
                f"{source}: cannot be cut to {seconds:g} s ({result.error or result.num_frames})"
            )
    if row.get("keypoints"):
        points = Path("keypoints") / "test" / f"{clip_id}.npz"
        if not (folder / points).exists():
            _cut_keypoints(folder / str(row["keypoints"]), folder / points, seconds, fps)
    share = seconds / float(row["duration_s"])
    return {
        "end_s": float(row["start_s"])
        + seconds * (float(row["end_s"]) - float(row["start_s"])) / float(row["duration_s"]),
        "end_frame": int(row["start_frame"])
        + round(share * (int(row["end_frame"]) - int(row["start_frame"]))),
        "fps": rate,
        "num_frames": frames,
        "duration_s": seconds,
        "path": target.as_posix(),
        "keypoints": None if points is None else points.as_posix(),
        "bytes": (folder / target).stat().st_size,
        "sha256": sha256_file(folder / target),
    }


def _cut_keypoints(source: Path, target: Path, seconds: float, fps: float) -> None:
    arrays = read_npz(source)
    count = len(arrays["xy"])
    times = arrays["times_s"] if "times_s" in arrays else np.arange(count) / float(arrays.get("fps", fps))
    kept = times < seconds - 1e-6
    by_time = ("xy", "score", "times_s", "joints3d")
    write_npz(target, **{name: array[kept] if name in by_time else array for name, array in arrays.items()})


def _mark(tables: FolderTables, after: Assignment) -> None:
    tables.sources = [after.source_row(row) for row in tables.sources]
    tables.clips = [after.clip_row(row) for row in tables.clips]
    for row in tables.clips:
        if row["clip_id"] in after.clips:
            row |= music_columns(tables.folder, row)


def _remove_long(tables: FolderTables, after: Assignment) -> None:
    """The long version of a test clip goes: who takes all of ``clips/`` to train on must not meet the test there."""
    for clip_id in after.clips:
        (tables.folder / "clips" / f"{clip_id}.mp4").unlink(missing_ok=True)
        (tables.folder / "keypoints" / f"{clip_id}.npz").unlink(missing_ok=True)


def _summary(
    tables: FolderTables, after: Assignment, before: Assignment | None, duplicates: int, rule: SplitRule
) -> SplitSummary:
    splits = Counter(str(row["split"]) for row in tables.clips)
    test = len(after.test or ())
    fewer = None
    if test < rule.clips:
        fewer = f"{test} test clips, not {rule.clips}: a group gives one, and at most a fifth of the groups is tested"
    return SplitSummary(
        groups=len({group for group, _ in after.sources.values()}),
        test=test,
        splits=dict(sorted(splits.items())),
        new=len(set(after.sources) - set(before.sources if before else ())),
        duplicates=duplicates,
        fewer=fewer,
    )
