"""``madance demo``: the whole job on footage synthesised on the spot, with nothing to download."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["demo"]


@click.command(short_help="The whole job on synthesised footage, end to end.")
@click.option(
    "--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder to fill."
)
@click.option("--seed", default=0, show_default=True, help="Seed of dances, music and window offsets.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes [default: all cores].")
@click.pass_context
def demo(ctx: click.Context, out: Path, seed: int, jobs: int | None) -> None:
    """Synthesise a small crawl, curate it, and leave a folder to open.

    The crawl holds one dancer, two dancers, a static shot, a short shot, hard cuts, a dissolve and a fade, danced on
    the beats of synthesised music by our own renderer, so that every right decision is known.
    """
    from madata.commands.curate import curate
    from madata.synthetic.crawl import make_crawl

    crawl = out / "crawl"
    click.echo(f"synthesising a small crawl in {crawl}", err=True)
    make_crawl(crawl, seed=seed)
    click.echo(f"curating it into {out / 'dataset'}", err=True)
    ctx.invoke(
        curate,
        videos=(crawl,),
        out=out / "dataset",
        config=None,
        overrides=(),
        seed=seed,
        jobs=jobs,
        limit=None,
        weights=None,
        device="cpu",
        dry_run=False,
        as_json=False,
    )
