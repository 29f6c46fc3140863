"""``madance train hallo2``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from baselines.hallo2.training import Hallo2Training

__all__ = ["hallo2"]


@click.command(short_help="Train Hallo2 on dances, its second stage.")
@click.argument("data", type=PATH)
@click.option("--model", type=PATH, help="Folder with net.pth [default: that of madance weights].")
@click.option("--masks", type=PATH, help="Folder of masks named by clip [default: the person is found].")
@out_option("Run folder; what is in it goes on.")
@config_option
@set_option("One setting: loop.learning_rate=1e-5.")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps in all [default: 30000].")
@seed_option("Of everything random.", default=None)
@device_option
@click.option("--cache", type=PATH, help="Where heard sound and found masks are kept [default: OUT/encoded].")
@dry_run_option("Say what would be trained on what, and stop.")
@json_option
def hallo2(
    data: Path,
    model: Path | None,
    masks: Path | None,
    out: Path,
    config: Path | None,
    overrides: tuple[str, ...],
    steps: int | None,
    seed: int | None,
    device: str,
    cache: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train the motion modules of Hallo2 on DATA, a MA-Data folder, with masks of the body in place of the face.

    The music of every clip is heard and its person found once. The same command goes on from the newest checkpoint in
    OUT, to the same bits. OUT/model is what `generate hallo2 --set weights=OUT/model` takes. Ctrl-C saves first.

    Exit codes: 0 done, 130 interrupted, 143 terminated.
    """
    require("train")
    import torch

    from baselines.hallo2.system import Hallo2Body
    from baselines.hallo2.training import Hallo2Task, hallo2_settings, train_hallo2
    from baselines.hallo2.training_data import TrainingClips
    from mace_dance.training.shared.ending import tell_end
    from mace_dance.training.shared.progress import ProgressLine, is_speaker

    loop = {name: value for name, value in (("steps", steps), ("seed", seed)) if value is not None}
    settings = hallo2_settings(config, overrides, {"loop": loop})
    clips = TrainingClips.read(
        data, settings.split, settings.frames, settings.size, masks, cache or out / "encoded"
    )
    system = Hallo2Body(None if model is None else str(model))
    folder = system.folder()
    if dry_run:
        _show_plan(settings, len(clips.clips), folder, as_json=as_json)
        return
    painter = system.load(folder, torch.float32).painter
    speaks = is_speaker()
    line = ProgressLine(quiet=not speaks or is_quiet())

    def tell(done: int, of: int, name: str) -> None:
        if speaks and not is_quiet():
            click.echo(f"hearing and looking at clip {done + 1} of {of}: {name}", err=True)

    try:
        task = Hallo2Task(painter, clips.encode(painter.wav2vec, tell), settings, folder)
        trained = train_hallo2(task, out, device, line.show)
    finally:
        line.close()
    if speaks:
        tell_end(trained, line, trained.model, as_json=as_json)


def _show_plan(settings: Hallo2Training, clips: int, folder: Path, *, as_json: bool) -> None:
    loop = settings.loop
    told: dict[str, Any] = {
        "model": str(folder),
        "trained": list(settings.parts),
        "clips": clips,
        "steps": loop.total_steps(max(1, clips // loop.batch_size)),
        "batch": loop.batch_size,
        "frames": settings.frames,
        "size": settings.size,
    }
    if as_json:
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(f"trains {', '.join(settings.parts)} of {folder}")
    click.echo(
        f"{clips} clips, {told['steps']} steps of {loop.batch_size}, {settings.frames} frames of "
        f"{settings.size}x{settings.size}"
    )
