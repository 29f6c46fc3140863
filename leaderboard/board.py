"""From results to one table: sections of what may be compared, ranked, below what the paper reports."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from evaluation.metrics.spec import Direction
from evaluation.report.naming import names_apart
from evaluation.result import Metric, Result
from leaderboard.entries import BoardEntry, Conditions, by_conditions, read_entries
from leaderboard.exchange.elsewhere import ElsewhereRow, elsewhere_section
from leaderboard.layout import SPEED, BoardColumn, columns_of, extra_column, in_shown_unit
from leaderboard.paper import TASK_TITLES, TASKS, Task
from leaderboard.places import placed
from leaderboard.render.web import macros, to_html
from leaderboard.reported import reported_section
from leaderboard.tables import Cell, Course, Kind, Row, Section, Table, ranked, sort_rows
from leaderboard.ties import TieJudge
from madata.errors import MadanceError, did_you_mean

__all__ = ["SANITY", "Board", "build_board", "table", "task_of"]

SANITY = frozenset({"ground-truth", "noise-floor", "shuffled-music", "mean-pose", "frozen-frame"})
"""Systems that show what a metric can be fooled by: rows of every board, never ranked."""


@dataclass(frozen=True)
class Board:
    """The table of one task, with what was left out of it. A notebook shows the table.

    Attributes:
        entries: row key -> the entries the row is made of.
        left_out: entries an official table does not take.
    """

    table: Table
    entries: dict[str, tuple[BoardEntry, ...]]
    left_out: tuple[BoardEntry, ...]

    def _repr_html_(self) -> str:
        return to_html(self.table.filled()) + str(macros("table.html").left_out(len(self.left_out)))


def table(
    results: Path | str | Iterable[Path | str],
    task: str,
    *,
    reported: bool = True,
    partial: bool = False,
    extra: bool = False,
    sort_by: str | None = None,
) -> Board:
    """The table of ``task`` with the results in files and folders, as ``madance table`` shows it.

    Args:
        results: result files, or folders that hold them at any depth.
        task: ``video``, ``motion`` or ``animation``.
        reported, partial, extra, sort_by: as in :func:`build_board`.

    Raises:
        MadanceError: there is no such task or column, or a result is absent or cannot be read.
    """
    paths = [results] if isinstance(results, Path | str) else results
    entries = read_entries(map(Path, paths))
    return build_board(
        task_of(task), entries, reported=reported, partial=partial, extra=extra, sort_by=sort_by
    )


def task_of(name: str) -> Task:
    """``name`` as a task.

    Raises:
        MadanceError: there is no such task.
    """
    for task in TASKS:
        if task == name:
            return task
    raise MadanceError(f"there is no task {name!r}{did_you_mean(name, TASKS)}")


def build_board(
    task: Task,
    entries: Sequence[BoardEntry],
    *,
    reported: bool = True,
    partial: bool = False,
    extra: bool = False,
    sort_by: str | None = None,
    judge: TieJudge | None = None,
    elsewhere: Sequence[ElsewhereRow] = (),
) -> Board:
    """The table of ``task``: the paper's rows, then a section for each set of equal conditions.

    Args:
        entries: results; those of other tasks are ignored.
        reported: begin with the paper's own rows.
        partial: show partial results too, in sections of their own that are not ranked.
        extra: add a column for each metric that is not in the paper's table.
        sort_by: the metric rows are sorted by.
        elsewhere: numbers that others report, in a section of their own that is not ranked.

    Raises:
        MadanceError: ``sort_by`` is no column.
    """
    mine = [entry for entry in entries if entry.result.system.task == task]
    whole = [entry for entry in mine if entry.result.status == "complete"]
    rest = [entry for entry in mine if entry.result.status != "complete"]
    columns = [*columns_of(task), *(_extra_columns(task, mine) if extra else [])]
    if sort_by is not None and sort_by not in {column.metric for column in columns}:
        known = ", ".join(column.metric for column in columns)
        raise MadanceError(f"the table has no column {sort_by!r} to sort by; it has {known}")
    members: dict[str, tuple[BoardEntry, ...]] = {}
    judge = judge or TieJudge()
    groups = [(group, True) for group in _sections(whole)]
    groups += [(group, False) for group in _sections(rest)] if partial else []
    names = _names([group for group, _ in groups])
    with threadpool_limits(1, "blas"):  # thousands of small products: more threads only wait
        made = [
            _section(group, columns, members, judge, sort_by, names, official=official)
            for group, official in groups
        ]
    sections = _numbered(made)
    if (others := elsewhere_section(task, elsewhere, columns)) is not None:
        sections = [others, *sections]
    if reported:
        paper = ranked(reported_section(task), columns, lambda *_: False)
        sections = [paper, *sections]
    shown = tuple(_agreed(column, sections) for column in columns)
    table = Table(task, TASK_TITLES[task], shown, tuple(sections))
    return Board(table, members, () if partial else tuple(rest))


def _names(sections: Sequence[list[list[BoardEntry]]]) -> dict[str, str]:
    """Result id -> name of its row: what tells it from rows of its section, or from others of its protocol."""
    firsts = [[entries[0].result for entries in _row_entries(groups)] for groups in sections]
    apart = {}
    by_protocol: dict[str, list[Result]] = {}
    for result in (result for own in firsts for result in own):
        by_protocol.setdefault(result.protocol.sha256, []).append(result)
    for alike in (
        *by_protocol.values(),
        *firsts,
    ):  # what tells rows of one section apart comes last, and stays
        for result, name in zip(alike, names_apart(alike), strict=True):
            if name != result.system.name or result.id not in apart:
                apart[result.id] = name
    return apart


def _numbered(sections: Sequence[Section]) -> list[Section]:
    """Sections of one title with their number, so that what is said below a table has its place."""
    titles = [section.title for section in sections]
    return [
        section if (count := titles[:place].count(section.title)) == 0
        else replace(section, title=f"{section.title} ({count + 1})")
        for place, section in enumerate(sections)
    ]  # fmt: skip


def _agreed(column: BoardColumn, sections: Sequence[Section]) -> BoardColumn:
    """The column in the direction of all the sections that have values of it, if they have one."""
    directions = {section.here(column).direction for section in sections if section.has(column)}
    return replace(column, direction=directions.pop()) if len(directions) == 1 else column


def _extra_columns(task: Task, entries: Sequence[BoardEntry]) -> list[BoardColumn]:
    usual = {column.metric for column in columns_of(task)}
    found: dict[str, BoardColumn] = {}
    for entry in entries:
        for metric in entry.result.metrics:
            if metric.name not in usual:
                found.setdefault(metric.name, extra_column(metric))
    if SPEED.metric not in usual and any(entry.result.generation for entry in entries):
        found[SPEED.metric] = replace(SPEED, extra=True)
    return sorted(found.values(), key=lambda column: (column.panel, column.group if column.panel else ""))


def _sections(entries: Sequence[BoardEntry]) -> list[list[list[BoardEntry]]]:
    """Sections, each a list of condition groups that measure different things on the same clips."""
    sections: list[list[list[BoardEntry]]] = []
    conditions = by_conditions(entries)
    for own in sorted(conditions.values(), key=len, reverse=True):
        home = next((section for section in sections if _joins(section, own)), None)
        if home is None:
            sections.append([own])
        else:
            home.append(own)
    return sections


def _joins(section: list[list[BoardEntry]], own: list[BoardEntry]) -> bool:
    theirs = [other[0].conditions for other in section]
    mine = own[0].conditions
    if any(_clips(other) != _clips(mine) or other.mixed or mine.mixed for other in theirs):
        return False
    names = {metric.name for entry in own for metric in entry.result.metrics}
    return all(
        names.isdisjoint(metric.name for entry in group for metric in entry.result.metrics)
        for group in section
    )


def _clips(conditions: Conditions) -> tuple[str | None, str | None, int, str]:
    return conditions.split, conditions.manifest_sha256, conditions.n_scored, conditions.clips


def _section(
    groups: list[list[BoardEntry]],
    columns: Sequence[BoardColumn],
    members: dict[str, tuple[BoardEntry, ...]],
    judge: TieJudge,
    sort_by: str | None,
    names: Mapping[str, str],
    *,
    official: bool,
) -> Section:
    rows = []
    for entries in _row_entries(groups):
        row = _row(entries, columns, names[entries[0].result.id], official=official)
        members[row.key] = entries
        rows.append(row)
    conditions = [line for group in groups for line in group[0].conditions.lines()]
    directions, notes = _turned(groups, columns)
    section = Section(
        title="Measured" if official else "Partial: some clips are missing, nothing is ranked",
        conditions=tuple(dict.fromkeys(conditions)),
        rows=tuple(rows),
        official=official,
        notes=notes,
        directions=directions,
    )

    def tied(column: BoardColumn, best: Row, other: Row) -> bool:
        pair = [_source(members[row.key], column.metric) for row in (best, other)]
        return pair[0] is not None and pair[1] is not None and judge.tied(pair[0], pair[1], column.metric)

    marked = ranked(section, columns, tied)
    return sort_rows(placed(marked, members, columns, judge) if official else marked, columns, sort_by)


def _turned(
    groups: list[list[BoardEntry]], columns: Sequence[BoardColumn]
) -> tuple[dict[str, Direction], tuple[str, ...]]:
    """Directions of a section that are not those of the paper's tables, and the line that says so.

    Published scripts call more diversity better; in a corrected protocol the nearer to the real clips the better.
    """
    corrected = {
        metric.name
        for group in groups
        for entry in group
        if entry.protocol is not None and entry.protocol.kind == "corrected"
        for metric in entry.result.metrics
    }
    there = [column for column in columns if column.metric in corrected]
    turned = {column.metric: column.corrected for column in there if column.corrected is not None}
    names = ", ".join(column.label for column in there if column.metric in turned)
    return turned, (f"{names}: ranked by how near they are to the value of the real clips",) if turned else ()


def _row_entries(groups: list[list[BoardEntry]]) -> list[tuple[BoardEntry, ...]]:
    """Entries of one row: one system's results under each condition, unless one condition has several."""
    rows: dict[tuple[str, ...], list[BoardEntry]] = {}
    for group in groups:
        keys = [entry.system for entry in group]
        for entry in group:
            alone = keys.count(entry.system) == 1
            rows.setdefault(entry.system if alone else (*entry.system, entry.result.id), []).append(entry)
    return [tuple(entries) for entries in rows.values()]


def _source(entries: Sequence[BoardEntry], metric: str) -> BoardEntry | None:
    """The entry a column's value is from, if it is one of its metrics."""
    return next((entry for entry in entries if any(own.name == metric for own in entry.result.metrics)), None)


def _row(
    entries: tuple[BoardEntry, ...], columns: Sequence[BoardColumn], name: str, *, official: bool
) -> Row:
    first = entries[0].result
    cells = {}
    for column in columns:
        if (cell := _cell(entries, column, official=official)) is not None:
            cells[column.metric] = cell
    kind: Kind = "system"
    if first.system.name in SANITY:
        kind = "ground-truth" if first.system.name == "ground-truth" else "sanity"
    return Row(
        key=f"r{first.id[:16]}",
        name=name,
        kind=kind,
        cells=cells,
        venue=first.system.version,
        date=_newest_day(entries),
        results=tuple(entry.result.id for entry in entries),
    )


def _newest_day(entries: Sequence[BoardEntry]) -> str | None:
    days = []
    for entry in entries:
        with contextlib.suppress(ValueError):  # a time that somebody wrote by hand
            days.append(datetime.datetime.fromisoformat(entry.result.created).date().isoformat())
    return max(days, default=None)


def _cell(entries: Sequence[BoardEntry], column: BoardColumn, *, official: bool) -> Cell | None:
    source = _source(entries, column.metric)
    if source is None:
        return _fps(entries, official=official) if column.metric == SPEED.metric else None
    result = source.result
    metric = result.metric(column.metric)
    group = _ranking_group(metric, result, column)
    if metric.value is None:
        return Cell(n=metric.n, reason=metric.reason, group=group)
    low, high = metric.ci95 or (None, None)
    shown = [
        None if value is None else in_shown_unit(value, column, metric.unit)
        for value in (metric.value, low, high, metric.noise_floor, metric.reference)
    ]
    unranked = None if official else "not ranked: clips are missing"
    if result.pose is not None and result.pose.mixed:
        unranked = "not ranked: keypoints of two pose backends"
    return Cell(
        value=shown[0],
        low=shown[1],
        high=shown[2],
        floor=shown[3],
        reference=shown[4],
        n=metric.n,
        group=group,
        unranked=unranked,
        notes=(metric.caution,) if metric.caution else (),
        course=_course(metric.by_second.values, column, metric) if metric.by_second else (),
        real_course=_course(metric.by_second.reference or (), column, metric) if metric.by_second else (),
    )


def _course(values: Sequence[float | None], column: BoardColumn, metric: Metric) -> Course:
    """Values second by second as they are shown."""
    return tuple(None if value is None else in_shown_unit(value, column, metric.unit) for value in values)


def _ranking_group(metric: Metric, result: Result, column: BoardColumn) -> str:
    parts = [f"n = {metric.n}"]
    if metric.n_reference is not None:
        parts.append(f"{metric.n_reference} real clips")
    parts.append(f"version {metric.version}")
    if column.by_music:
        parts.append(f"music {(result.dataset.music_sha256 or 'of the reference')[:12]}")
    return ", ".join(parts)


def _fps(entries: Sequence[BoardEntry], *, official: bool) -> Cell | None:
    """Frames per second are ranked on one kind of device only, and among equal numbers of clips at once."""
    for entry in entries:
        made = entry.result.generation
        if made is not None:
            how = f"{entry.result.environment.gpu or made.device}, {made.dtype}"
            how += f", {made.batch} clips at once" if made.batch > 1 else ""
            return Cell(
                value=made.frames_per_s,
                group=how,
                notes=(f"on {how}",),
                unranked=None if official else "not ranked: clips are missing",
            )
    return None
