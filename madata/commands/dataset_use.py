"""The verbs of ``madance dataset`` that show a data set or give it to others: export, stats, card."""

from __future__ import annotations

import json
from pathlib import Path

import click

from madata.commands.options import PATH, json_option, out_option

__all__ = ["export"]


@click.command(short_help="Give it to another tool: videofolder, webdataset, ...")
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
