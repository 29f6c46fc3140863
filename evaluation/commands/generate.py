"""``madance generate``: a system over a split of a data set."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from evaluation.generate import Progress, Summary
    from evaluation.systems import Task

__all__ = ["generate"]

_FOLDER = click.Path(path_type=Path)
_LINE_EVERY_S = 30.0


@click.command(short_help="Run a system over a split, with seeds, resume and a journal.")
@click.argument("system")
@click.option(
    "--data", required=True, type=_FOLDER, help="Data set of `curate`, or a folder of music and clips."
)
@click.option("--split", help="Split to make [default: test where there are splits].")
@click.option("--out", required=True, type=_FOLDER, help="Run folder; what is finished in it is kept.")
@click.option("--task", type=click.Choice(["motion", "animation", "video"]), help="Where it does several.")
@click.option("--seed", default=0, show_default=True, help="Seed of the run; clips have their own by it.")
@click.option("--device", default="cpu", show_default=True, help="Where the system runs.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frame rate [default: of the clip].")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first clips.")
@click.option(
    "--shard", "shard_text", default="1/1", metavar="I/N", help="Only every N-th clip, from the I-th."
)
@click.option(
    "--retries", type=click.IntRange(min=0), default=1, show_default=True, help="For clips that fail."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Option of the system.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def generate(
    ctx: click.Context,
    system: str,
    data: Path,
    split: str | None,
    out: Path,
    task: Task | None,
    seed: int,
    device: str,
    fps: float | None,
    limit: int | None,
    shard_text: str,
    retries: int,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make every clip of a split with SYSTEM; the same command goes on where an interrupted one stopped.

    SYSTEM is an installed name (see `systems`), ./my_method.py:MyMethod, a folder of finished clips, or
    cascade:MOTION+ANIMATION. Clips appear in OUT/clips, ready for `score`. Several processes may fill one
    folder.

    Exit codes: 0 done, 1 some clips of this process failed (each is named).
    """
    from dataclasses import asdict

    from evaluation.generate import Settings, Shard
    from evaluation.generate import generate as run
    from evaluation.generate.options import parse_options
    from evaluation.systems import find

    settings = Settings(
        task=task,
        split=split,
        seed=seed,
        device=device,
        fps=fps,
        options=parse_options(overrides),
        limit=limit,
        shard=Shard.parse(shard_text),
        retries=retries,
    )
    progress = _Line(quiet=bool((ctx.obj or {}).get("quiet")))
    try:
        summary = run(find(system), data, out, settings, on_progress=progress.show)
    finally:
        progress.close()
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
    else:
        _show(summary, out)
    ctx.exit(1 if summary.failed else 0)


def _show(summary: Summary, out: Path) -> None:
    click.echo(f"{summary.done} of {summary.clips} clips are in {out / 'clips'}")
    if summary.frames_per_s is not None:
        warm = "warm" if summary.warm else "first clip included"
        memory = f", peak {summary.peak_rss_mib:.0f} MiB" if summary.peak_rss_mib else ""
        gpu = f", GPU {summary.peak_gpu_mib:.0f} MiB" if summary.peak_gpu_mib else ""
        click.echo(f"{summary.frames_per_s:.1f} frames/s of generation ({warm}){memory}{gpu}")
    for clip_id, error in summary.failed.items():
        click.echo(f"failed  {clip_id}: {error}", err=True)


class _Line:
    """One line on standard error: rewritten on a terminal, a new one now and then in a log."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._open = False

    def show(self, progress: Progress) -> None:
        """Show where the run stands."""
        now = time.monotonic()
        if self._quiet or progress.total == 0:
            return
        last = progress.done == progress.total
        if not (self._terminal or last or progress.error or now - self._last >= _LINE_EVERY_S):
            return
        self._last = now
        left_s = (now - self._begin) / progress.done * (progress.total - progress.done)
        rate = progress.frames / progress.generate_s if progress.generate_s else 0.0
        text = f"{progress.done}/{progress.total} clips, {rate:.1f} frames/s, {_clock(left_s)} left"
        if progress.error:
            self._write(f"{progress.clip_id} failed: {progress.error}", keep=True)
        self._write(text, keep=not self._terminal)

    def _write(self, text: str, *, keep: bool) -> None:
        stream: Any = sys.stderr
        stream.write(("\r\x1b[K" if self._terminal else "") + text + ("\n" if keep else ""))
        stream.flush()
        self._open = not keep

    def close(self) -> None:
        """End the line."""
        if self._open:
            sys.stderr.write("\n")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
