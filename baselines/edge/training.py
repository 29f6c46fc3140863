"""EDGE as a family of motion networks for ``madance train motion --preset edge``.

Its authors train with music left out of a quarter of the samples, on the losses the Motion Expert took over.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.edge.network import EDGE_KIND, Edge, EdgeConfig, sample_edge
from mace_dance.motion.diffusion import NoiseSource, Schedule
from mace_dance.training.motion.family import MotionFamily, diffusion_family
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
    return sample_edge(network, music, draw, schedule, settings.steps)


def _window_problem(config: EdgeConfig, frames: int) -> str | None:
    if frames == config.frames:
        return None
    return (
        f"this network takes windows of {config.frames} frames: set data.window_frames and model.frames alike"
    )


edge: MotionFamily[Edge, EdgeConfig] = diffusion_family(
    EDGE_KIND,
    _predict,
    _sample,
    music_width=lambda config: config.music_features,
    window_problem=_window_problem,
)
"""The family; it samples with guidance weight 2."""
