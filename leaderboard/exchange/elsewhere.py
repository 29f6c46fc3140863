"""Numbers that others report, read from the formats of the field, as sections of a table that are never ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from leaderboard.exchange.every_eval_ever import from_every_eval_ever
from leaderboard.exchange.hub import from_eval_results
from leaderboard.exchange.reported import ElsewhereNumber, ElsewhereRow
from leaderboard.layout import BoardColumn, in_shown_unit
from leaderboard.paper import TASKS, Task
from leaderboard.tables import Cell, Row, Section
from madata.errors import MadanceError
from madata.files import read_json, read_yaml

__all__ = ["ElsewhereRow", "elsewhere_section", "read_elsewhere"]

_KINDS = (".json", ".yaml", ".yml")
_UNRANKED = "not ranked: reported elsewhere, nobody computed it here"


def read_elsewhere(paths: Iterable[Path]) -> list[ElsewhereRow]:
    """Rows of Every Eval Ever documents (``.json``) and ``.eval_results`` files (``.yaml``), or of folders of them.

    Raises:
        MadanceError: a file is neither, or a folder holds none.
    """
    rows: list[ElsewhereRow] = []
    for path in paths:
        files = [path]
        if path.is_dir():
            files = [one for one in sorted(path.rglob("*")) if one.suffix.lower() in _KINDS and one.is_file()]
            files = [one for one in files if one.name != "eval.yaml"]
            if not files:
                raise MadanceError(f"{path}: holds no {', '.join(_KINDS)} file of numbers that others report")
        for file in files:
            rows += _read(file)
    return rows


def _read(file: Path) -> list[ElsewhereRow]:
    content = read_json(file) if file.suffix.lower() == ".json" else read_yaml(file)
    if isinstance(content, list):
        return from_eval_results(content, file)
    if isinstance(content, dict):
        return [from_every_eval_ever(content, file)]
    raise MadanceError(f"{file}: neither a document of Every Eval Ever nor a file of .eval_results")


def elsewhere_section(
    task: Task, rows: Sequence[ElsewhereRow], columns: Sequence[BoardColumn]
) -> Section | None:
    """The rows of ``task`` as a section; a row that names no task is in each table that has a column of its own.

    Nothing where no row has a number in ``columns``; numbers of other metrics are named below.
    """
    by_name = {column.metric: column for column in columns}
    shown, notes = [], []
    for place, row in enumerate(rows):
        if row.task in TASKS and row.task != task:
            continue
        cells = {one.metric: _cell(one, by_name[one.metric]) for one in row.numbers if one.metric in by_name}
        if not cells:
            continue
        shown.append(Row(f"elsewhere-{task}-{place}", row.name, "system", cells, row.source, date=row.date))
        notes.append(f"{row.name}: {row.file}" + (f", protocol {row.protocol}" if row.protocol else ""))
        if others := sorted({one.metric for one in row.numbers} - set(by_name)):
            notes[-1] += f"; it also reports {', '.join(others[:10])}"
    if not shown:
        return None
    return Section(
        title="Reported elsewhere",
        conditions=("nobody computed these here; nothing is ranked",),
        rows=tuple(shown),
        reported=True,
        official=False,
        notes=tuple(notes),
    )


def _cell(found: ElsewhereNumber, column: BoardColumn) -> Cell:
    value, low, high = (
        None if one is None else in_shown_unit(one, column, found.unit)
        for one in (found.value, found.low, found.high)
    )
    return Cell(value=value, low=low, high=high, n=found.n, unranked=_UNRANKED)
