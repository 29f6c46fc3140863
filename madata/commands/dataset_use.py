"""The verbs of ``madance dataset`` that show a data set or give it to others: export, stats, card."""

from __future__ import annotations

import json
from pathlib import Path

import click

from madata.commands.options import PATH, config_option, json_option, out_option, set_option
from madata.text import visible

__all__ = ["card", "export", "stats"]


@click.command(short_help="Give it to another tool: WebDataset, Lance, CSV.")
@click.argument("folder", type=PATH)
@click.option("--format", "name", required=True, metavar="NAME", help="See the list above.")
@out_option("New folder for what is exported.")
@click.option("--split", help="Only its clips [default: all].")
@json_option
@click.pass_context
def export(ctx: click.Context, folder: Path, name: str, out: Path, split: str | None, as_json: bool) -> None:
    """Export the clips of FOLDER for another tool.

    \b
    csv          tables for spreadsheets: sources.csv, clips.csv, dropped.csv
    videofolder  a folder per split with metadata, for datasets' videofolder
    webdataset   tar shards of at most 1000 clips, for webdataset and datasets
    lance        one table with the videos in it, for queries (pylance)
    finedance    motions, music and labels as FineDance has them (rendered clips)
    aistpp       motions and music as AIST++ has them (rendered clips)

    Exit code 1 means that some clips could not be exported; each is named.
    """
    from madata.dataset.export import export as run_export

    done = run_export(folder, name, out, split)
    if as_json:
        click.echo(json.dumps({"clips": done.clips, "left_out": done.left_out}, indent=1))
    else:
        for clip, why in done.left_out.items():
            click.echo(f"left out: {clip}: {why}")
        click.echo(f"{done.clips} clips in {out}")
    ctx.exit(1 if done.left_out else 0)


@click.command(short_help="What it holds: hours, genres, lengths, people.")
@click.argument("folder", type=PATH)
@out_option("Page of plots, .html.", required=False)
@json_option
def stats(folder: Path, out: Path | None, as_json: bool) -> None:
    """Count what FOLDER holds, from its tables alone.

    Hours per genre, split and subset; lengths, motion, tempo, people, sizes; what was dropped and why.
    """
    from dataclasses import asdict

    from madata.dataset.statistics import as_rows, describe_dataset, write_statistics

    of = describe_dataset(folder)
    if out is not None:
        write_statistics(out, folder.resolve().name, of)
    if as_json:
        click.echo(json.dumps(asdict(of), indent=1))
        return
    rows = as_rows(of)
    width = max(len(what) for what, _ in rows)
    for what, how_much in rows:
        click.echo(f"{visible(what):{width}}  {how_much}")


@click.command(short_help="Write its card: README.md, croissant.json.")
@click.argument("folder", type=PATH)
@config_option
@set_option("What no table knows, e.g. licence=cc-by-nc-4.0, url=..., contact=..., version=1.1.0.")
def card(folder: Path, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Write README.md and croissant.json (Croissant 1.1 with RAI) into FOLDER; every count in them is counted.

    Settings: name, version, licence, url, contact, cite_as, published, creators.
    """
    from madata.config import merged, parse_override, validated
    from madata.dataset.card import CardSettings, write_card
    from madata.files import read_toml

    layers = [read_toml(config)] if config is not None else []
    values = merged([*layers, *(parse_override(text) for text in overrides)])
    of = write_card(folder, validated(CardSettings, values))
    click.echo(
        f"{folder / 'README.md'}, {folder / 'croissant.json'}: {of.whole.clips} clips, {of.whole.hours:.2f} h"
    )
