"""``madance demo``: the whole job on footage synthesised on the spot, with nothing to download."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from madata.commands.options import out_option, seed_option
from madata.extras import require

__all__ = ["demo"]

_FILMED = ("ground-truth", "shuffled-music", "frozen-frame")
_DANCED = ("ground-truth", "noise-floor", "shuffled-music", "mean-pose", "motion-expert")
_DANCES = {"test": 12, "train": 12}
_DANCE_S = 10.0


@click.command(short_help="The whole job on synthesised footage, end to end.")
@out_option("Folder to fill.", default=Path("demo"), show_default=True)
@seed_option("Seed of dances, music and window offsets.")
def demo(out: Path, seed: int) -> None:
    """Synthesise a small crawl, curate it, score systems on it and publish a board.

    The crawl holds one dancer, two dancers, a static shot, a short shot, hard cuts, a dissolve and a fade, danced on
    the beats of synthesised music by our own renderer, so that every right decision is known. A second, smaller set
    of 3D dances ranks the Motion Expert that comes with the package beside the sanity rows. Each step is a command
    that is shown before it runs.
    """
    require("demo")
    from madata.synthetic.crawl import make_crawl
    from madata.synthetic.dances import make_dances

    click.echo(f"synthesising a small crawl in {out / 'crawl'} and dances in {out / 'dances'}", err=True)
    make_crawl(out / "crawl", seed=seed)
    make_dances(out / "dances", _DANCES, _DANCE_S, seed=seed)
    for command in _commands(out, seed):
        _run(command)
    click.echo(f"\nopen {out / 'dataset' / 'report.html'} (what was kept and why)")
    click.echo(f"open {out / 'site' / 'index.html'} (the board)")


def _commands(out: Path, seed: int) -> list[list[str]]:
    """The demo as command lines."""
    dataset, runs, scores = out / "dataset", out / "runs", out / "scores"
    curate = ["curate", out / "crawl", "--out", dataset, "--seed", seed, "--set", "output.test_share=1"]
    first, last = scores / _FILMED[0], scores / _FILMED[-1]
    commands: list[list[object]] = [curate, *_filmed(dataset, runs, scores), ["compare", first, last]]
    commands += _danced(out / "dances", runs, scores)
    media = [part for name in _FILMED for part in ("--media", f"{name}={runs / name / 'clips'}")]
    commands.append(["site", scores, "--out", out / "site", *media])
    return [[str(part) for part in command] for command in commands]


def _filmed(dataset: Path, runs: Path, scores: Path) -> list[list[object]]:
    """Videos on the curated clips, all of which are test clips.

    The one landscape clip has no other to exchange its dance with: ``shuffled-music`` leaves it out and is partial.
    """
    part = {"shuffled-music": ["--allow-missing"]}
    reference = ["--reference", dataset / "clips", "--protocol", "ma-data-video"]
    return [
        *(["generate", name, "--data", dataset, "--task", "video", "--out", runs / name] for name in _FILMED),
        *(
            ["score", runs / name, *reference, *part.get(name, []), "--out", scores / name]
            for name in _FILMED
        ),
    ]


def _danced(dances: Path, runs: Path, scores: Path) -> list[list[object]]:
    """3D motion on the made-up dances."""
    reference = ["--reference", dances / "test" / "motions", "--music", dances / "test" / "music"]
    places = {name: f"3d-{name}" for name in _DANCED}
    return [
        *(
            ["generate", name, "--data", dances, "--task", "motion", "--out", runs / place]
            for name, place in places.items()
        ),
        *(
            ["score", runs / place, *reference, "--protocol", "finedance-motion3d", "--out", scores / place]
            for place in places.values()
        ),
    ]


def _run(command: list[str]) -> None:
    click.echo(f"\n$ madance {shlex.join(command)}", err=True)
    root = click.get_current_context().find_root().command
    try:
        code = root.main(args=command, prog_name="madance", standalone_mode=False)
    except SystemExit as stop:
        code = stop.code
    if isinstance(code, int) and code > 1:
        raise SystemExit(code)
