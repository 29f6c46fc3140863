"""``madance train kinematic`` and ``madance train aesthetic``: the two stages of the Appearance Expert."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from madata.commands.options import (
    PATH,
    config_option,
    device_option,
    dry_run_option,
    is_quiet,
    json_option,
    out_option,
    seed_option,
    set_option,
)
from madata.extras import require

if TYPE_CHECKING:
    from mace_dance.training.appearance.clips import DroppedSample
    from mace_dance.training.appearance.plan import TrainingPlan
    from mace_dance.training.appearance.settings import Stage

__all__ = ["aesthetic", "kinematic"]

_LINES = 100
_Command = TypeVar("_Command", bound=Callable[..., Any])

_SHARED = (
    click.argument("data", type=PATH),
    click.option("--model", required=True, type=PATH, help="Folder of the Wan-Animate pipeline."),
    out_option("Run folder; what is in it goes on."),
    config_option,
    set_option("One setting: data.width=720."),
    click.option(
        "--layout",
        type=click.Choice(["wan", "diffsynth"]),
        help="Of target and pose: as generation has it [default], or as the release was trained.",
    ),
    click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps in all."),
    click.option("--epochs", type=click.IntRange(min=1), help="Passes over the samples."),
    click.option(
        "--precision",
        type=click.Choice(["no", "bf16"]),
        help="Of the weights and the passes [default: bf16].",
    ),
    seed_option("Of everything random.", default=None),
    device_option,
    click.option("--cache", type=PATH, help="Where encoded samples are kept [default: OUT/encoded]."),
    dry_run_option("Say what would be trained on what, load nothing, and stop."),
    json_option,
)


def _shared(command: _Command) -> _Command:
    for decorate in reversed(_SHARED):
        command = decorate(command)
    return command


@click.command(short_help="Train the Body Adapter of the Appearance Expert.")
@_shared
def kinematic(**options: Any) -> None:
    """Train pose_patch_embedding, and nothing else, on DATA.

    DATA is a MA-Data folder, folders with video.mp4 and pose_video.mp4, or a table that names such videos. Samples are
    encoded once. The same command goes on from the newest checkpoint in OUT, to the same bits. OUT/adapter.safetensors
    is the result. Ctrl-C saves first.

    Exit codes: 0 done, 1 done with samples left out, 130 interrupted, 143 terminated.
    """
    _train("kinematic", None, {}, **options)


@click.command(short_help="Train the LoRA of the Appearance Expert.")
@_shared
@click.option(
    "--adapter", type=PATH, help="Body Adapter of the kinematic stage: its file, or its run folder."
)
@click.option("--no-kinematic", is_flag=True, help="Start from the stock adapter (ablation).")
@click.option("--rank", type=click.IntRange(min=1), help="Of the LoRA [default: 32].")
@click.option("--alpha", type=float, help="Of the LoRA [default: its rank].")
@click.option("--no-pose", is_flag=True, help="Without pose and face, as the scripts of the release.")
def aesthetic(
    adapter: Path | None,
    no_kinematic: bool,
    rank: int | None,
    alpha: float | None,
    no_pose: bool,
    **options: Any,
) -> None:
    """Train a LoRA on every block, the Body Adapter frozen, on DATA.

    DATA is a MA-Data folder, folders with video.mp4 and pose_video.mp4, or a table that names such videos. Samples are
    encoded once. The same command goes on from the newest checkpoint in OUT, to the same bits. OUT/lora.safetensors is
    the result. Ctrl-C saves first.

    Exit codes: 0 done, 1 done with samples left out, 130 interrupted, 143 terminated.
    """
    if (adapter is None) is not no_kinematic:
        raise click.UsageError("give either --adapter (of the kinematic stage) or --no-kinematic")
    flags: dict[str, Any] = {"pose": False} if no_pose else {}
    lora = {"rank": rank, "alpha": alpha}
    flags["lora"] = {name: value for name, value in lora.items() if value is not None}
    _train("aesthetic", adapter, flags, **options)


def _train(
    stage: Stage,
    adapter: Path | None,
    flags: dict[str, Any],
    data: Path,
    model: Path,
    out: Path,
    config: Path | None,
    overrides: tuple[str, ...],
    layout: str | None,
    steps: int | None,
    epochs: int | None,
    precision: str | None,
    seed: int | None,
    device: str,
    cache: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    ctx = click.get_current_context()
    if steps is not None and epochs is not None:
        raise click.UsageError("give either --steps or --epochs", ctx)
    require("train")
    from mace_dance.training.appearance.outputs import OUTPUTS
    from mace_dance.training.appearance.preparation import prepare_training
    from mace_dance.training.appearance.settings import training_settings
    from mace_dance.training.appearance.task import train_appearance
    from mace_dance.training.shared.ending import tell_end
    from mace_dance.training.shared.progress import ProgressLine, is_speaker

    loop = {"steps": steps, "epochs": epochs, "precision": precision, "seed": seed}
    flags["loop"] = {name: value for name, value in loop.items() if value is not None}
    if layout is not None:
        flags["layout"] = layout
    settings = training_settings(stage, config, overrides, flags)
    prepared = prepare_training(settings, data, model, out, adapter=adapter, cache=cache)
    if dry_run:
        _show_plan(stage, prepared.plan(), prepared.drops(), as_json=as_json)
        return
    speaks = is_speaker()
    quiet = not speaks or is_quiet()
    if not quiet:
        click.echo(prepared.selection.describe(), err=True)
    line = ProgressLine(quiet=quiet)
    try:
        task = prepared.task(device, _encoding_line(quiet))
        if speaks:
            _show_drops(prepared.drops())
        trained = train_appearance(task, out, device, line.show)
    finally:
        line.close()
    if not speaks:
        return
    drops = prepared.drops()
    left_out = {drop.name: drop.reason for drop in drops}
    tell_end(trained, line, out / OUTPUTS[stage], as_json=as_json, left_out=left_out)
    if drops:
        ctx.exit(1)


def _encoding_line(quiet: bool) -> Callable[[int, int, str], None]:
    def show(done: int, of: int, name: str) -> None:
        if not quiet and done % max(1, of // _LINES) == 0:
            click.echo(f"encoding sample {done + 1} of {of}: {name}", err=True)

    return show


def _show_drops(drops: list[DroppedSample]) -> None:
    for drop in drops:
        click.echo(f"left out  {drop.name}: {drop.message}", err=True)


def _show_plan(stage: str, plan: TrainingPlan, drops: list[DroppedSample], *, as_json: bool) -> None:
    memory = plan.memory
    if as_json:
        told = {
            "stage": stage,
            "parameters": plan.selection.numbers,
            "tensors": len(plan.selection.names),
            "layers": plan.selection.layers,
            "samples": plan.windows,
            "encoded": plan.encoded,
            "disk_bytes": plan.disk,
            "steps": plan.steps,
            "steps_per_epoch": plan.per_epoch,
            "tokens": plan.tokens,
            "memory_bytes": {
                "device": memory.device,
                "weights": memory.weights,
                "training": memory.training,
                "activations": memory.activations,
                "host": memory.host,
            },
            "left_out": {drop.name: drop.reason for drop in drops},
        }
        click.echo(json.dumps(told, indent=1))
        return
    _show_drops(drops)
    click.echo(f"{stage}: {plan.selection.describe()}")
    click.echo(
        f"samples      {plan.windows}, {plan.encoded} encoded, {_size(plan.disk)} of disk for the others"
    )
    click.echo(f"work         {plan.steps} steps, {plan.per_epoch} an epoch, {plan.tokens:,} tokens a sample")
    click.echo(
        f"memory       about {_size(memory.device)} on each device: weights {_size(memory.weights)}, training "
        f"{_size(memory.training)}, activations {_size(memory.activations)}"
        + (f"; {_size(memory.host)} in the machine" if memory.host else "")
    )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
