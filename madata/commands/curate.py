"""``madance curate``: crawled videos become MA-Data clips."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from madata.commands.options import (
    PATH,
    config_option,
    device_option,
    dry_run_option,
    is_quiet,
    jobs_option,
    json_option,
    limit_option,
    out_option,
    seed_option,
    set_option,
    weights_option,
)

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
@seed_option("Seed of the window offsets (setting: seed).", default=None)
@jobs_option()
@limit_option("Take only the first sources.")
@weights_option
@device_option
@dry_run_option("Show the sources and the settings; do nothing.")
@json_option
@click.pass_context
def curate(
    ctx: click.Context,
    videos: tuple[Path, ...],
    out: Path,
    preset: str,
    config: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    jobs: int,
    limit: int | None,
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

    from madata.config import to_toml
    from madata.curate import curate as run_curation
    from madata.curate.settings import load_config
    from madata.devices import resolve_device

    changes = [*overrides, *([f"seed={seed}"] if seed is not None else [])]
    settings = load_config(config, changes, preset=preset)
    if dry_run:
        _dry_run(videos, out, limit, to_toml(settings))
        return
    progress = Progress(quiet=is_quiet())
    try:
        summary = run_curation(
            videos,
            out,
            config=settings,
            jobs=jobs,
            limit=limit,
            weights=weights,
            device=resolve_device(device),
            on_start=progress.start,
            on_progress=progress.advance,
            on_source=progress.say,
        )
    finally:
        progress.close()
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        show_summary(asdict(summary), out)
    ctx.exit(1 if summary.failed else 0)


class Progress:
    """Seconds of video as a bar where stderr is a terminal, and a line for each source; nothing with ``--quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def start(self, seconds: float) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=round(seconds, 1),
            unit="s",
            desc="video",
            disable=True if self._quiet else None,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}, {rate_fmt}]",
        )

    def advance(self, seconds: float) -> None:
        if self._bar is not None:
            self._bar.update(seconds)

    def say(self, line: str) -> None:
        if not self._quiet:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _dry_run(videos: tuple[Path, ...], out: Path, limit: int | None, settings: str) -> None:
    from madata.curate.sources import collect

    found = collect(videos, out=out)
    for source in found.sources[:limit]:
        click.echo(f"{source.source_id}  {found.names[source.source_id]!r}")
    for name, source_id in found.duplicates:
        click.echo(f"duplicate of {source_id}: {name!r}")
    for name, _, message in found.unusable:
        click.echo(f"cannot be used: {name!r}: {message}")
    for name in found.ignored:
        click.echo(f"ignored, no media by its name: {name!r}")
    seconds = [_declared_s(source.path) for source in found.sources[:limit]]
    known = [one for one in seconds if one is not None]
    click.echo(
        f"{len(seconds)} sources, {sum(known) / 60:.1f} min of video; {len(seconds) - len(known)} cannot be read"
    )
    click.echo(f"\n{settings}", nl=False)


def _declared_s(path: Path) -> float | None:
    from madata.errors import MediaError
    from madata.video import probe

    try:
        return probe(path).duration_s or 0.0
    except MediaError:
        return None


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
    if summary["ignored"]:
        click.echo(f"  ignored {summary['ignored']} files that are no media by their names")
    click.echo(f"report: {out / 'report.html'}")
