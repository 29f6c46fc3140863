"""How much memory a training takes, before it takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mace_dance.training.shared.average import trained_parameters
from mace_dance.training.shared.draws import Part
from mace_dance.training.shared.settings import LoopSettings
from mace_dance.training.shared.task import TrainingTask

__all__ = ["MemoryEstimate", "estimate_memory"]

_MOMENTS = {"adan": 4, "adamw": 2}


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on the device.

    Attributes:
        network: all its tensors, frozen ones too.
        training: gradients, the optimiser's moments and the average.
        sample: what one sample keeps for its gradient, in the precision of the weights; mixed precision takes less.
        total: of a process, with all samples that it holds at a time. Work space comes on top.
    """

    network: int
    training: int
    sample: int
    total: int


def estimate_memory(
    task: TrainingTask, settings: LoopSettings, index: int = 0, processes: int = 1
) -> MemoryEstimate:
    """Measure one sample on the CPU, and reckon.

    Args:
        task: its network is on the CPU.
        settings: of the run.
        index: the sample.
        processes: among which a batch is divided.
    """
    network = sum(_bytes(value) for value in task.network.state_dict().values())
    trained = sum(_bytes(value) for value in trained_parameters(task.network).values())
    training = trained * (1 + _MOMENTS[settings.optimizer] + (settings.average_decay > 0))
    sample = _kept_for_gradient(task, index)
    held = -(-settings.batch_size // (settings.accumulate * processes))
    return MemoryEstimate(network, training, sample, network + training + held * sample)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _kept_for_gradient(task: TrainingTask, index: int) -> int:
    """Bytes of all distinct storages that autograd keeps for the loss of one sample."""
    part = Part((index,), 0, 0, 0)
    own = {value.untyped_storage().data_ptr() for value in task.network.state_dict(keep_vars=True).values()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def same(tensor: Any) -> Any:
        return tensor

    task.prepare(torch.device("cpu"))
    task.network.train()
    with torch.autograd.graph.saved_tensors_hooks(note, same):
        # Held until it is counted: a storage that is freed may lend its address to the next.
        loss, _ = task.loss(task.batch(part.indices, part.batch_rng()), part.loss_generator())
    total = sum(kept.values())
    del loss
    return total
