"""``madance demo``: the whole job on footage synthesised on the spot, with nothing to download."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TextIO

import click

from madata.commands.options import out_option, seed_option
from madata.extras import require

__all__ = ["demo"]

_FILMED = ("ground-truth", "shuffled-music", "frozen-frame")
_DANCED = ("ground-truth", "noise-floor", "shuffled-music", "mean-pose", "motion-expert")
_DANCES = {"test": 12, "train": 12}
_DANCE_S = 10.0
_LOG = "log.txt"

_Commands = list[list[object]]


@dataclass(frozen=True)
class _Step:
    """A line of the story.

    Attributes:
        title: what is being made.
        commands: how.
        shows: file or folder in the folder of the demo -> what is to be seen there; the first is named at once.
    """

    title: str
    commands: list[list[str]]
    shows: dict[str, str]


@click.command(short_help="The whole job on synthesised footage, end to end.")
@out_option("Folder to fill.", default=Path("demo"), show_default=True)
@seed_option("Seed of dances, music and window offsets.")
def demo(out: Path, seed: int) -> None:
    """Synthesise a small crawl, curate it, score systems on it and publish a board.

    The crawl holds one dancer, two dancers, a static shot, a short shot, hard cuts, a dissolve and a fade, danced on
    the beats of synthesised music by our own renderer, so that every right decision is known. A second, smaller set
    of 3D dances ranks the Motion Expert that comes with the package beside the sanity rows. What is made is said in a
    line a step; index.html links all of it with the commands that made it, and log.txt has what they said.
    """
    require("demo")
    from madata.files import storage_errors, write_text
    from madata.synthetic.crawl import make_crawl
    from madata.synthetic.dances import make_dances

    steps, took = _steps(out, seed), []
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with (out / _LOG).open("w", encoding="utf-8") as log:
        for number, step in enumerate(steps, start=1):
            click.echo(f"{number}/{len(steps)}  {step.title} ...", nl=False)
            start = time.monotonic()
            try:
                if not step.commands:
                    make_crawl(out / "crawl", seed=seed)
                    make_dances(out / "dances", _DANCES, _DANCE_S, seed=seed)
                for command in step.commands:
                    _run(command, log)
            except BaseException:
                click.echo(f"  stopped; {out / _LOG} has what was said")
                raise
            took.append(time.monotonic() - start)
            click.echo(f"  {took[-1]:.0f} s   {out / next(iter(step.shows))}")
    write_text(out / "index.html", _page(steps, took))
    click.echo(f"\nall of it on one page: open {out / 'index.html'}")


def _steps(out: Path, seed: int) -> list[_Step]:
    """The demo, step by step."""
    dataset, runs, scores, dances = out / "dataset", out / "runs", out / "scores", out / "dances"
    filmed_generate, filmed_score = _filmed(dataset, runs, scores)
    danced_generate, danced_score = _danced(dances, runs, scores)
    curate = ["curate", out / "crawl", "--out", dataset, "--seed", seed, "--set", "output.test_share=1"]
    compare = ["compare", scores / _FILMED[0], scores / _FILMED[-1]]
    media = [part for name in _FILMED for part in ("--media", f"{name}={runs / name / 'clips'}")]
    expert, song = (
        runs / "3d-motion-expert" / "clips" / "test-00.npz",
        dances / "test" / "music" / "test-00.wav",
    )
    view = ["view", expert, "--music", song, "--out", out / "dance.html"]
    site = ["site", scores, "--out", out / "site", *media]
    made: tuple[tuple[str, _Commands, dict[str, str]], ...] = (
        ("three films of made-up dancers, and 24 dances in 3D", [], {
            "crawl": "the films: one dancer, two, a static shot, cuts, a dissolve, a fade",
            "dances": "dances in 3D, each with its music",
        }),
        ("a data set of the films: one dancer each, 5 to 10 s", [curate], {
            "dataset/report.html": "what was kept, what was dropped and why, with thresholds to move",
            "dataset/contact_sheet.jpg": "a picture of every clip",
            "dataset/clips": "the clips",
        }),
        ("videos of three systems: the truth, the truth to other music, a frozen picture", filmed_generate, {
            f"runs/{name}/clips": f"videos of {name}" for name in _FILMED
        }),
        ("their scores, and whether the truth beats the frozen picture", [*filmed_score, compare], {
            "scores": "a result with its features for each system",
        }),
        ("dances of five systems, the small Motion Expert among them", [*danced_generate, view], {
            "dance.html": "a dance of the small Motion Expert in 3D, with its music",
            **{f"runs/3d-{name}/clips": f"dances of {name}" for name in _DANCED},
        }),
        ("their scores", danced_score, {"scores": "as above"}),
        ("the board", [site], {"site/index.html": "the board: the rows of the paper, and those of the demo"}),
    )  # fmt: skip
    return [
        _Step(title, [[str(part) for part in command] for command in commands], shows)
        for title, commands, shows in made
    ]


def _filmed(dataset: Path, runs: Path, scores: Path) -> tuple[_Commands, _Commands]:
    """Videos on the curated clips, all of which are test clips, and their scores.

    The one landscape clip has no other to exchange its dance with: ``shuffled-music`` leaves it out and is partial.
    """
    part = {"shuffled-music": ["--allow-missing"]}
    reference = ["--reference", dataset / "clips", "--protocol", "ma-data-video"]
    return [
        ["generate", name, "--data", dataset, "--task", "video", "--out", runs / name] for name in _FILMED
    ], [["score", runs / name, *reference, *part.get(name, []), "--out", scores / name] for name in _FILMED]


def _danced(dances: Path, runs: Path, scores: Path) -> tuple[_Commands, _Commands]:
    """3D motion on the made-up dances, and its scores."""
    reference = ["--reference", dances / "test" / "motions", "--music", dances / "test" / "music"]
    places = {name: f"3d-{name}" for name in _DANCED}
    return [
        ["generate", name, "--data", dances, "--task", "motion", "--out", runs / place]
        for name, place in places.items()
    ], [
        ["score", runs / place, *reference, "--protocol", "finedance-motion3d", "--out", scores / place]
        for place in places.values()
    ]


def _run(command: list[str], log: TextIO) -> None:
    """Give a command, and keep what it says for the log."""
    log.write(f"\n$ madance {shlex.join(command)}\n")
    log.flush()
    root = click.get_current_context().find_root().command
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            code = root.main(args=command, prog_name="madance", standalone_mode=False)
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, int) and code > 1:
        raise SystemExit(code)


def _page(steps: list[_Step], took: list[float]) -> str:
    """One page with everything that was made; its links are within the folder."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = resources.files("madata").joinpath("templates", "demo.html").read_text("utf-8")
    lines = [["madance " + shlex.join(command) for command in step.commands] for step in steps]
    return environment.from_string(text).render(steps=list(zip(steps, took, lines, strict=True)), log=_LOG)
