"""What a call of a training came to, and how its command says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mace_dance.training.shared.interruption import leave_interrupted

if TYPE_CHECKING:
    from mace_dance.training.shared.progress import ProgressLine

__all__ = ["Trained", "tell_end"]


@dataclass(frozen=True)
class Trained:
    """What a call of :func:`~mace_dance.training.shared.loop.run_training` came to.

    Attributes:
        finished: the last step is done; otherwise a signal stopped it, and the same call goes on.
        step: steps done, of ``steps``.
        begun_at: step of the checkpoint that this call went on from, 0 for a new run.
        model: folder of the exported model; ``None`` where it was stopped before.
    """

    finished: bool
    step: int
    steps: int
    begun_at: int
    model: Path | None


def tell_end(
    trained: Trained, line: ProgressLine, result: Path | None, *, as_json: bool, **more: Any
) -> None:
    """Say what was trained, and leave the command as an interrupted one where a signal stopped it.

    Args:
        trained: what the training came to.
        line: the last losses and samples it showed.
        result: file or folder to go on with.
        as_json: one object on standard output; otherwise a sentence.
        more: what this command has to say beside it in JSON.
    """
    if as_json:
        told = {
            "finished": trained.finished,
            "step": trained.step,
            "steps": trained.steps,
            "begun_at": trained.begun_at,
            "result": str(result) if trained.finished else None,
            "losses": line.values,
            "samples": line.judged,
            **more,
        }
        click.echo(json.dumps(told, indent=1))
    elif trained.finished:
        click.echo(f"{trained.step} steps are done; the result is {result}")
    if not trained.finished:
        leave_interrupted(trained.step, trained.steps)
