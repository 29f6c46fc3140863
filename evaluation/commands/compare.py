"""``madance compare``: scored runs, and whether one is better or it is chance."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madata.commands.options import json_option

if TYPE_CHECKING:
    from evaluation.comparison import Difference, Run
    from evaluation.stats.ranks import Ranking

__all__ = ["compare"]

_RUN = click.Path(exists=True, path_type=Path)


@click.command(short_help="Which of two scored runs is better; ranks of more.")
@click.argument("runs", nargs=-1, required=True, type=_RUN, metavar="FIRST SECOND [MORE]...")
@click.option(
    "--force",
    is_flag=True,
    help="Compare results of different protocols, references, pose backends or clips.",
)
@click.option("--plan", is_flag=True, help="How many clips would tell the two apart, metric by metric.")
@json_option
def compare(runs: tuple[Path, ...], force: bool, plan: bool, as_json: bool) -> None:
    """Compare the scored runs FIRST and SECOND (folders of "madance score --out"), or rank three and more.

    The difference of each metric has a 95 % interval without the bias of few clips and a p-value, corrected for the
    number of metrics, those of motion and of pictures together. Whole songs or sources are what is counted. FIRST is
    better, worse, a tie (the difference is shown to be within the noise of the reference) or undecided; then the number
    of clips that would decide is said. Of several runs each metric gets ranks, as far as they are resolved.
    """
    from evaluation.comparison import compare as compare_runs
    from evaluation.comparison import decided_elsewhere, incomparable, load_run, rank, unpaired

    if len(runs) < 2:
        raise click.UsageError("a comparison needs two runs or more: madance compare FIRST SECOND")
    loaded = [load_run(path) for path in runs]
    names = _names(loaded, runs)
    marks = list(dict.fromkeys(mark for other in loaded[1:] for mark in incomparable(loaded[0], other)))
    if len(runs) > 2:
        if plan:
            raise click.UsageError("--plan takes two runs: how many clips would tell the one from the other")
        found = rank(dict(zip(names, loaded, strict=True)), force=force)
        _show(found, names, marks, as_json)
        return
    differences = compare_runs(*loaded, force=force)
    single, others = unpaired(*loaded), decided_elsewhere(loaded[0])
    if as_json:
        document = {
            "first": names[0],
            "second": names[1],
            "forced": marks,
            "unpaired": single,
            "decided_elsewhere": others,
            "metrics": [asdict(one) for one in differences],
        }
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    click.echo(f"first: {names[0]}   second: {names[1]}   protocol {loaded[0].result.protocol.name}")
    for mark in marks:
        click.echo(f"NOT COMPARABLE, FORCED: {mark}")
    click.echo(_planned(differences) if plan else _compared(differences))
    if single:
        click.echo(f"not compared, measured in one run only: {', '.join(single)}")
    if others:
        click.echo(f"not compared, other readings of what is decided above: {', '.join(others)}")


def _names(runs: list[Run], paths: tuple[Path, ...]) -> list[str]:
    """Names of the systems; with what differs where two have the same, or with the folder where nothing does."""
    from evaluation.report.naming import names_apart

    results = [run.result for run in runs]
    told = names_apart(results)
    names = [
        result.system.name if result.id[:8] in name else name
        for result, name in zip(results, told, strict=True)
    ]
    return [
        name if names.count(name) == 1 else f"{name} ({path.name})"
        for name, path in zip(names, paths, strict=True)
    ]


def _compared(differences: list[Difference]) -> str:
    from evaluation.comparison import DIFFERENCE_COLUMNS
    from evaluation.report.text import columns

    lines = columns([DIFFERENCE_COLUMNS, *(one.row() for one in differences)])
    lines.append(
        "difference: without the bias of few clips, first minus second; p: corrected for all the metrics"
    )
    lines.append("n: clips with a value in both (songs or sources); a tie: within the noise of the reference")
    if any(one.to_reference for one in differences):
        lines.append(
            "*: the nearer to the value of the reference the better; the difference is that of the distances"
        )
    lines += [f"{one.metric}: {one.reason}" for one in differences if one.reason]
    return "\n".join(lines + _beside(differences))


def _beside(differences: list[Difference]) -> list[str]:
    """Where a metric decides what the one it stands beside cannot."""
    verdicts = {one.metric: one.verdict for one in differences}
    return [
        f"{one.metric} decides where {one.beside} cannot: the first is {one.verdict}"
        for one in differences
        if one.verdict in ("better", "worse") and verdicts.get(one.beside) == "undecided"
    ]


def _planned(differences: list[Difference]) -> str:
    from evaluation.metrics.printed import printed_unit
    from evaluation.report.text import columns, interval, number

    rows: list[tuple[str, ...]] = [
        ("metric", "difference", "95 % interval", "unit", "n", "clips needed", "now")
    ]
    for one in (difference.printed() for difference in differences):
        ends = None if one.low is None or one.high is None else (one.low, one.high)
        needed = "more than a million" if one.needed is None else f"about {one.clips_needed}"
        unit = printed_unit(one.metric, "")
        found = (number(one.difference), interval(ends), unit, one.counted(), needed, one.verdict)
        rows.append((one.metric, *found))
    lines = columns(rows)
    lines.append("clips needed: to show a difference of this size in four of five studies like this one")
    return "\n".join(lines)


def _show(found: dict[str, Ranking], names: list[str], marks: list[str], as_json: bool) -> None:
    from evaluation.report.text import columns

    if as_json:
        document = {
            "systems": names,
            "forced": marks,
            "metrics": {name: asdict(one) for name, one in found.items()},
        }
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    for mark in marks:
        click.echo(f"NOT COMPARABLE, FORCED: {mark}")
    rows: list[tuple[str, ...]] = [("metric", "system", "rank", "best with", "group")]
    for metric, ranking in found.items():
        for name, place in ranking.standings.items():
            ranks = str(place.first) if place.first == place.last else f"{place.first}-{place.last}"
            group = " ".join("abcdefghijklmnopqrstuvwxyz"[(number - 1) % 26] for number in place.groups)
            rows.append((metric, name, ranks, f"{place.best:.0%}", group))
        halves = f"halves agree on the best in {ranking.same_best:.0%}, tau {ranking.agreement:.2f}"
        rows.append(("", halves, "", "", ""))
    click.echo("\n".join(columns(rows)))
    click.echo(
        "rank: 95 % interval; best with: probability of being the best; group: cannot be told apart within it"
    )
