"""Learning rates by step, and the optimisers that take them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from mace_dance.training.shared.adan import Adan
from mace_dance.training.shared.settings import LoopSettings

__all__ = ["build_optimizer", "learning_rate", "set_learning_rate"]


def learning_rate(settings: LoopSettings, step: int, steps: int) -> float:
    """Of step ``step``, counted from 0, of ``steps``: a linear rise, then constant, half a cosine or stairs down."""
    top = settings.learning_rate
    if step < settings.warmup_steps:
        return top * (step + 1) / settings.warmup_steps
    if settings.schedule == "constant":
        return top
    if settings.schedule == "stairs":
        # The share is of the whole run; a step at a drop has the new rate already.
        return top * 0.1 ** sum(step >= drop * steps for drop in settings.drops)
    done = (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps)
    share = settings.final_share + (1 - settings.final_share) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
    return top * share


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """For every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def build_optimizer(settings: LoopSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of these settings; the moments not named there are those of its authors."""
    chosen = list(parameters)
    if settings.optimizer == "adan":
        return Adan(chosen, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.AdamW(
        chosen, lr=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay
    )
