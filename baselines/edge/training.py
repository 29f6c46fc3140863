"""EDGE as a family of motion networks for ``madance train motion --preset edge``.

Its authors train with music left out of a quarter of the samples, on the losses the Motion Expert took over.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.edge.network import EDGE_KIND, Edge, EdgeConfig, sample_edge
from mace_dance.motion.config import Choices
from mace_dance.motion.diffusion import NoiseSource, Schedule
from mace_dance.training.motion.family import MotionFamily
from mace_dance.training.motion.settings import DanceSampleSettings

__all__ = ["edge"]

_CONDITION_DROP = 0.25


def _predict(
    network: Edge,
    schedule: Schedule,
    clean: Tensor,
    music: Tensor,
    genre: Tensor,
    generator: torch.Generator,
) -> Tensor:
    batch, device = len(clean), clean.device
    times = torch.randint(schedule.num_times, (batch,), generator=generator).to(device)
    noise = torch.randn(clean.shape, generator=generator).to(device)
    keep = (torch.rand(batch, generator=generator) >= _CONDITION_DROP).to(device)
    predicted: Tensor = network(schedule.add_noise(clean, times, noise), music, times, keep)
    return predicted


def _sample(
    network: Edge,
    music: Tensor,
    genre: Tensor,
    draw: NoiseSource,
    schedule: Schedule,
    settings: DanceSampleSettings,
) -> Tensor:
    return sample_edge(network, music, draw, schedule)


edge: MotionFamily[Edge, EdgeConfig] = MotionFamily(
    kind=EDGE_KIND,
    predict=_predict,
    sample=_sample,
    choices=lambda config: Choices(),
    genres=lambda config: None,
    window_frames=lambda config: config.frames,
)
"""The family; it samples with 50 steps and guidance weight 2, whatever the settings of the samples say."""
