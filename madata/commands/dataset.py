"""``madance dataset``: what is done with a data set folder once it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from madata.commands.dataset_use import card, export, stats
from madata.commands.dataset_whole import (
    features,
    health,
    label,
    merge,
    rebuild,
    release,
    remove,
    split,
    verify,
)
from madata.commands.options import (
    PATH,
    device_option,
    engine_options,
    is_quiet,
    jobs_option,
    json_option,
    set_option,
    shard_option,
)
from madata.commands.progress import Progress

if TYPE_CHECKING:
    from madata.shard import Shard

__all__ = ["dataset"]


@click.group(short_help="Work on a data set folder.")
def dataset() -> None:
    """Work on the folder of a data set."""


for _verb in (card, export, features, health, label, merge, rebuild, release, remove, split, stats, verify):
    dataset.add_command(_verb)


@dataset.command(short_help="Decide again, without decoding.")
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, help="Data set folder; without it FOLDER itself is changed.")
@set_option("Another threshold, filter or window, e.g. motion.static_below=0.5.")
@click.option(
    "--keep", metavar="AMOUNT", help="Choose a threshold by what it leaves: 50h, 30min, 900s or 90%."
)
@click.option("--drop", metavar="SHARE", help="The same, by the share of the seconds that goes: 10%.")
@click.option(
    "--by",
    metavar="SETTING",
    default="motion.static_below",
    show_default=True,
    help="The threshold that moves.",
)
@jobs_option()
@click.option(
    "--weights", type=PATH, help="Folder of model weights, for sources that must be looked at again."
)
@device_option
@engine_options
@shard_option(
    "Only a part of the sources, into a folder of its own; madance dataset merge joins those of all parts."
)
@json_option
@click.pass_context
def decide(
    ctx: click.Context,
    folder: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    keep: str | None,
    drop: str | None,
    by: str,
    jobs: int,
    weights: Path | None,
    device: str,
    engine: str,
    address: str | None,
    shard: Shard | None,
    as_json: bool,
) -> None:
    """Decide about every source of FOLDER again, by what was measured in it.

    Clips that come out as before are taken over, only new ones are cut. A source is looked at again only where a filter
    asks for what was not measured. Exit code 1 means that some sources had problems.
    """
    from dataclasses import asdict

    from madata.commands.curate import show_summary
    from madata.curation.again import decide_again
    from madata.curation.target import Target
    from madata.devices import resolve_device
    from madata.engine import engine_of
    from madata.shard import Shard

    if keep and drop:
        raise click.UsageError("--keep and --drop say the same thing in two ways: give one of them")
    amount = keep or drop
    target = Target.parse(amount, by, drop=bool(drop)) if amount else None
    with Progress(quiet=is_quiet()) as progress:
        summary = decide_again(
            folder,
            out or folder,
            overrides=overrides,
            target=target,
            jobs=jobs,
            weights=weights,
            device=resolve_device(device),
            shard=shard or Shard(),
            engine=engine_of(engine, address),
            watch=progress,
        )
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        show_summary(asdict(summary), out or folder)
    ctx.exit(1 if summary.failed else 0)
