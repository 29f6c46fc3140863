"""``madance generate``: a system over a split of a data set, or on a user's own song and picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evaluation.commands.completion import systems
from evaluation.commands.status_line import StatusLine
from madata.commands.options import (
    PATH,
    device_option,
    dry_run_option,
    is_quiet,
    json_option,
    limit_option,
    out_option,
    seed_option,
    set_option,
    shard_option,
    size_option,
)
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.generate import ClipInputs, Settings

__all__ = ["generate"]


@click.command(short_help="Run a system: over a split, or on one song and one picture.")
@click.argument("system", shell_complete=systems)
@out_option("Run folder; or the clip: .npz, .pkl, .mp4.")
@click.option("--task", type=click.Choice(["motion", "animation", "video"]), help="Where it does several.")
@seed_option("Clips of a split have their own by it.")
@device_option
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="[default: of system or clip]")
@size_option("Size of videos [default: of system, clip or picture].")
@click.option("--duration", "duration_s", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Seconds, from the start [default: all].")  # fmt: skip
@set_option("Option of the system.")
@json_option
@click.option("--music", type=PATH, help="One clip: the song.")
@click.option("--image", type=PATH, help="One clip: the person.")
@click.option("--pose", type=PATH, help="One clip: keypoints or a motion to follow.")
@click.option("--preview", type=PATH, help="One motion: also show it in this .mp4.")
@click.option("--keep", type=PATH, help="One clip: folder of its pieces [default: OUT's name with .parts].")
@dry_run_option("Only say what there is to do and what it will take.")
@click.option("--data", type=PATH, help="A split: data set of `curate`, or a folder of music and clips.")
@click.option(
    "--split", help="A split: its name, or aist++:crossmodal-test [default: test where there are splits]."
)
@limit_option("A split: only the first clips.")
@shard_option("A split: only every N-th clip, from the I-th.")
@click.option("--retries", type=click.IntRange(min=0), help="A split: for clips that fail [default: 1].")
@click.option("--batch", type=click.IntRange(min=1), metavar="N",
              help="A split: clips that a system makes at once, if it can [default: 1].")  # fmt: skip
@click.option("--keep-parts", is_flag=True, default=None, help="A split: keep the pieces, in OUT/parts.")
@click.pass_context
def generate(ctx: click.Context, /, system: str, as_json: bool, **given: Any) -> None:
    """Make every clip of a split with SYSTEM, or one clip of your own.

    \b
    madance generate motion-expert --data DATA --out runs/mine
    madance generate motion-expert --music song.wav --out a.npz --preview a.mp4
    madance generate mace-dance --music song.wav --image person.png --out clip.mp4

    SYSTEM is an installed name (see `systems`), ./my_method.py:MyMethod, a folder of finished clips,
    ./their_method.toml (a command), or cascade:MOTION+ANIMATION.
    The same command goes on where an interrupted one stopped. Clips of a split appear
    in OUT/clips, ready for `score`; several processes may fill one folder. One clip has its record beside it
    (clip.json) and its pieces in clip.parts.

    Exit codes: 0 done, 1 some clips of a split failed, or lack what the task needs (each is named).
    """
    from madata.devices import resolve_device

    _one_mode(given)
    given["device"] = resolve_device(given["device"])
    if given["dry_run"]:
        lines = _planned(system, given)
        click.echo(json.dumps(lines, indent=1) if as_json else "\n".join(lines))
        return
    line = StatusLine(quiet=is_quiet())
    try:
        done = (_one_clip if given["data"] is None else _split)(system, given, line)
    finally:
        line.close()
    if prints := _prints(given):
        click.echo(f"what {system} printed is in {prints}", err=True)
    if as_json:
        click.echo(json.dumps(done, indent=1))
    elif given["data"] is None:
        _show_clip(done, given["out"])
    else:
        _show_split(done, given["out"])
    ctx.exit(1 if done.get("failed") else 0)


_ONE_CLIP = ("music", "image", "pose", "preview", "keep")
_A_SPLIT = ("split", "limit", "shard", "retries", "batch", "keep_parts")


def _one_mode(given: Mapping[str, Any]) -> None:
    """Refuse options of the other mode: exactly one of --data and a user's own files is given."""
    if given["data"] is None and not any(given[name] for name in ("music", "image", "pose")):
        raise click.UsageError("give --data DATA for a split, or --music, --image, --pose for one clip")
    mode, foreign = ("--data", _ONE_CLIP) if given["data"] is not None else ("one clip", _A_SPLIT)
    for name in foreign:
        if given[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} does not go with {mode}")


def _settings(given: Mapping[str, Any]) -> Settings:
    from evaluation.generate import Settings
    from evaluation.generate.settings import parse_options
    from madata.shard import Shard

    return Settings(
        task=given["task"],
        split=given["split"],
        seed=given["seed"],
        device=given["device"],
        fps=given["fps"],
        duration_s=given["duration_s"],
        size=given["size"],
        options=parse_options(given["overrides"]),
        limit=given["limit"],
        shard=given["shard"] or Shard(),
        retries=1 if given["retries"] is None else given["retries"],
        batch=given["batch"] or 1,
        keep_parts=bool(given["keep_parts"]),
    )


def _inputs(given: Mapping[str, Any]) -> ClipInputs:
    from evaluation.generate import ClipInputs

    return ClipInputs(given["music"], given["image"], given["pose"])


def _planned(system: str, given: Mapping[str, Any]) -> list[str]:
    from evaluation.generate import plan_clip, plan_split
    from evaluation.systems import find

    settings, plugin = _settings(given), find(system)
    if given["data"] is None:
        return plan_clip(plugin, _inputs(given), given["out"], settings)
    return plan_split(plugin, given["data"], given["out"], settings)


def _one_clip(system: str, given: Mapping[str, Any], line: StatusLine) -> dict[str, Any]:
    from evaluation.generate import generate_clip
    from evaluation.systems import find

    return generate_clip(
        find(system),
        _inputs(given),
        given["out"],
        _settings(given),
        preview=given["preview"],
        keep=given["keep"],
        on_plan=line.plan,
        on_report=line.report,
    )


def _split(system: str, given: Mapping[str, Any], line: StatusLine) -> dict[str, Any]:
    from dataclasses import asdict

    from evaluation.generate import generate as run
    from evaluation.systems import find

    summary = run(
        find(system),
        given["data"],
        given["out"],
        _settings(given),
        on_progress=line.clip,
        on_report=line.report_in_split,
        on_deviations=line.deviations,
    )
    return asdict(summary)


def _prints(given: Mapping[str, Any]) -> Path | None:
    """Where the system's prints are, if it printed."""
    from evaluation.generate.records import Records
    from evaluation.generate.single import parts_of

    folder = given["out"] if given["data"] is not None else parts_of(given["out"], given["keep"])
    records = Records(folder)
    return records.prints if records.printed else None


def _show_clip(record: Mapping[str, Any], out: Path) -> None:
    seconds = record["num_frames"] / record["fps"]
    label = f" [{record['label']}]" if record.get("label") else ""
    click.echo(f"{out}: {record['num_frames']} frames, {seconds:.2f} s by {record['system']['name']}{label}")


def _show_split(summary: Mapping[str, Any], out: Path) -> None:
    click.echo(f"{summary['done']} of {summary['clips']} clips are in {out / 'clips'}")
    if summary["frames_per_s"] is not None:
        warm = "warm" if summary["warm"] else "first clip included"
        warm += f", {summary['batch']} at once" if summary["batch"] > 1 else ""
        memory = f", peak {summary['peak_rss_mib']:.0f} MiB" if summary["peak_rss_mib"] else ""
        gpu = f", GPU {summary['peak_gpu_mib']:.0f} MiB" if summary["peak_gpu_mib"] else ""
        click.echo(f"{summary['frames_per_s']:.1f} frames/s of generation ({warm}){memory}{gpu}")
    for clip_id, error in summary["failed"].items():
        click.echo(f"failed  {visible(clip_id)}: {visible(error)}", err=True)
