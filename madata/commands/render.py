"""``madance render``: 3D motions become front-view clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madata.commands.options import (
    PATH,
    config_option,
    dry_run_option,
    engine_options,
    is_quiet,
    jobs_option,
    json_option,
    limit_option,
    out_option,
    seed_option,
    set_option,
    shard_option,
    size_option,
)
from madata.commands.progress import Progress
from madata.extras import require

if TYPE_CHECKING:
    from madata.render.plan import RenderPlan
    from madata.render.settings import RenderSettings
    from madata.shard import Shard

__all__ = ["render"]


@click.command(short_help="3D motions become front-view clips with exact keypoints.")
@click.argument("motions", nargs=-1, required=True, type=PATH)
@out_option("Data set folder; a finished part is kept.")
@config_option
@set_option("Override one setting, e.g. follow_below=0 or windows.max_s=8.")
@click.option(
    "--renderer", type=click.Choice(["capsules", "smpl"]), help="How dancers look  [default: capsules]"
)
@click.option(
    "--model", type=click.Path(path_type=Path, dir_okay=False), help="SMPL model file, for the renderer smpl."
)
@size_option("Pixels: one side, or WIDTHxHEIGHT  [default: 512]", default=None)
@click.option("--fps", type=click.FloatRange(min=1, max=240), help="Frames per second  [default: 30]")
@click.option(
    "--windows/--whole",
    "in_windows",
    default=None,
    help="Cut 5-10 s windows, or render each motion whole  [default: windows]",
)
@click.option(
    "--law", type=click.Choice(["mean", "uniform", "fixed"]), help="How long windows are  [default: mean]"
)
@click.option(
    "--mean-s", type=float, help="Mean length of the law 'mean'  [default: 5.04, the paper's 28 h / 20k]"
)
@click.option(
    "--overlap",
    type=click.FloatRange(min=0, max=1, max_open=True),
    help="Share of a window that the next one may cover again  [default: 0]",
)
@click.option(
    "--framing", type=click.Choice(["motion", "clip"]), help="What stays in view  [default: motion]"
)
@click.option("--backdrop", help="studio, room, stage, loft, grid, or mixed  [default: studio]")
@click.option(
    "--look", type=click.IntRange(min=0), help="Outfit number [default: differs from motion to motion]."
)
@click.option("--music", type=PATH, help="Folder of sound files named like the motions.")
@seed_option("Seed of window offsets, outfits and places (setting: seed).", default=None)
@jobs_option()
@engine_options
@limit_option("Take only the first motions.")
@shard_option("Only a part of the motions; madance dataset merge joins the folders of all parts.")
@dry_run_option(
    "Show the motions, what cannot be read, how many clips come of them and the settings; do nothing."
)
@json_option
@click.pass_context
def render(
    ctx: click.Context,
    /,
    motions: tuple[Path, ...],
    out: Path,
    config: Path | None,
    overrides: tuple[str, ...],
    in_windows: bool | None,
    law: str | None,
    mean_s: float | None,
    overlap: float | None,
    jobs: int,
    engine: str,
    address: str | None,
    limit: int | None,
    shard: Shard | None,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Render MOTIONS (files or folders: FineDance, AIST++, EDGE, AMASS, BVH, our own) from the front.

    Writes clips/*.mp4 with exact 2D keypoints in keypoints/*.npz, sources.parquet, clips.parquet, dropped.parquet,
    settings.toml and report.html. The same command goes on where an interrupted one stopped. Single wild positions are
    put back, a dancer who goes far is followed, and a motion that never moves is dropped as static. Exit code 1 means
    that some motions could not be used; the summary names them.
    """
    from dataclasses import asdict

    from madata.engine import engine_of
    from madata.render.batch import render_motions
    from madata.render.plan import plan_rendering
    from madata.render.settings import render_settings
    from madata.shard import Shard

    require("render")
    windows = {"law": law, "mean_s": mean_s, "overlap": overlap}
    flags = {name: value for name, value in given.items() if value is not None}
    flags["windows"] = {name: value for name, value in windows.items() if value is not None}
    if in_windows is not None:
        flags["whole"] = not in_windows
    settings = render_settings(config, overrides, flags)
    options: dict[str, Any] = {"settings": settings, "limit": limit, "shard": shard or Shard()}
    if dry_run:
        _show_plan(plan_rendering(motions, out, **options), settings, as_json=as_json)
        return
    with Progress(quiet=is_quiet()) as progress:
        summary = render_motions(
            motions, out, **options, jobs=jobs, engine=engine_of(engine, address), watch=progress
        )
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        _show(asdict(summary), out)
    ctx.exit(1 if summary.failed else 0)


def _show_plan(found: RenderPlan, settings: RenderSettings, *, as_json: bool) -> None:
    from madata.config import to_toml

    if as_json:
        plan = {
            "sources": {motion.source_id: motion.name for motion in found.motions},
            "done": found.done,
            "seconds": found.seconds,
            "clips": found.clips,
            "problems": [{"file": name, "message": message} for name, message in found.unusable],
            "settings": settings.model_dump(mode="json"),
        }
        click.echo(json.dumps(plan, indent=1))
        return
    for motion in found.motions:
        click.echo(f"{motion.source_id}  {motion.name!r}")
    for name, message in found.unusable:
        click.echo(f"cannot be used: {name!r}: {message}")
    click.echo(
        f"{len(found.motions) - len(found.unusable)} motions, {found.done} of them done already; "
        f"{found.seconds / 60:.1f} min to render, in at most {found.clips} clips; "
        f"{len(found.unusable)} files cannot be used"
    )
    click.echo(f"\n{to_toml(settings)}", nl=False)


def _show(summary: dict[str, Any], out: Path) -> None:
    mean = f", mean {summary['mean_clip_s']:.2f} s" if summary["clips"] else ""
    hours = summary["clips_s"] / 3600
    click.echo(f"{summary['clips']} clips, {hours:.3f} h{mean}, from {summary['sources']} motions")
    for seconds, count in summary["histogram"].items():
        click.echo(f"  {seconds:>5} s  {count}")
    for problem in summary["problems"]:
        click.echo(f"  problem  {problem['file']!r}: {problem['message']}")
    for stage in summary["stages"]:
        click.echo(f"  dropped {stage['count']:4d}  {stage['stage']}: {stage['reason']}")
    if summary["without_music"]:
        click.echo(f"  {summary['without_music']} motions have no file in the music folder")
    if summary["advice"]:
        click.echo(f"  {summary['advice']}")
    click.echo(f"report: {out / 'report.html'}")
