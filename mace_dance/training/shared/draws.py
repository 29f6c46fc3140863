"""Which samples a step takes and what is random in it: functions of the run's seed and the step alone.

A step of ``batch_size`` samples is cut into equal parts, one for each process and micro-batch. A part draws the
same whether processes or micro-batches hold it, so two processes train as one does with two micro-batches.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from madata.errors import ConfigError

__all__ = ["Part", "part_of_batch", "parts_of_step", "seed_globally", "shuffled_batches"]

_ORDER, _BATCH, _LOSS, _GLOBAL = range(4)


@dataclass(frozen=True)
class Part:
    """The samples that one process holds at a time.

    Attributes:
        indices: which samples.
        step: counted from 0.
        number: of the part within the step.
        seed: of the run.
    """

    indices: tuple[int, ...]
    step: int
    number: int
    seed: int

    def batch_rng(self) -> np.random.Generator:
        """For making the batch: crops and the like."""
        return np.random.default_rng(self._entropy(_BATCH))

    def loss_generator(self, turn: int = 0) -> torch.Generator:
        """For the loss of a turn: diffusion times and noise; on the CPU."""
        return torch.Generator().manual_seed(self._number(_LOSS, turn))

    def seed_globally(self, turn: int = 0) -> None:
        """Set the generators that layers draw from by themselves (dropout), on every device."""
        seed_globally(self._number(_GLOBAL, turn))

    def _entropy(self, purpose: int, turn: int = 0) -> np.random.SeedSequence:
        return np.random.SeedSequence((self.seed, purpose, self.step, self.number, *([turn] if turn else [])))

    def _number(self, purpose: int, turn: int) -> int:
        return int(self._entropy(purpose, turn).generate_state(1, np.uint64)[0] >> 1)


def seed_globally(seed: int) -> None:
    """Set the global generators of python, numpy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def parts_of_step(batch_size: int, accumulate: int, processes: int) -> int:
    """Parts a step is cut into.

    Raises:
        ConfigError: the batch does not divide into them.
    """
    parts = accumulate * processes
    if batch_size % parts:
        raise ConfigError(
            f"a batch of {batch_size} does not divide into {accumulate} micro-batches on {processes} processes; "
            f"choose a multiple of {parts}"
        )
    return parts


def part_of_batch(batch: Sequence[int], parts: int, number: int) -> tuple[int, ...]:
    """Part ``number`` of ``parts`` of a step.

    All parts are of one size; where the batch does not divide, its first samples come again.
    """
    size = -(-len(batch) // parts)
    return tuple(int(batch[place % len(batch)]) for place in range(number * size, (number + 1) * size))


def shuffled_batches(num_samples: int, batch_size: int, epoch: int, seed: int) -> list[list[int]]:
    """The steps of an epoch over samples that are all alike: a new order of all, in whole batches.

    What does not fill a batch is left to other epochs, unless it is all there is.
    """
    order = np.random.default_rng((seed, _ORDER, epoch)).permutation(num_samples).tolist()
    steps = max(1, num_samples // batch_size)
    return [order[step * batch_size : (step + 1) * batch_size] for step in range(steps)]
