"""What a run would take, without loading a weight: parameters, samples, disk, memory.

Bytes per token and channel were counted on the stock network in bf16 under autocast, with the factors of the LoRA in
float32; what a real card adds is not in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mace_dance.appearance.footprint import sizes_of_folder
from mace_dance.training.appearance.clips import TrainingWindow
from mace_dance.training.appearance.selection import Selection
from mace_dance.training.appearance.settings import AppearanceTraining
from mace_dance.training.appearance.store import LatentStore
from mace_dance.training.shared.draws import shuffled_batches

__all__ = ["MemoryNeed", "TrainingPlan", "memory_need", "plan_training"]

# Bytes per token and channel.
_INPUT = 2
_ENDS = 6
_FACE_ADAPTER = 10
_BLOCK = {"kinematic": 46, "aesthetic": 70}
_BACKWARD = 16

_BROUGHT_TOGETHER = 2
"""Blocks that are whole at a time when the weights are divided: the one under way, and the next."""

_BYTES_PER_TRAINED = 4 + 4 + 8
"""Weight, gradient and the two moments of AdamW, float32."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes on one device, and what ``offload`` puts into the memory of the machine.

    Attributes:
        weights: of the transformer.
        training: trained weights, gradients, moments.
        activations: of the samples it holds at a time.
        host: activations that are kept off the device.
    """

    weights: int
    training: int
    activations: int
    host: int

    @property
    def device(self) -> int:
        """Sum on the device."""
        return self.weights + self.training + self.activations


@dataclass(frozen=True)
class TrainingPlan:
    """What ``--dry-run`` shows.

    Attributes:
        selection: what is trained.
        windows, encoded: samples found, and of these on the disk already.
        disk: bytes that encoding the rest takes.
        steps: optimiser steps, ``per_epoch`` in an epoch.
        tokens: of a sample.
        memory: estimate.
    """

    selection: Selection
    windows: int
    encoded: int
    disk: int
    steps: int
    per_epoch: int
    tokens: int
    memory: MemoryNeed


def plan_training(
    settings: AppearanceTraining,
    folder: Path,
    selection: Selection,
    store: LatentStore,
    windows: Sequence[TrainingWindow],
    processes: int = 1,
) -> TrainingPlan:
    """Count everything.

    Args:
        settings: of the run.
        folder: of the pipeline.
        selection: of the network without weights.
        store: where samples are kept.
        windows: all samples of the data.
        processes: among which a batch is divided.
    """
    missing = store.missing(windows)
    usable = sum(store.drop(store.key(window), window.name) is None for window in windows)
    encoded = sum(store.has(store.key(window)) for window in windows)
    per_epoch = len(shuffled_batches(usable, settings.loop.batch_size, 0, 0)) if usable else 0
    held = -(-settings.loop.batch_size // (settings.loop.accumulate * processes))
    return TrainingPlan(
        selection,
        len(windows),
        encoded,
        len(missing) * store.bytes_of_sample(),
        settings.loop.total_steps(per_epoch),
        per_epoch,
        sample_tokens(settings),
        memory_need(settings, folder, selection, store.dtype.itemsize, held, processes),
    )


def sample_tokens(settings: AppearanceTraining) -> int:
    """Tokens of a sample: 32,760 for 77 frames of 832 x 480."""
    latent_frames = (settings.data.frames - 1) // 4 + 2
    return latent_frames * (settings.data.height // 16) * (settings.data.width // 16)


def memory_need(
    settings: AppearanceTraining,
    folder: Path,
    selection: Selection,
    bytes_each: int,
    held: int = 1,
    processes: int = 1,
) -> MemoryNeed:
    """Estimate for ``held`` samples at a time on each of ``processes`` devices."""
    sizes = sizes_of_folder(folder, bytes_each)
    unit = sample_tokens(settings) * sizes.hidden * held * bytes_each // 2
    adapters = -(-sizes.blocks // 5)
    block = _BLOCK[settings.stage]
    if settings.checkpointing:
        kept = (_INPUT * (sizes.blocks + adapters) + _ENDS) * unit
        working = (block + _BACKWARD) * unit
    else:
        kept = (block * sizes.blocks + _FACE_ADAPTER * adapters + _ENDS) * unit
        working = _BACKWARD * unit
    weights = sizes.transformer
    if settings.shard and processes > 1:
        divided = sizes.block * sizes.blocks
        weights += divided // processes + _BROUGHT_TOGETHER * sizes.block - divided
    return MemoryNeed(
        weights * bytes_each,
        selection.numbers * _BYTES_PER_TRAINED,
        working if settings.offload else kept + working,
        kept if settings.offload else 0,
    )
