"""``madance compare``: two scored runs, and whether one is better or it is chance."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from madata.commands.options import json_option

__all__ = ["compare"]

_RUN = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("first", type=_RUN)
@click.argument("second", type=_RUN)
@click.option(
    "--force",
    is_flag=True,
    help="Compare results of different protocols, references, pose backends or clips.",
)
@click.option(
    "--replicates", type=click.IntRange(min=100), default=400, show_default=True, help="Bootstrap draws."
)
@click.option(
    "--permutations", type=click.IntRange(min=100), default=500, show_default=True, help="Label swaps."
)
@json_option
def compare(
    first: Path, second: Path, force: bool, replicates: int, permutations: int, as_json: bool
) -> None:
    """Compare the scored runs FIRST and SECOND (folders of "madance score --out").

    The difference of each metric has a 95 % interval from a paired bootstrap over clips and a p-value from a
    label-swap test, corrected (Holm) for the number of metrics, those of motion and of pictures together. What
    chance explains is called a tie.
    """
    from evaluation.compare import compare as compare_runs
    from evaluation.compare import decided_elsewhere, incomparable, load_run, unpaired
    from evaluation.report.text import columns, interval, number

    runs = load_run(first), load_run(second)
    found = compare_runs(*runs, replicates=replicates, permutations=permutations, force=force)
    marks = incomparable(*runs)
    names = [run.result.system.name for run in runs]
    if names[0] == names[1]:
        names = [f"{names[0]} ({path.name})" for path in (first, second)]
    if as_json:
        document = {
            "first": names[0],
            "second": names[1],
            "forced": marks,
            "unpaired": unpaired(*runs),
            "decided_elsewhere": decided_elsewhere(runs[0]),
            "metrics": [asdict(one) for one in found],
        }
        click.echo(json.dumps(document, indent=1))
        return
    click.echo(f"first: {names[0]}   second: {names[1]}   protocol {runs[0].result.protocol.name}")
    for mark in marks:
        click.echo(f"NOT COMPARABLE, FORCED: {mark}")
    rows: list[tuple[str, ...]] = [
        ("metric", "first", "second", "difference", "95 % interval", "p", "p (Holm)", "n", "verdict")
    ]
    for one in found:
        verdict = {"tie": "tie", "differ": "they differ"}.get(one.verdict, f"{one.verdict} is better")
        values = (number(value) for value in (one.first, one.second, one.difference))
        ends = interval((one.low, one.high))
        rows.append((one.metric, *values, ends, f"{one.p:.3f}", f"{one.p_holm:.3f}", str(one.n), verdict))
    click.echo("\n".join(columns(rows)))
    click.echo("n: clips with a value in both; a tie: the interval holds 0, or p (Holm) is 0.05 or more")
    if single := unpaired(*runs):
        click.echo(f"not compared, measured in one run only: {', '.join(single)}")
    if others := decided_elsewhere(runs[0]):
        click.echo(f"not compared, other readings of what is decided above: {', '.join(others)}")
