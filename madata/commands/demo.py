"""``madance demo``: the whole job on footage synthesised on the spot, with nothing to download."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

__all__ = ["demo"]

_SANITY = ("ground-truth", "shuffled-music", "frozen-frame")


@click.command(short_help="The whole job on synthesised footage, end to end.")
@click.option(
    "--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder to fill."
)
@click.option("--seed", default=0, show_default=True, help="Seed of dances, music and window offsets.")
def demo(out: Path, seed: int) -> None:
    """Synthesise a small crawl, curate it, score the sanity systems on it and publish a board.

    The crawl holds one dancer, two dancers, a static shot, a short shot, hard cuts, a dissolve and a fade, danced on
    the beats of synthesised music by our own renderer, so that every right decision is known. Each step is a command
    that is shown before it runs.
    """
    from madata.synthetic.crawl import make_crawl

    click.echo(f"synthesising a small crawl in {out / 'crawl'}", err=True)
    make_crawl(out / "crawl", seed=seed)
    for command in _commands(out, seed):
        _run(command)
    click.echo(f"\nopen {out / 'dataset' / 'report.html'} (what was kept and why)")
    click.echo(f"open {out / 'site' / 'index.html'} (the board)")


def _commands(out: Path, seed: int) -> list[list[str]]:
    """The demo as command lines; its few clips are all test clips."""
    dataset, runs, scores = out / "dataset", out / "runs", out / "scores"
    curate = ["curate", out / "crawl", "--out", dataset, "--seed", seed, "--set", "output.test_share=1"]
    commands: list[list[object]] = [curate]
    for name in _SANITY:
        commands.append(["generate", name, "--data", dataset, "--task", "video", "--out", runs / name])
    for name in _SANITY:
        compared = ["--reference", dataset / "clips", "--protocol", "ma-data-video"]
        commands.append(["score", runs / name, *compared, "--out", scores / name])
    commands.append(["compare", scores / _SANITY[0], scores / _SANITY[-1]])
    media = [part for name in _SANITY for part in ("--media", f"{name}={runs / name / 'clips'}")]
    commands.append(["site", scores, "--out", out / "site", *media])
    return [[str(part) for part in command] for command in commands]


def _run(command: list[str]) -> None:
    from madata.cli import madance

    click.echo(f"\n$ madance {shlex.join(command)}", err=True)
    try:
        code = madance.main(args=command, prog_name="madance", standalone_mode=False)
    except SystemExit as stop:
        code = stop.code
    if isinstance(code, int) and code > 1:
        raise SystemExit(code)
