"""What is trained, as :func:`mace_dance.training.shared.loop.run_training` sees it.

A task owns a network, its training samples and the loss. It draws nothing from global generators while it makes
a batch (batches may be made ahead, in another thread), and everything random in ``loss`` comes from the generator
it is given or from torch's global one (dropout); both are set anew for every micro-batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["TrainingTask"]


class TrainingTask(Protocol):
    """One thing to train."""

    @property
    def name(self) -> str:
        """What the run folder says it trains, ``"motion-expert"``."""

    @property
    def network(self) -> nn.Module:
        """Holds the trained parameters: those with ``requires_grad``. Frozen ones are in no checkpoint."""

    def turns(self) -> Mapping[str, nn.Module]:
        """Parts of ``network`` that move in turn at every step, each by an optimiser of its own: one for most tasks.

        A generator and its critic are two. Numbers of a part's loss bear its name in the log, but for the first.
        """

    def epoch_batches(self, epoch: int, batch_size: int, seed: int) -> Sequence[Sequence[int]]:
        """The samples of every step of an epoch, a function of the arguments alone.

        Every epoch has the same number of steps. Most tasks say
        :func:`mace_dance.training.shared.draws.shuffled_batches`; one whose samples differ in shape puts like to like.
        A batch may be smaller than ``batch_size``, for what fills no batch.
        """

    def sample_name(self, index: int) -> str:
        """What messages call a training sample."""

    def facts(self) -> Mapping[str, Any]:
        """What, besides the loop's settings, decides the numbers, as JSON values: configuration, data.

        A run folder goes on only with the same facts.
        """

    def prepare(self, device: torch.device) -> None:
        """Called once before training, when ``network`` is on ``device``: move what else the loss needs."""

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> Any:
        """Training samples as :meth:`loss` takes them, on the CPU; may run in another thread."""

    def loss(
        self, batch: Any, generator: torch.Generator, turn: int = 0
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The scalar to minimise, and scalar parts of it to log.

        The loop calls it with ``network`` in training mode, under autocast where a precision is asked for: what has
        to be computed in float32 belongs into ``torch.autocast(..., enabled=False)``.

        Args:
            batch: from :meth:`batch`, tensors moved to the device.
            generator: on the CPU; draws alike on every device.
            turn: which of :meth:`turns` it moves.
        """

    def sample(self, step: int, out: Path) -> Mapping[str, float | None]:
        """Numbers that judge the network as it stands; empty for a task without samples.

        Called on one process with the averaged weights in ``network``, in ``eval`` mode. Files may be written below
        ``out``.
        """

    def export(self, folder: Path, step: int) -> None:
        """Write the finished model to ``folder``; called as :meth:`sample` is, and at the end."""
