"""``madance train motion``: a motion network on a folder of dances and music."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from madata.commands.options import (
    PATH,
    config_option,
    device_option,
    dry_run_option,
    is_quiet,
    jobs_option,
    json_option,
    offering,
    out_option,
    seed_option,
    set_option,
)
from madata.extras import require

if TYPE_CHECKING:
    from mace_dance.training.motion.task import MotionTask

__all__ = ["motion"]


def _presets() -> Iterable[str]:
    from mace_dance.training.motion.settings import preset_names

    return preset_names()


@click.command(short_help="Train the Motion Expert, an ablation of it, or a baseline.")
@click.argument("data", type=PATH)
@out_option("Run folder; what is in it goes on.")
@click.option(
    "--preset",
    default="official",
    show_default=True,
    shell_complete=offering(_presets),
    help="The Motion Expert: official, paper, tiny; its ablations: gft-to-cfg, bimamba-to-mamba, "
    "bimamba-to-transformer; baselines: edge, fact, mnet; bailando-codebook, bailando-root, bailando-gpt, "
    "bailando-actor-critic; lodge-local, lodge-fine-tuning, lodge-global; "
    "megadance-codes, megadance-gpt, megadance-genres.",
)
@config_option
@set_option("One setting: loop.clip_norm=1.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps in all.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the windows.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Windows of a step, on all devices together.")
@click.option("--precision", type=click.Choice(["no", "bf16", "fp16"]), help="Mixed precision.")
@seed_option("Of everything random.", default=None)
@device_option
@click.option("--cache", type=PATH, help="Where the prepared data is kept [default: OUT/data].")
@jobs_option("Processes that prepare it.")
@dry_run_option("Prepare the data, say what would be trained, and stop.")
@json_option
@click.pass_context
def motion(
    ctx: click.Context,
    data: Path,
    out: Path,
    preset: str,
    config: Path | None,
    overrides: tuple[str, ...],
    steps: int | None,
    epochs: int | None,
    batch_size: int | None,
    precision: str | None,
    seed: int | None,
    device: str,
    cache: Path | None,
    jobs: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train on DATA: FineDance, AIST++, EDGE or MA-Data as their authors ship them, or a folder of motions.

    The same command goes on from the newest checkpoint in OUT, to the same bits. OUT/metrics.csv has the losses,
    OUT/samples.csv what held-out music makes of it, OUT/model the finished model. Ctrl-C saves first.

    Exit codes: 0 done, 130 interrupted, 143 terminated.
    """
    if steps is not None and epochs is not None:
        raise click.UsageError("give either --steps or --epochs", ctx)
    require("train")
    from mace_dance.training.motion.task import train_motion
    from mace_dance.training.shared.ending import tell_end
    from mace_dance.training.shared.progress import ProgressLine, is_speaker

    loop = {"steps": steps, "epochs": epochs, "batch_size": batch_size, "precision": precision, "seed": seed}
    flags = {"loop": {name: value for name, value in loop.items() if value is not None}}
    quiet = is_quiet()
    task = _task(data, cache or out / "data", (preset, config, overrides, flags), device, jobs)
    if dry_run:
        _show_plan(task, as_json=as_json)
        return
    line = ProgressLine(quiet=quiet)
    try:
        trained = train_motion(task, out, device, line.show)
    finally:
        line.close()
    if is_speaker():
        tell_end(trained, line, trained.model, as_json=as_json)


def _task(
    data: Path,
    cache: Path,
    layers: tuple[str, Path | None, tuple[str, ...], dict[str, Any]],
    device: str,
    jobs: int,
) -> MotionTask:
    from mace_dance.training.motion.data import prepare
    from mace_dance.training.motion.settings import settings_layers
    from mace_dance.training.motion.task import MotionTask, check_start, resolve_training
    from mace_dance.training.shared.acceleration import main_process_first
    from mace_dance.training.shared.progress import is_speaker

    settings, family = resolve_training(settings_layers(*layers))
    check_start(settings, family)
    with main_process_first(device):
        prepared = prepare(data, cache, settings.data, jobs=jobs)
    for drop in prepared.report.drops if is_speaker() else ():
        click.echo(f"left out  {drop.take}: {drop.message}", err=True)
    return MotionTask(settings, family, prepared, data.resolve().name)


def _show_plan(task: MotionTask, *, as_json: bool) -> None:
    from dataclasses import asdict

    from mace_dance.training.shared.average import trained_parameters
    from mace_dance.training.shared.memory import estimate_memory

    loop = task.settings.loop
    per_epoch = len(task.epoch_batches(0, loop.batch_size, loop.seed))
    steps = loop.total_steps(per_epoch)
    parameters = sum(value.numel() for value in trained_parameters(task.network).values())
    memory = estimate_memory(task, loop)
    plan = {
        "family": task.name,
        "parameters": parameters,
        **task.windows(),
        "steps_per_epoch": per_epoch,
        "steps": steps,
        "epochs": steps / per_epoch,
        "batch_size": loop.batch_size,
        "memory_bytes": asdict(memory),
    }
    if as_json:
        click.echo(json.dumps(plan, indent=1))
        return
    mebibyte = 2**20
    click.echo(f"{task.name}, {parameters:,} parameters")
    click.echo(
        f"{plan['windows']} windows ({plan['seconds']:.0f} s), {plan['held_out_windows']} held out; music from "
        f"{plan['music_source']}"
    )
    click.echo(
        f"{steps} steps of {loop.batch_size} windows, {per_epoch} an epoch, {steps / per_epoch:.1f} epochs"
    )
    click.echo(
        f"about {memory.total / mebibyte:,.0f} MiB on one device: network {memory.network / mebibyte:,.0f}, "
        f"training {memory.training / mebibyte:,.0f}, {memory.sample / mebibyte:,.1f} for each window it holds"
    )
