"""Windows of a cache as a torch data set, and the order in which an epoch walks through them.

The order is a pure function of epoch, seed, batch size and the lengths of the windows: a run that resumes in the
middle of an epoch sees the very batches it would have seen. Legend: W windows, B batch, T frames, F features, M music
features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from mace_dance.motion.normaliser import Normaliser
from madata.errors import ConfigError
from madata.types import FloatArray

__all__ = ["MotionWindows", "WindowBatch", "epoch_batches", "frames_from"]

Ints = npt.NDArray[np.int64]


class WindowBatch(NamedTuple):
    """``motion`` (B, T, F) in -1..1, ``music`` (B, T, M), ``genre`` (B,), ``window`` (B,) numbers."""

    motion: torch.Tensor
    music: torch.Tensor
    genre: torch.Tensor
    window: torch.Tensor


@dataclass(frozen=True, eq=False)
class MotionWindows(Dataset[tuple[torch.Tensor, torch.Tensor, int, int]]):
    """One side of a split.

    ``windows[i]`` is (motion (T, F) in -1..1, music (T, M), genre, i): float32 copies, nothing is shared.

    Attributes:
        motion: (N, F) motion vectors of all takes, one after the other; memory-mapped.
        music: (N, M) music features of the same frames.
        starts, lengths, genres, takes: (W,) first frame in ``motion``, frames, genre label and take of each window.
        take_names: names of the takes.
        normaliser: fitted on the training side.
        ground: columns of the root that are counted from the first frame of the window; none keeps them all.
    """

    motion: FloatArray
    music: FloatArray
    starts: Ints
    lengths: Ints
    genres: Ints
    takes: Ints
    take_names: tuple[str, ...]
    normaliser: Normaliser
    ground: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, int, int]:
        motion = self.normaliser.normalise(self.raw(index))
        return torch.from_numpy(motion), torch.from_numpy(self.heard(index)), int(self.genres[index]), index

    def raw(self, index: int) -> FloatArray:
        """(T, F) motion vectors of one window, not normalised."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        start, length = int(self.starts[index]), int(self.lengths[index])
        values = np.array(self.motion[start : start + length])
        for column in self.ground:
            values[:, column] -= values[0, column]
        return values

    def heard(self, index: int) -> FloatArray:
        """(T, M) music features of one window."""
        start, length = int(self.starts[index]), int(self.lengths[index])
        return np.array(self.music[start : start + length])

    def batch(self, indices: Sequence[int] | Ints, normalised: bool = True) -> WindowBatch:
        """The windows ``indices``, all of one length, as tensors; motion in -1..1, or as it is.

        Raises:
            ConfigError: there are none, or they differ in length.
        """
        chosen = np.asarray(indices, np.int64)
        if len(np.unique(self.lengths[chosen])) != 1:
            raise ConfigError(f"a batch is of windows of one length, got lengths {self.lengths[chosen]}")
        motion = np.stack([self.raw(int(index)) for index in chosen])
        if normalised:
            motion = self.normaliser.normalise(motion)
        music = np.stack([self.heard(int(index)) for index in chosen])
        genres = torch.from_numpy(self.genres[chosen])
        return WindowBatch(
            torch.from_numpy(motion), torch.from_numpy(music), genres, torch.from_numpy(chosen)
        )

    def batches(self, epoch: int, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> list[Ints]:
        """The batches of one epoch for process ``rank`` of ``world``, see :func:`epoch_batches`."""
        return epoch_batches(self.lengths, epoch, batch_size, seed, rank, world)


def epoch_batches(
    lengths: Ints, epoch: int, batch_size: int, seed: int, rank: int = 0, world: int = 1
) -> list[Ints]:
    """Which windows each step of an epoch takes, for one of ``world`` processes.

    Windows of one length are shuffled and dealt out in steps of ``batch_size * world``. What does not fill a step is
    left to other epochs; where a length has not even one step, all its windows are one smaller step, the first ones
    repeated until each process has as many. All processes take equally many steps, of equally many windows.

    Args:
        lengths: (W,) frames of each window.

    Returns:
        Window numbers of each step.

    Raises:
        ConfigError: ``batch_size``, ``rank`` or ``world`` is out of range.
    """
    if batch_size < 1 or not 0 <= rank < world:
        raise ConfigError(f"batch size {batch_size} or process {rank} of {world} is out of range")
    rng = np.random.default_rng([seed, epoch])
    step = batch_size * world
    steps: list[Ints] = []
    for length in np.unique(lengths):
        order = rng.permutation(np.flatnonzero(lengths == length)).astype(np.int64)
        if len(order) < step:
            order = np.resize(order, -(-len(order) // world) * world)
            steps.append(order)
            continue
        steps += list(order[: len(order) // step * step].reshape(-1, step))
    return [steps[place].reshape(world, -1)[rank] for place in rng.permutation(len(steps))]


def frames_from(values: torch.Tensor, first: torch.Tensor, count: int) -> torch.Tensor:
    """(B, count, ...) of (B, T, ...): from (B,) ``first`` on, each window's own."""
    places = (first[:, None] + torch.arange(count)).to(values.device)
    return values[torch.arange(len(values), device=values.device)[:, None], places]
