"""``madance systems``: what is installed, told without importing any of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from madata.commands.options import json_option
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.systems.entries import InstalledSystem

__all__ = ["systems"]


@click.command(short_help="The systems that are installed, and what each lacks.")
@json_option
@click.pass_context
def systems(ctx: click.Context, as_json: bool) -> None:
    """List the systems that are installed and what each can run with now, without importing any.

    Besides these, `check` and `generate` take a folder of finished clips, a file (./my_method.py:MyMethod), a
    command (./their_method.toml), and two systems in a row (cascade:MOTION+ANIMATION).
    """
    from evaluation.systems.entries import installed

    entries = installed()
    if as_json:
        click.echo(json.dumps([_plain(entry) for entry in entries], indent=1))
        return
    if not entries:
        click.echo("no system is installed")
        return
    rows = [("NAME", "TASK", "DISTRIBUTION", "VERSION", "STATE"), *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        click.echo(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        )


def _row(entry: InstalledSystem) -> tuple[str, str, str, str, str]:
    if entry.error:
        state = f"broken: {entry.error}"
    elif entry.missing:
        state = "missing: " + "; ".join(entry.missing)
    else:
        state = f"ready, with {entry.stand_in}" if entry.stand_in else "ready"
    return (
        visible(entry.name),
        ", ".join(entry.tasks) or "not said",
        visible(entry.distribution or "unknown"),
        visible(entry.version or "unknown"),
        visible(state),
    )


def _plain(entry: InstalledSystem) -> dict[str, str | Sequence[str] | None]:
    return {
        "name": entry.name,
        "task": list(entry.tasks),
        "distribution": entry.distribution,
        "version": entry.version,
        "entry_point": entry.value,
        "state": "broken" if entry.error else "missing" if entry.missing else "ready",
        "missing": list(entry.missing),
        "stand_in": entry.stand_in,
        "error": entry.error,
    }
