"""The page of a leaderboard: one folder that opens from a file, with no network, and says where every number is from.

Everything a result brings is untrusted: texts are escaped, addresses are links only when they are plain ``http(s)``,
files are copied under names of our own, and a content security policy allows the page's own script and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from evaluation.protocol import Protocol
from evaluation.result import Result
from leaderboard.board import Board, build_board
from leaderboard.entries import BoardEntry
from leaderboard.exchange.elsewhere import ElsewhereRow
from leaderboard.figures import MOST_DRAWN, course_plot, interval_plot, pareto_plot, points_of
from leaderboard.layout import BoardColumn
from leaderboard.panel_faults import panel_faults
from leaderboard.paper import TASKS, paper_table
from leaderboard.recheck import Fault, checked_level
from leaderboard.remembered import remembered
from leaderboard.render import LEGEND, to_csv, to_json, to_latex
from leaderboard.render.web import template_text, templates
from leaderboard.reported import reported_source
from leaderboard.study.score import VoteReport
from leaderboard.submission.contents import CARD, read_card
from leaderboard.tables import Cell, Section, Table
from leaderboard.ties import TieJudge
from leaderboard.viewer import Clips, gather_clips, viewer_data
from madata.errors import MadanceError
from madata.files import copy_file, hold_folder, read_json, write_json, write_text
from madata.motion.viewer import scene_script
from madata.page_policy import page_policy

__all__ = ["SiteOptions", "build_site", "safe_link"]

_MARK = '<meta name="generator" content="madance site">'
_CHECKS: TypeAdapter[tuple[int, list[Fault]]] = TypeAdapter(tuple[int, list[Fault]])
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")


@dataclass(frozen=True)
class SiteOptions:
    """What a page is made with.

    Attributes:
        media: system name (or ``ground-truth``) -> folder of its videos or motions; ``music`` -> their sounds.
        clips: most clips whose videos and motions are shown.
        trust_levels: show the verification level a result states beyond what is checked here.
        rescore: compute every number again from the features.
        votes: reports of studies, shown beside the tables.
        elsewhere: numbers that others report.
        on_step: told what is being done.
    """

    title: str = "MA-Data leaderboard"
    media: Mapping[str, Path] = field(default_factory=dict)
    clips: int = 50
    trust_levels: bool = False
    rescore: bool = True
    votes: Sequence[VoteReport] = ()
    elsewhere: Sequence[ElsewhereRow] = ()
    on_step: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class _Checked:
    """What was found out about an entry here."""

    level: int
    faults: tuple[Fault, ...]
    stated: str | None
    files: Mapping[str, str]


def build_site(entries: Sequence[BoardEntry], out: Path, options: SiteOptions | None = None) -> Path:
    """Write the page into ``out`` and return its path.

    Partial results are shown in sections of their own and never ranked.

    Raises:
        MadanceError: ``out`` cannot be written, holds what is not of an earlier page, or is written by another
            process; or the options name what is not there.
    """
    _refuse_to_replace(out)
    with hold_folder(out):
        return _build(entries, out, options or SiteOptions())


def _build(entries: Sequence[BoardEntry], out: Path, options: SiteOptions) -> Path:
    write_text(out / "index.html", _MARK)
    judge = TieJudge()
    checked = {entry.result.id: _check(entry, out, options) for entry in entries}
    boards = []
    for task in TASKS:
        options.on_step(f"table: {task}")
        boards.append(
            build_board(task, entries, partial=True, extra=True, judge=judge, elsewhere=options.elsewhere)
        )
    boards = [_with_levels(board, checked) for board in boards]
    options.on_step("clips")
    clips = gather_clips(boards, options.media, out, most=options.clips, on_step=options.on_step)
    for board in boards:
        _write_tables(board.table, out / "data")
    for number, report in enumerate(options.votes, 1):
        write_json(out / "data" / f"votes-{number}.json", report.model_dump(mode="json", by_alias=True))
    page = _render(boards, entries, checked, clips, options)
    path = out / "index.html"
    write_text(path, page)
    return path


def _write_tables(table: Table, folder: Path) -> None:
    """The table as CSV, JSON and LaTeX, the last with the columns of the paper where they hold anything."""
    usual = replace(table, columns=tuple(column for column in table.columns if not column.extra))
    write_text(folder / f"{table.task}.json", to_json(table))
    write_text(folder / f"{table.task}.csv", to_csv(table))
    write_text(folder / f"{table.task}.tex", to_latex(usual if usual.filled().columns else table))


def _refuse_to_replace(out: Path) -> None:
    page = out / "index.html"
    if page.is_file() and _MARK in page.read_text("utf-8", "replace"):
        return
    there = sorted(path.name for path in out.iterdir() if path.name[0] != ".") if out.is_dir() else []
    if there:
        raise MadanceError(
            f"{out}: holds {there[0]} and no page of `madance site`; give a folder that is new or empty"
        )


def _check(entry: BoardEntry, out: Path, options: SiteOptions) -> _Checked:
    """Compute the entry's numbers again and copy its files under its id."""
    result = entry.result
    folder = f"results/{result.id[:16]}"
    copies = {"result.json": entry.file}
    copies |= {"features.npz": entry.features} if entry.features else {}
    copies |= {"samples.parquet": entry.samples} if entry.samples else {}
    for name, source in copies.items():
        copy_file(source, out / folder / name)
    if options.rescore:
        options.on_step(f"computing again: {result.system.name}")
        level, faults = _checked(entry)
    else:
        level, faults = 0, [Fault("not_checked", "the numbers were not computed again for this page")]
    said = result.verification
    stated = None
    if said.level > level:
        stated = f"states level {said.level}" + (f", by {said.by}" if said.by else "")
        if options.trust_levels and level == 1:
            level, stated = said.level, f"level {said.level} by {said.by or 'nobody named'}"
    return _Checked(level, tuple(faults), stated, {name: f"{folder}/{name}" for name in copies})


def _checked(entry: BoardEntry) -> tuple[int, list[Fault]]:
    if entry.stale:  # the files beside it are not those that are remembered
        return checked_level(entry)
    return remembered("checks", [entry], _CHECKS, lambda: checked_level(entry))


def _with_levels(board: Board, checked: Mapping[str, _Checked]) -> Board:
    """The board with the lowest level of each row's results."""
    sections = tuple(
        replace(
            section,
            rows=tuple(
                replace(row, level=min(checked[name].level for name in row.results)) if row.results else row
                for row in section.rows
            ),
        )
        for section in board.table.sections
    )
    return replace(board, table=replace(board.table, sections=sections))


def safe_link(text: object) -> str | None:
    """``text`` if it is a plain web address, else nothing.

    Example:
        >>> safe_link("javascript:alert(1)"), safe_link("https://example.org/a")
        (None, 'https://example.org/a')
    """
    if not isinstance(text, str) or len(text) > 500 or not _ADDRESS.fullmatch(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    return text if plain else None


def _render(
    boards: Sequence[Board],
    entries: Sequence[BoardEntry],
    checked: Mapping[str, _Checked],
    clips: Clips,
    options: SiteOptions,
) -> str:
    from markupsafe import Markup

    css = template_text("page.css")
    js = "\n".join(
        [template_text("page.js"), template_text("plane.js"), scene_script(), template_text("clips.js")]
    )
    return (
        templates()
        .get_template("page.html")
        .render(
            title=options.title,
            paper=reported_source(),
            legend=LEGEND,
            css=Markup(css),
            js=Markup(js),
            policy=page_policy(js, css, img_src="data:", media_src="'self' file:"),
            tasks=[_task(board) for board in boards],
            clips=viewer_data(clips),
            dances=list(clips.dances.values()),
            votes=options.votes,
            results=[_card(entry, checked[entry.result.id], boards) for entry in entries],
            protocols=_protocols(entries),
            tiles=_tiles(entries, checked),
            most_drawn=MOST_DRAWN,
        )
    )


def _tiles(entries: Sequence[BoardEntry], checked: Mapping[str, _Checked]) -> list[tuple[str, str]]:
    again = sum(1 for entry in entries if checked[entry.result.id].level >= 1)
    return [
        (str(len({entry.result.system.name for entry in entries})), "systems"),
        (str(len(entries)), "results"),
        (f"{again} of {len(entries)}", "recomputed here from their features"),
        (str(max((entry.result.dataset.n_scored for entry in entries), default=0)), "clips scored"),
    ]


def _task(board: Board) -> dict[str, Any]:
    table = board.table
    measured = [section for section in table.sections if not section.reported]
    return {
        "id": table.task,
        "title": table.title,
        "table": table,
        "measured": bool(measured),
        "extra": any(column.extra for column in table.columns),
        # a section measured by another panel alone would be empty rows
        "open": any(
            not any(section.has(column) for column in table.columns if not column.extra)
            for section in measured
        ),
        "rows": sum(len(section.rows) for section in table.sections),
        "notes": _notes(table),
        "faults": [fault for section in measured for fault in panel_faults(section, table.columns)],
        "figures": [_figures(section, table) for section in measured],
    }


_NAMED = 6


def _notes(table: Table) -> list[tuple[str, str]]:
    """Every note of a table, once, with the cells it is of; those of whole sections come first."""
    found: dict[str, list[str]] = {}
    for section in table.sections:
        for row in section.rows:
            for column in table.columns:
                for remark in row.cells.get(column.metric, Cell()).remarks:
                    found.setdefault(remark, []).append(f"{row.name} {column.label.replace('_', ' ')}")
    whole = [(line, "") for section in table.sections if section.reported for line in section.notes]
    return whole + [(text, _some(cells)) for text, cells in found.items()]


def _some(cells: list[str]) -> str:
    more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
    return ", ".join(cells[:_NAMED]) + more


def _figures(section: Section, table: Table) -> dict[str, Any]:
    plots = []
    for column in table.columns:
        if column.is_ranked and (svg := interval_plot(section, column)):
            plots.append({"column": column, "svg": svg, "course": course_plot(section, column)})
    return {
        "title": section.title,
        "conditions": section.conditions,
        "notes": section.notes,
        "plots": plots,
        "more": systems if (systems := sum(row.kind == "system" for row in section.rows)) > MOST_DRAWN else 0,
        "plane": _plane(section, table) if section.official else None,
    }


def _plane(section: Section, table: Table) -> dict[str, Any] | None:
    """The plane of two metrics: drawn once here, and again by the script for any other two."""
    usable = [
        column
        for column in table.columns
        if column.higher_is_better is not None and len(points_of(section, column, column)) > 1
    ]
    if len(usable) < 2:
        return None
    across, up = _pair(table, usable)
    rows = [
        {
            "name": row.name,
            "kind": row.kind,
            "values": {
                column.metric: [cell.value, cell.low, cell.high]
                for column in usable
                if (cell := row.cells.get(column.metric)) is not None and cell.value is not None
            },
        }
        for row in section.rows
    ]
    columns = [
        {
            "metric": column.metric,
            "label": column.label.replace("_", " "),
            "arrow": column.arrow,
            "higher": column.higher_is_better,
        }
        for column in usable
    ]
    return {
        "svg": pareto_plot(section, across, up),
        "columns": columns,
        "across": across.metric,
        "up": up.metric,
        "data": {"rows": rows, "columns": columns},
    }


def _pair(table: Table, usable: list[BoardColumn]) -> tuple[BoardColumn, BoardColumn]:
    """The first two of the task's own axes that are measured, else the first two of different kinds."""
    by_name = {column.metric: column for column in usable}
    wanted = [by_name[name] for name in paper_table(table.task)["plane"] if name in by_name]
    across = wanted[0] if wanted else usable[0]
    rest = [column for column in usable if column is not across]
    others = wanted[1:] or [column for column in rest if column.stem != across.stem] or rest
    return across, others[0]


def _card(entry: BoardEntry, checked: _Checked, boards: Sequence[Board]) -> dict[str, Any]:
    """What the page says of one result."""
    result = entry.result
    card = {**result.system.card, **_card_beside(entry.file)}
    key = next(
        (row for board in boards for row, own in board.entries.items() if entry in own), f"r{result.id[:16]}"
    )
    return {
        "key": key,
        "first": any(own[0] is entry for board in boards for own in board.entries.values()),
        "result": result,
        "level": checked.level,
        "stated": checked.stated,
        "faults": [str(fault) for fault in checked.faults],
        "files": checked.files,
        "links": _links(result, card),
        "facts": _facts(result, card),
        "training": _training(card),
    }


def _card_beside(file: Path) -> dict[str, Any]:
    """What the card of a submission says, where one lies beside its result."""
    path = file.with_name(CARD)
    return (
        read_card(read_json(path)).model_dump(exclude_unset=True, exclude_none=True) if path.is_file() else {}
    )


def _links(result: Result, card: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Name, text, and address where it is a plain one."""
    code = result.system.code
    found = (("paper", card.get("paper")), ("home page", card.get("url")), ("code", code.get("url")))
    return [(name, str(text), safe_link(text)) for name, text in found if text]


def _facts(result: Result, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    dataset = result.dataset
    facts = [
        (
            "clips",
            f"{dataset.n_scored} of {dataset.n_expected}"
            + (f", split {dataset.split}" if dataset.split else ""),
        ),
        ("against", f"{dataset.n_reference} real clips, {dataset.reference_sha256[:12]}"),
    ]
    if result.pose is not None:
        facts.append(("keypoints", result.pose.prediction + (" (mixed)" if result.pose.mixed else "")))
    facts += [
        (name, str(card[key])) for key, name in (("licence", "licence"), ("notes", "notes")) if card.get(key)
    ]
    if card.get("n_parameters"):
        facts.append(("parameters", str(card["n_parameters"])))
    if result.generation is not None:
        made = result.generation
        at_once = f", {made.batch} clips at once" if made.batch > 1 else ""
        facts.append(
            ("generated", f"{made.frames_per_s:.4g} frames/s on {made.device}{at_once}, seed {made.run_seed}")
        )
    packages = ", ".join(f"{name} {version}" for name, version in sorted(result.environment.packages.items()))
    facts.append(
        ("environment", f"Python {result.environment.python}, {result.environment.platform}; {packages}")
    )
    return facts


def _training(card: Mapping[str, Any]) -> str:
    data = card.get("training_data") or []
    return ", ".join(str(name) for name in data) if isinstance(data, (list, tuple)) else str(data)


def _protocols(entries: Sequence[BoardEntry]) -> list[dict[str, Any]]:
    """Every protocol in use, with its text where it is known."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        stated = entry.result.protocol
        item = found.setdefault(
            stated.sha256,
            {"name": stated.name, "version": stated.version, "sha256": stated.sha256, "protocol": None},
        )
        item["protocol"] = item["protocol"] or entry.protocol
    return [{**item, "text": _protocol_text(item["protocol"])} for item in found.values()]


def _protocol_text(protocol: Protocol | None) -> str | None:
    if protocol is None:
        return None
    return json.dumps(protocol.model_dump(mode="json", exclude={"summary"}), indent=1, ensure_ascii=False)
