"""What the clip viewer of the page needs: per clip, the videos and dances of truth and systems, and that clip's scores.

Videos and sounds are copied under numbers, so that no name of a stranger becomes a path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.result import Metric
from leaderboard.board import Board
from leaderboard.dances import beats_of, pack_dances
from leaderboard.layout import BoardColumn, columns_of, extra_column, in_shown_unit
from leaderboard.paper import TASKS
from leaderboard.tables import Row
from leaderboard.ties import clip_scores
from madata.errors import MadanceError
from madata.files import copy_file, sha256_file
from madata.formats import PLAYED_BY_BROWSERS, files_in, kind_of, stem_of, suffix_of

__all__ = ["TRUTH", "Clips", "Lane", "find_videos", "gather_clips", "viewer_data"]

TRUTH, MUSIC = "ground-truth", "music"
_BESIDE = ("videos", "motions", "predictions")
"""Folders beside a result whose files are shown; the last is that of a submission."""
_MOST_SCORES = 250_000
"""Scores of single clips in a page: 300 systems with 10 metrics on 83 clips, or 10 on all of 2,500."""


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


@dataclass(frozen=True)
class Clips:
    """Everything the viewer shows.

    Attributes:
        names: clips in the order they are offered; the first ones have the media.
        known: how many there are, where the page holds fewer.
        dances: clip -> packed dancers, named by the key of their lane.
        sounds, beats: of the music of a clip.
    """

    lanes: tuple[Lane, ...]
    names: tuple[str, ...]
    known: int
    dances: Mapping[str, list[dict[str, Any]]]
    sounds: Mapping[str, str]
    beats: Mapping[str, list[float]]


@dataclass
class _Media:
    videos: dict[str, Path] = field(default_factory=dict)
    motions: dict[str, Path] = field(default_factory=dict)

    def __contains__(self, clip: str) -> bool:
        return clip in self.videos or clip in self.motions


def _find_media(folder: Path) -> _Media:
    """Videos and motions of a folder by clip id (their stem), in subfolders too.

    Raises:
        MadanceError: there is no such folder, or neither in it.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder of videos or motions")
    found = _Media()
    for path in files_in(folder, "video", "motion"):
        if suffix_of(path) in PLAYED_BY_BROWSERS:
            found.videos.setdefault(stem_of(path), path)
        elif kind_of(path) == "motion":
            found.motions.setdefault(stem_of(path), path)
    if not found.videos and not found.motions:
        raise MadanceError(f"{folder}: no video in it ({', '.join(PLAYED_BY_BROWSERS)}) and no motion")
    return found


def find_videos(folder: Path) -> dict[str, Path]:
    """Videos of a folder by clip id, in subfolders too.

    Raises:
        MadanceError: there is no such folder, or no video in it.
    """
    if videos := _find_media(folder).videos:
        return videos
    raise MadanceError(f"{folder}: no video in it ({', '.join(PLAYED_BY_BROWSERS)})")


def gather_clips(
    boards: Sequence[Board],
    media: Mapping[str, Path],
    out: Path,
    *,
    most: int,
    on_step: Callable[[str], None] = lambda text: None,
) -> Clips:
    """A lane for the truth and for every measured row; videos and sounds are copied to ``out/media``.

    Args:
        media: name of a system (or ``ground-truth``) -> folder of its videos or motions, else ``videos``, ``motions``
            or ``predictions`` beside its result; ``music`` -> folder of the sounds, named like the clips.
        most: clips whose videos and dances are shown; scores of single clips are shown of more.

    Raises:
        MadanceError: ``media`` names a system that no result has, or a folder with nothing to show.
    """
    rows = _rows(boards)
    systems = {board.entries[row.key][0].result.system.name for board, row in rows} | {TRUTH}
    if unknown := sorted(set(media) - systems - {MUSIC}):
        raise MadanceError(
            f"media are given for {', '.join(unknown)}, but the systems are {', '.join(sorted(systems))}"
        )
    folders = _folders(rows, {name: folder for name, folder in media.items() if name != MUSIC})
    scores = {row.key: _scores(board, row.key) for board, row in rows}
    names = _ordered(folders, scores)
    shown = frozenset(names[:most])
    kept = names[: max(most, _MOST_SCORES // max(1, sum(map(len, scores.values()))))]
    copied = {
        name: _copied(str(number), own.videos, shown, out)
        for number, (name, own) in enumerate(sorted(folders.items()))
    }
    lanes, motions = [], {}
    if TRUTH in folders and not any(_system(board, row) == TRUTH for board, row in rows):
        lanes.append(Lane("truth", "ground truth", "", "ground-truth", copied[TRUTH], frozenset(), {}))
        motions["truth"] = folders[TRUTH].motions
    for board, row in rows:
        name = _system(board, row)
        own = folders.get(name, _Media())
        videos = copied.get(name, {})
        lanes.append(
            Lane(
                row.key, row.name, board.table.task, row.kind, videos, _same(board, row, own), scores[row.key]
            )
        )
        motions[row.key] = own.motions
    lanes.sort(key=lambda lane: lane.kind != "ground-truth")
    in_order = {lane.key: motions[lane.key] for lane in lanes}
    dances = pack_dances(in_order, [clip for clip in names if clip in shown], on_step=on_step)
    sounds = _copied(MUSIC, _sounds(media[MUSIC]), shown, out) if MUSIC in media else {}
    entries = [entry for board, row in rows for entry in board.entries[row.key]] if dances else []
    beats = {clip: times for clip, times in beats_of(entries).items() if clip in dances}
    return Clips(tuple(lanes), tuple(kept), len(names), dances, sounds, beats)


def _system(board: Board, row: Row) -> str:
    return board.entries[row.key][0].result.system.name


def _folders(rows: Sequence[tuple[Board, Row]], media: Mapping[str, Path]) -> dict[str, _Media]:
    """System -> its videos and motions: those given, else those beside its results."""
    folders = {name: _find_media(folder) for name, folder in media.items()}
    for board, row in rows:
        for entry in board.entries[row.key]:
            name = entry.result.system.name
            if name in media:
                continue
            for beside in (entry.file.parent / folder for folder in _BESIDE):
                if beside.is_dir() and any(files_in(beside, "video", "motion")):
                    found, there = _find_media(beside), folders.setdefault(name, _Media())
                    there.videos = found.videos | there.videos
                    there.motions = found.motions | there.motions
    return folders


def _sounds(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder of music")
    return {stem_of(path): path for path in files_in(folder, "sound")}


def _same(board: Board, row: Row, media: _Media) -> frozenset[str]:
    """Clips whose video is the very file that was scored."""
    hashes = {
        hashed.prediction
        for entry in board.entries[row.key]
        for hashed in entry.result.dataset.files.values()
        if hashed.prediction
    }
    return frozenset(clip for clip, path in media.videos.items() if sha256_file(path) in hashes)


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


def _ordered(
    folders: Mapping[str, _Media], scores: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[str]:
    """All clips: those with the most to see, then by name."""
    known = {clip for own in folders.values() for clip in (*own.videos, *own.motions)}
    known |= {clip for own in scores.values() for values in own.values() for clip in values}
    return sorted(known, key=lambda clip: (-sum(clip in own for own in folders.values()), clip))


def _copied(folder: str, files: Mapping[str, Path], clips: frozenset[str], out: Path) -> dict[str, str]:
    copied = {}
    for place, clip in enumerate(sorted(set(files) & clips)):
        source = files[clip]
        name = f"media/{folder}/{place}{source.suffix.lower()}"
        copy_file(source, out / name)
        copied[clip] = name
    return copied


def viewer_data(clips: Clips) -> dict[str, Any]:
    """The document the script of the page reads; clips are named by their place in ``clips``."""
    metrics: dict[str, BoardColumn] = {}
    for lane in clips.lanes:
        for metric in lane.scores:
            metrics.setdefault(metric, _column(lane.task, metric))
    places = {clip: place for place, clip in enumerate(clips.names)}
    return {
        "clips": clips.names,
        "known": clips.known,
        "metrics": {
            metric: {
                "label": column.label.replace("_", " "),
                "title": column.title,
                "digits": column.digits,
                "arrow": column.arrow,
                "higher": column.higher_is_better,
            }
            for metric, column in metrics.items()
        },
        "lanes": [
            {
                "key": lane.key,
                "name": lane.name,
                "task": lane.task,
                "kind": lane.kind,
                "videos": {places[clip]: path for clip, path in lane.videos.items()},
                "same": [places[clip] for clip in lane.same if clip in places],
                "scores": {
                    metric: [_rounded(values.get(clip), metrics[metric]) for clip in clips.names]
                    for metric, values in lane.scores.items()
                },
            }
            for lane in clips.lanes
        ],
        "dances": [places[clip] for clip in clips.dances],
        "sounds": {places[clip]: path for clip, path in clips.sounds.items()},
        "beats": {places[clip]: times for clip, times in clips.beats.items()},
    }


def _rounded(value: float | None, column: BoardColumn) -> float | None:
    return None if value is None else round(value, column.digits + 2)


def _column(task: str, metric: str) -> BoardColumn:
    usual = [column for name in TASKS if name == task for column in columns_of(name)]
    for column in usual:
        if column.metric == metric:
            return column
    blank = Metric(name=metric, track="motion", value=0.0, unit="", higher_is_better=None, n=0, version=1)
    return extra_column(blank)
