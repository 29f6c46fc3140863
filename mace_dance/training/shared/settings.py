"""What decides a training run, apart from the task: how long, how fast, how often something is kept.

The first group of settings decides the numbers; a run folder goes on only under the settings it was begun with.
The second group (:data:`HOUSEKEEPING`) may change between one start and the next.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from madata.config import ClosedModel

__all__ = ["HOUSEKEEPING", "LoopSettings"]


class LoopSettings(ClosedModel):
    """Settings of :func:`mace_dance.training.shared.loop.run_training`.

    Attributes:
        epochs: passes over the training samples.
        steps: optimiser steps in all, instead of ``epochs``.
        batch_size: samples of one optimiser step, over all processes and micro-batches together.
        accumulate: micro-batches of one step; each process holds ``batch_size / accumulate / processes`` samples.
        precision: of the passes; weights and optimiser stay in the precision the task gave them.
        optimizer: ``"adan"`` (:mod:`mace_dance.training.shared.adan`) or ``"adamw"``; without decay, Adam.
        betas: shares of the old moments that a step of AdamW keeps.
        learning_rate: its highest value.
        weight_decay: as the optimiser defines it.
        schedule: ``"constant"``, ``"cosine"`` down to ``final_share`` of the highest, or ``"stairs"``: at
            each of ``drops`` to a tenth.
        drops: shares of the run, rising.
        warmup_steps: steps of linear rise before it.
        final_share: of the learning rate, at the end of ``"cosine"``.
        average_decay: of the weights' moving average per step; 0 keeps none.
        clip_norm: longest gradient, 0 for no limit.
        seed: of everything random.
        checkpoint_every: steps between checkpoints; the last step has one in any case.
        keep_last: newest checkpoints that are kept.
        keep_every: checkpoints at multiples of it are kept for good, 0 for none.
        sample_every: epochs between samples that the task scores, 0 for none but the last.
        log_every: steps that one row of ``metrics.csv`` averages.
        tensorboard: write events beside the table.
    """

    epochs: int = Field(default=2000, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=128, ge=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    optimizer: Literal["adan", "adamw"] = "adan"
    learning_rate: float = Field(default=4e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.02, ge=0)
    schedule: Literal["constant", "cosine", "stairs"] = "constant"
    drops: tuple[float, ...] = ()
    warmup_steps: int = Field(default=0, ge=0)
    final_share: float = Field(default=0.0, ge=0, le=1)
    average_decay: float = Field(default=0.9999, ge=0, lt=1)
    clip_norm: float = Field(default=0.0, ge=0)
    seed: int = Field(default=42, ge=0)
    checkpoint_every: int = Field(default=1000, ge=1)
    keep_last: int = Field(default=2, ge=1)
    keep_every: int = Field(default=0, ge=0)
    sample_every: int = Field(default=50, ge=0)
    log_every: int = Field(default=10, ge=1)
    tensorboard: bool = False

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * steps_per_epoch if self.steps is None else self.steps

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the numbers; without an end where the schedule does not depend on it."""
        decided = self.model_dump(mode="json", exclude=HOUSEKEEPING)
        if self.schedule == "constant":
            del decided["epochs"], decided["steps"], decided["final_share"]
        return decided


HOUSEKEEPING = {"checkpoint_every", "keep_last", "keep_every", "sample_every", "log_every", "tensorboard"}
"""Settings that leave every number of a run as it is."""
