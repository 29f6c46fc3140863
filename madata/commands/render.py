"""``madance render``: 3D motions become front-view clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from madata.commands.options import (
    PATH,
    is_quiet,
    jobs_option,
    json_option,
    limit_option,
    out_option,
    seed_option,
    size_option,
)

if TYPE_CHECKING:
    from madata.render.batch import RenderSummary
    from madata.render.clips import RenderSettings

__all__ = ["render"]


@click.command(short_help="3D motions become front-view clips with exact keypoints.")
@click.argument("motions", nargs=-1, required=True, type=PATH)
@out_option("Data set folder; a finished part is kept.")
@click.option("--renderer", type=click.Choice(["capsules", "smpl"]), default="capsules", show_default=True)
@click.option(
    "--model", type=click.Path(path_type=Path, dir_okay=False), help="SMPL model file, for the renderer smpl."
)
@size_option("Pixels: one side, or WIDTHxHEIGHT.", default="512", show_default=True)
@click.option("--fps", type=click.FloatRange(min=1, max=240), default=30.0, show_default=True)
@click.option(
    "--windows/--whole",
    default=True,
    show_default=True,
    help="Cut 5-10 s windows, or render each motion whole.",
)
@click.option(
    "--law",
    type=click.Choice(["mean", "uniform", "fixed"]),
    default="mean",
    show_default=True,
    help="How long windows are.",
)
@click.option(
    "--mean-s",
    type=float,
    default=5.04,
    show_default=True,
    help="Mean length of the law 'mean' (paper: 28 h / 20k).",
)
@click.option("--overlap", type=click.FloatRange(min=0, max=1, max_open=True), default=0.0, show_default=True,
              help="Share of a window that the next one may cover again.")  # fmt: skip
@click.option(
    "--framing",
    type=click.Choice(["motion", "clip"]),
    default="motion",
    show_default=True,
    help="What stays in view.",
)
@click.option(
    "--backdrop", default="studio", show_default=True, help="studio, room, stage, loft, grid, or mixed."
)
@click.option(
    "--look", type=click.IntRange(min=0), help="Outfit number [default: differs from motion to motion]."
)
@click.option("--music", type=PATH, help="Folder of sound files named like the motions.")
@seed_option("Seed of window offsets, outfits and places.")
@jobs_option()
@limit_option("Take only the first motions.")
@json_option
@click.pass_context
def render(
    ctx: click.Context,
    motions: tuple[Path, ...],
    out: Path,
    renderer: str,
    model: Path | None,
    size: tuple[int, int],
    fps: float,
    windows: bool,
    law: str,
    mean_s: float,
    overlap: float,
    framing: Literal["motion", "clip"],
    backdrop: str,
    look: int | None,
    music: Path | None,
    seed: int,
    jobs: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """Render MOTIONS (files or folders: FineDance, AIST++, EDGE, AMASS, BVH, our own) from the front.

    Writes clips/*.mp4 with exact 2D keypoints in keypoints/*.npz, sources.parquet, clips.parquet and
    dropped.parquet. The same command goes on where an interrupted one stopped. Exit code 1 means that some
    motions could not be used; the summary names them.
    """
    from dataclasses import asdict

    from madata.render.batch import render_settings

    settings = render_settings(
        renderer=renderer,
        model=model,
        size=size,
        fps=fps,
        seed=seed,
        law=law if windows else None,
        mean_s=mean_s,
        overlap=overlap,
        framing=framing,
        backdrop=backdrop,
        look=look,
        music=music,
    )
    summary = _render(motions, out, settings, jobs, limit)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        _show(asdict(summary), out)
    ctx.exit(1 if summary.failed else 0)


def _render(
    motions: tuple[Path, ...], out: Path, settings: RenderSettings, jobs: int, limit: int | None
) -> RenderSummary:
    """The run, with a bar that counts motions."""
    from tqdm import tqdm

    from madata.render.batch import render_motions

    with tqdm(desc="motions", disable=is_quiet() or None) as bar:
        return render_motions(
            motions, out, settings=settings, jobs=jobs, limit=limit, on_start=bar.reset, on_motion=bar.update
        )


def _show(summary: dict[str, Any], out: Path) -> None:
    mean = f", mean {summary['mean_clip_s']:.2f} s" if summary["clips"] else ""
    hours = summary["clips_s"] / 3600
    click.echo(f"{summary['clips']} clips, {hours:.3f} h{mean}, from {summary['sources']} motions")
    for seconds, count in summary["histogram"].items():
        click.echo(f"  {seconds:>5} s  {count}")
    for problem in summary["problems"]:
        click.echo(f"  problem  {problem['file']!r}: {problem['message']}")
    if summary["dropped"]:
        click.echo(f"  {summary['dropped']} motions are shorter than a window")
    if summary["without_music"]:
        click.echo(f"  {summary['without_music']} motions have no file in the music folder")
    click.echo(f"tables: {out / 'clips.parquet'}")
