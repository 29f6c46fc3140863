"""``madance metrics``: what can be measured, in which direction it is better, and from where it comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from madata.commands.options import json_option
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.metrics.registry import InstalledMetric

__all__ = ["metrics"]


@click.command(short_help="The metrics a protocol can ask for.")
@json_option
def metrics(as_json: bool) -> None:
    """List every metric: name, version, unit, what is better, what it needs, where it is from.

    A metric of another package that cannot be used is listed with its error. Protocols (madance score --protocols)
    say which metrics are measured.
    """
    from evaluation.metrics.registry import installed_metrics
    from evaluation.report.text import columns

    found = installed_metrics()
    if as_json:
        click.echo(json.dumps([_plain(entry) for entry in found], indent=1))
        return
    click.echo(
        "\n".join(columns([("metric", "version", "better", "unit", "needs", "title"), *map(_row, found)]))
    )


def _row(entry: InstalledMetric) -> tuple[str, ...]:
    from evaluation.metrics.printed import unit_of

    if entry.spec is None:
        return (visible(entry.name), "-", "-", "", "", visible(f"broken: {entry.error}"))
    spec = entry.spec
    better = {"reference": "nearer", "none": "-"}.get(spec.direction, spec.direction)
    needs = ", ".join(sorted(spec.needs))
    return tuple(
        visible(text) for text in (spec.name, str(spec.version), better, unit_of(spec), needs, spec.title)
    )


def _plain(entry: InstalledMetric) -> dict[str, object]:
    from evaluation.metrics.printed import unit_of

    spec = entry.spec
    known: dict[str, object] = {"name": entry.name, "from": entry.origin, "error": entry.error}
    if spec is not None:
        known |= {
            "version": spec.version,
            "label": spec.label,
            "title": spec.title,
            "direction": spec.direction,
            "unit": spec.unit,
            "printed_unit": unit_of(spec),
            "needs": sorted(spec.needs),
            "track": spec.track,
        }
    return known
