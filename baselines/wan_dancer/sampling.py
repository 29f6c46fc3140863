"""From noise to the latents of one stage: Euler steps with guidance, in which the negative call leaves a block out.

Words alone differ between the two calls; pictures and music are the same. Times are told in the network's precision,
as in the release (in bfloat16 909.09 becomes 908). Integration is in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from baselines.wan_dancer.network import SKIPPED_BLOCK
from mace_dance.appearance.schedules import EulerSampler

if TYPE_CHECKING:
    from baselines.wan_dancer.network import WanDancerTransformer

__all__ = ["StageInputs", "sample_stage", "start_noise"]


@dataclass(frozen=True, eq=False)
class StageInputs:
    """What one call of a stage is made from.

    Attributes:
        prompt, negative: (1, 512, D) embeddings, zero beyond their tokens.
        first_frame, reference: (1, 257, E) CLIP embeddings.
        known: (1, 20, N, h, w) mask and latents of what is shown.
        music: (1, rows, 35) features.
        fps: of the frames.
    """

    prompt: Tensor
    negative: Tensor
    first_frame: Tensor
    reference: Tensor
    known: Tensor
    music: Tensor
    fps: float


def start_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Float32 noise, drawn on the CPU so that a seed means the same on every device."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def sample_stage(
    network: WanDancerTransformer,
    inputs: StageInputs,
    noise: Tensor,
    *,
    steps: int,
    shift: float,
    guidance: float,
    windows: int,
    on_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """(1, 16, N, h, w) float32 latents.

    Args:
        noise: (1, 16, N, h, w) float32, on the device.
        windows: of the music, see :mod:`baselines.wan_dancer.music_encoder`.
        on_step: called after each step with the number of steps done.
    """
    device, dtype = noise.device, network.patch_embedding.weight.dtype
    known = inputs.known.to(device, dtype)
    seen = [picture.to(device, dtype) for picture in (inputs.first_frame, inputs.reference)]
    music = inputs.music.to(device)
    sampler = EulerSampler(shift)
    sampler.set_timesteps(steps, device=device)

    def velocity(latents: Tensor, time: Tensor, prompt: Tensor, skip: int | None) -> Tensor:
        stacked = torch.cat([latents.to(dtype), known], dim=1)
        told = time.to(dtype).expand(1)
        words = prompt.to(device, dtype)
        found: Tensor = network(stacked, told, words, *seen, music, inputs.fps, windows, skip)
        return found.float()

    latents = noise
    for step, time in enumerate(sampler.timesteps):
        predicted = velocity(latents, time, inputs.prompt, None)
        if guidance != 1:
            free = velocity(latents, time, inputs.negative, SKIPPED_BLOCK)
            predicted = free + guidance * (predicted - free)
        latents = sampler.step(predicted, time, latents, return_dict=False)[0]
        on_step(step + 1)
    return latents
