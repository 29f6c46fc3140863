"""``madance curate``: crawled videos become MA-Data clips."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madata.commands.options import (
    PATH,
    config_option,
    device_option,
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
    weights_option,
)
from madata.commands.progress import Progress
from madata.extras import require

if TYPE_CHECKING:
    from madata.curation.plan import Plan
    from madata.curation.settings import CurationConfig
    from madata.shard import Shard

__all__ = ["curate", "show_summary"]


@click.command(short_help="Crawled videos become MA-Data clips.")
@click.argument("videos", nargs=-1, required=True, type=PATH)
@out_option("Data set folder; a finished part is kept.")
@click.option(
    "--preset",
    type=click.Choice(["ma-data", "any"]),
    default="ma-data",
    show_default=True,
    help="ma-data: whole dancers with music. any: one person, also parts of a body, also without sound.",
)
@config_option
@set_option("Override one setting, e.g. clip.fps=30.")
@click.option(
    "--keypoints",
    type=click.Choice(["sampled", "full"]),
    help="Of the clips: at the samples that were looked at, or of every frame (setting: output.keypoints).",
)
@seed_option("Seed of the window offsets (setting: seed).", default=None)
@jobs_option()
@engine_options
@limit_option("Take only the first sources.")
@shard_option("Only a part of the sources; madance dataset merge joins the folders of all parts.")
@weights_option
@device_option
@dry_run_option("Show the sources, what cannot be read, how long it takes and the settings; do nothing.")
@json_option
@click.pass_context
def curate(
    ctx: click.Context,
    videos: tuple[Path, ...],
    out: Path,
    preset: str,
    config: Path | None,
    overrides: tuple[str, ...],
    keypoints: str | None,
    seed: int | None,
    jobs: int,
    engine: str,
    address: str | None,
    limit: int | None,
    shard: Shard | None,
    weights: Path | None,
    device: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Cut VIDEOS (files or folders) into single-dancer clips of 5-10 s.

    Writes sources.parquet, clips.parquet, dropped.parquet, the clips with their keypoints, settings.toml and
    report.html into the output folder. The same command goes on where an interrupted one stopped.
    Exit code 1 means that some sources had problems; the report names them.
    """
    from dataclasses import asdict

    from madata.curation import curate as run_curation
    from madata.curation.plan import plan
    from madata.curation.settings import load_config
    from madata.devices import resolve_device
    from madata.engine import engine_of
    from madata.shard import Shard

    require("curate", "av", "cv2")
    flags = {"seed": seed, "output.keypoints": keypoints}
    changes = [*overrides, *(f"{key}={value}" for key, value in flags.items() if value is not None)]
    settings = load_config(config, changes, preset=preset)
    with Progress(quiet=is_quiet()) as progress:
        options: dict[str, Any] = {
            "config": settings,
            "jobs": jobs,
            "limit": limit,
            "shard": shard or Shard(),
            "weights": weights,
            "device": resolve_device(device),
            "watch": progress,
        }
        if dry_run:
            planned = plan(videos, out, **options)
        else:
            summary = run_curation(videos, out, **options, engine=engine_of(engine, address))
    if dry_run:
        _show_plan(planned, jobs, settings, as_json=as_json)
        return
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        show_summary(asdict(summary), out)
    ctx.exit(1 if summary.failed else 0)


def _show_plan(found: Plan, jobs: int, settings: CurationConfig, *, as_json: bool) -> None:
    from madata.config import to_toml

    if as_json:
        click.echo(json.dumps(_plan_json(found, jobs, settings), indent=1))
        return
    names = found.found.names
    for source in found.sources:
        click.echo(f"{source.source_id}  {names[source.source_id]!r}")
    for name, source_id in found.found.duplicates:
        click.echo(f"duplicate of {source_id}: {name!r}")
    for name, why in found.found.ignored:
        click.echo(f"ignored: {name!r}: {why}")
    unusable = [*((name, message) for name, _, message in found.found.unusable), *found.unreadable]
    for name, message in unusable:
        click.echo(f"cannot be used: {name!r}: {message}")
    readable = len(found.sources) - len(found.unreadable)
    click.echo(
        f"{readable} sources, {found.done} of them done already; {found.seconds / 60:.1f} min of video to do; "
        f"{len(unusable)} files cannot be used"
    )
    if found.cost:
        hours, minutes = divmod(math.ceil(60 * found.cost.hours(found.seconds, jobs)), 60)
        click.echo(
            f"{found.cost.cpu_s_per_s:.2f} CPU s per second of video, measured on {found.cost.measured_s:.0f} s of "
            f"{found.cost.sources} sources: about {hours}:{minutes:02d} h with --jobs {jobs}"
        )
    click.echo(f"\n{to_toml(settings)}", nl=False)


def _plan_json(found: Plan, jobs: int, settings: CurationConfig) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "sources": {source.source_id: found.found.names[source.source_id] for source in found.sources},
        "done": found.done,
        "seconds": found.seconds,
        "duplicates": [{"file": name, "of": source_id} for name, source_id in found.found.duplicates],
        "ignored_files": [{"file": name, "why": why} for name, why in found.found.ignored],
        "problems": [
            *({"file": name, "message": message} for name, _, message in found.found.unusable),
            *({"file": name, "message": message} for name, message in found.unreadable),
        ],
        "cost": found.cost and asdict(found.cost),
        "hours": found.cost and found.cost.hours(found.seconds, jobs),
        "settings": settings.model_dump(mode="json"),
    }


def show_summary(summary: dict[str, Any], out: Path) -> None:
    """Print what a run made, for people."""
    click.echo(
        f"{summary['clips']} clips, {summary['clips_s'] / 60:.2f} min"
        + (f", mean {summary['mean_clip_s']:.2f} s" if summary["clips"] else "")
        + f", from {summary['sources']} sources ({summary['source_s'] / 60:.2f} min)"
    )
    for stage in summary["stages"]:
        click.echo(f"  dropped {stage['count']:4d}  {stage['stage']}: {stage['reason']}")
    for problem in summary["problems"]:
        click.echo(f"  problem  {problem['file']!r}: {problem['message']}")
    if summary["near_duplicates"]:
        pairs = summary["near_duplicates"]
        click.echo(f"  pairs of clips of different sources that show the same: {pairs} (duplicates.parquet)")
    if summary["splits"]:
        click.echo("  splits  " + ", ".join(f"{count} {name}" for name, count in summary["splits"].items()))
    if summary["advice"]:
        click.echo(f"  {summary['advice']}")
    if summary["ignored"]:
        click.echo(f"  ignored {summary['ignored']} files: summary.json and --json name them")
    click.echo(f"report: {out / 'report.html'}")
