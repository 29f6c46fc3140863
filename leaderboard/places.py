"""Ranks in a table, as far as they are resolved: a rank interval for each value, and a line for each column.

Only systems whose features lie beside their results are ranked, on the clips all of them have
(:func:`evaluation.comparison.rank`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from evaluation.comparison import rank
from evaluation.stats.ranks import Ranking
from leaderboard.entries import BoardEntry
from leaderboard.layout import BoardColumn
from leaderboard.remembered import remembered
from leaderboard.tables import Row, Section
from leaderboard.ties import TieJudge
from madata.errors import MadanceError

__all__ = ["placed"]

_RANKINGS: TypeAdapter[dict[str, Ranking]] = TypeAdapter(dict[str, Ranking])


def placed(
    section: Section,
    members: Mapping[str, Sequence[BoardEntry]],
    columns: Sequence[BoardColumn],
    judge: TieJudge,
) -> Section:
    """The section with rank intervals in its cells and a note for each column of the table that is ranked.

    Args:
        members: row key -> its results.
    """
    rows = {row.key: row for row in section.rows}
    rankings: dict[str, Ranking] = {}
    for entries in _comparable(rows, members):
        rankings |= _rankings(entries, judge)
    for metric, ranking in rankings.items():
        for key, place in ranking.standings.items():
            cell = rows[key].cells.get(metric)
            if cell is not None:
                there = replace(cell, rank=(place.first, place.last), best=place.best)
                rows[key] = replace(rows[key], cells={**rows[key].cells, metric: there})
    shown = [column for column in columns if column.metric in rankings and not column.extra]
    notes = tuple(_line(column, rankings[column.metric], rows) for column in shown)
    return replace(section, rows=tuple(rows[row.key] for row in section.rows), notes=(*section.notes, *notes))


def _rankings(entries: Mapping[str, BoardEntry], judge: TieJudge) -> dict[str, Ranking]:
    """Metric -> ranks of the rows whose results have features; remembered by their content."""
    with_features = [pair for pair in entries.items() if pair[1].features is not None and judge.exact]
    there = dict(sorted(with_features, key=lambda pair: pair[1].result.id))
    rows = {entry.result.id: key for key, entry in there.items()}

    def compute() -> dict[str, Ranking]:
        runs = {entry.result.id: run for entry in there.values() if (run := judge.run(entry)) is not None}
        try:
            return rank(runs) if len(runs) > 1 else {}
        except MadanceError:  # features of other kinds, or too few clips in common
            return {}

    found = remembered("rankings", list(there.values()), _RANKINGS, compute) if len(there) > 1 else {}
    return {
        metric: replace(one, standings={rows[name]: place for name, place in one.standings.items()})
        for metric, one in found.items()
    }


def _comparable(
    rows: Mapping[str, Row], members: Mapping[str, Sequence[BoardEntry]]
) -> list[dict[str, BoardEntry]]:
    """Results of one protocol, by row; only of systems."""
    found: dict[str, dict[str, BoardEntry]] = {}
    for key, row in rows.items():
        for entry in members.get(key, ()) if row.kind == "system" else ():
            found.setdefault(entry.result.protocol.sha256, {})[key] = entry
    return list(found.values())


def _line(column: BoardColumn, ranking: Ranking, rows: Mapping[str, Row]) -> str:
    places = [
        f"{rows[key].name} {place.first if place.first == place.last else f'{place.first}-{place.last}'} "
        f"({place.best:.0%})"
        for key, place in ranking.standings.items()
    ]
    alike: dict[int, list[str]] = {}
    for key, place in ranking.standings.items():
        for group in place.groups:
            alike.setdefault(group, []).append(rows[key].name)
    groups = "; ".join(" = ".join(names) for names in alike.values() if len(names) > 1)
    return (
        f"{column.label}: rank interval (probability of being best) {', '.join(places)}; "
        f"cannot be told apart: {groups or 'none'}; "
        f"halves of the songs agree on the best in {ranking.same_best:.0%}"
    )
