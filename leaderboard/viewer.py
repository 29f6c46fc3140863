"""What the clip viewer of the page needs: per clip, the videos of truth and systems, and that clip's scores.

Videos are copied under numbers, so that no name of a stranger becomes a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.result import Metric
from leaderboard.board import Board
from leaderboard.layout import BoardColumn, columns_of, extra_column, in_shown_unit
from leaderboard.paper import TASKS
from leaderboard.tables import Row
from leaderboard.ties import clip_scores
from madata.errors import MadanceError
from madata.files import copy_file, sha256_file
from madata.formats import PLAYED_BY_BROWSERS, files_in, stem_of, suffix_of

__all__ = ["TRUTH", "Lane", "find_videos", "make_lanes", "viewer_data"]

TRUTH = "ground-truth"
_BESIDE = "videos"


@dataclass(frozen=True)
class Lane:
    """One player: a row of a table, or the truth.

    Attributes:
        videos: clip -> path relative to the page.
        same: clips whose video is the very file that was scored.
        scores: metric -> clip -> value in the unit shown.
    """

    key: str
    name: str
    task: str
    kind: str
    videos: Mapping[str, str]
    same: frozenset[str]
    scores: Mapping[str, Mapping[str, float]]


def find_videos(folder: Path) -> dict[str, Path]:
    """Videos of a folder by clip id (their stem), in subfolders too.

    Raises:
        MadanceError: there is no such folder, or no video in it.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder of videos")
    found = {
        stem_of(path): path for path in files_in(folder, "video") if suffix_of(path) in PLAYED_BY_BROWSERS
    }
    if not found:
        raise MadanceError(f"{folder}: no video in it ({', '.join(PLAYED_BY_BROWSERS)})")
    return found


def make_lanes(boards: Sequence[Board], media: Mapping[str, Path], out: Path, *, most: int) -> list[Lane]:
    """A lane for the truth and for every measured row; videos are copied to ``out/media``.

    Args:
        media: name of a system (or ``ground-truth``) -> folder of its videos; else ``videos`` beside its result.
        most: clips to show.

    Raises:
        MadanceError: ``media`` names a system that no result has, or a folder without videos.
    """
    rows = _rows(boards)
    names = {board.entries[row.key][0].result.system.name for board, row in rows} | {TRUTH}
    if unknown := sorted(set(media) - names):
        raise MadanceError(
            f"videos are given for {', '.join(unknown)}, but the systems are {', '.join(sorted(names))}"
        )
    folders = {name: find_videos(folder) for name, folder in media.items()}
    for board, row in rows:
        for entry in board.entries[row.key]:
            beside = entry.file.parent / _BESIDE
            name = entry.result.system.name
            if name not in folders and beside.is_dir():
                folders[name] = find_videos(beside)
    scores = {row.key: _scores(board, row.key) for board, row in rows}
    clips = _chosen(folders, scores, most)
    shown = {
        name: _copied(number, videos, clips, out)
        for number, (name, videos) in enumerate(sorted(folders.items()))
    }
    lanes = []
    if TRUTH in folders and not any(
        board.entries[row.key][0].result.system.name == TRUTH for board, row in rows
    ):
        lanes.append(Lane("truth", "ground truth", "", "ground-truth", shown[TRUTH], frozenset(), {}))
    for board, row in rows:
        own = board.entries[row.key]
        name = own[0].result.system.name
        hashes = {
            hashed.prediction
            for entry in own
            for hashed in entry.result.dataset.files.values()
            if hashed.prediction
        }
        same = {clip for clip in shown.get(name, {}) if sha256_file(folders[name][clip]) in hashes}
        kept = {
            metric: {clip: value for clip, value in values.items() if clip in clips}
            for metric, values in scores[row.key].items()
        }
        lanes.append(
            Lane(row.key, row.name, board.table.task, row.kind, shown.get(name, {}), frozenset(same), kept)
        )
    return sorted(lanes, key=lambda lane: lane.kind != "ground-truth")


def _rows(boards: Sequence[Board]) -> list[tuple[Board, Row]]:
    """The first measured row of each system in each task; its videos are the same under every protocol."""
    found: dict[tuple[str, str], tuple[Board, Row]] = {}
    for board in boards:
        for section in board.table.sections:
            for row in section.rows:
                if row.results:
                    found.setdefault((board.table.task, row.name), (board, row))
    return list(found.values())


def _scores(board: Board, key: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    columns = {column.metric: column for column in board.table.columns}
    for entry in board.entries[key]:
        if entry.samples is None:
            continue
        for metric, values in clip_scores(entry.samples).items():
            column = columns.get(metric)
            found[metric] = values if column is None else _shown(values, column)
    return found


def _shown(values: Mapping[str, float], column: BoardColumn) -> dict[str, float]:
    """Per-clip scores in the unit of the column; some are 0..100 per clip and 0..1 in the mean."""
    unit = "0..100" if max(map(abs, values.values()), default=0.0) > 1.5 else ""
    return {clip: in_shown_unit(value, column, unit) for clip, value in values.items()}


def _chosen(
    folders: Mapping[str, Mapping[str, Path]],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
    most: int,
) -> frozenset[str]:
    """The clips with the most videos, then by name."""
    known = {clip for videos in folders.values() for clip in videos}
    known |= {clip for own in scores.values() for values in own.values() for clip in values}
    order = sorted(known, key=lambda clip: (-sum(clip in videos for videos in folders.values()), clip))
    return frozenset(order[:most])


def _copied(number: int, videos: Mapping[str, Path], clips: frozenset[str], out: Path) -> dict[str, str]:
    copied = {}
    for place, clip in enumerate(sorted(set(videos) & clips)):
        source = videos[clip]
        name = f"media/{number}/{place}{source.suffix.lower()}"
        copy_file(source, out / name)
        copied[clip] = name
    return copied


def viewer_data(lanes: Sequence[Lane]) -> dict[str, Any]:
    """The document the script of the page reads."""
    metrics: dict[str, dict[str, Any]] = {}
    for lane in lanes:
        for metric in lane.scores:
            column = _column(lane.task, metric)
            metrics.setdefault(
                metric,
                {
                    "label": column.label,
                    "title": column.title,
                    "digits": column.digits,
                    "arrow": column.arrow,
                },
            )
    known = {clip for lane in lanes for clip in [*lane.videos, *(c for v in lane.scores.values() for c in v)]}
    clips = sorted(known, key=lambda clip: (-sum(clip in lane.videos for lane in lanes), clip))
    return {
        "clips": clips,
        "metrics": metrics,
        "lanes": [
            {
                "key": lane.key,
                "name": lane.name,
                "task": lane.task,
                "kind": lane.kind,
                "videos": dict(lane.videos),
                "same": sorted(lane.same),
                "scores": {metric: dict(values) for metric, values in lane.scores.items()},
            }
            for lane in lanes
        ],
    }


def _column(task: str, metric: str) -> BoardColumn:
    usual = [column for name in TASKS if name == task for column in columns_of(name)]
    for column in usual:
        if column.metric == metric:
            return column
    blank = Metric(name=metric, track="motion", value=0.0, unit="", higher_is_better=None, n=0, version=1)
    return extra_column(blank)
