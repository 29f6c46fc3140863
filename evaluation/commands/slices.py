"""``madance slices``: a scored run by genre, tempo or speed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from madata.commands.options import PATH, json_option

__all__ = ["slices"]


@click.command(short_help="A scored run by genre, tempo or speed.")
@click.argument("run", type=PATH)
@click.option(
    "--by",
    required=True,
    metavar="tempo|speed|CSV",
    help="What parts are made by; a CSV has clip_id and a label.",
)
@click.option("--metrics", "names", help="Only these: bas,fid_k [default: the headline of the protocol].")
@json_option
def slices(run: Path, by: str, names: str | None, as_json: bool) -> None:
    """Every metric of RUN (a folder of "madance score --out") on the clips of each part.

    Tempo is that of the music, speed that of the reference's dances, so that the parts are the same for every system.
    """
    from evaluation.comparison import load_run
    from evaluation.report.text import columns, metric_row
    from evaluation.slices import slice_parts
    from evaluation.slices import slices as sliced

    loaded = load_run(run)
    protocol = loaded.tables.protocol
    wanted = (
        list(protocol.only(names.split(",")).metrics)
        if names
        else [*protocol.headline] or [*protocol.metrics]
    )
    found = sliced(loaded, slice_parts(loaded, by))
    if as_json:
        document = {
            part: {
                "clips": count,
                "metrics": [one.model_dump(mode="json") for one in metrics if one.name in wanted],
            }
            for part, (count, metrics) in found.items()
        }
        click.echo(json.dumps(document, indent=1, allow_nan=False))
        return
    rows: list[tuple[str, ...]] = [("metric", "part", "clips", "value", "95 % interval", "reference", "unit")]
    for name in wanted:
        for part, (count, metrics) in found.items():
            own = metric_row(next(metric for metric in metrics if metric.name == name))
            _, value, ends, _, real, _, _, unit = own
            rows.append((name, part, str(count), value, ends, real, unit))
    click.echo("\n".join(columns(rows)))
