"""Guidance-free training (equation 3), classifier-free guidance beside it, and sampling with either.

Guidance-free training (arXiv:2501.15420) mixes the prediction with music, at beta, and the one without, which
gets no gradient::

    x_beta = beta x(z_t, t, music, beta) + (1 - beta) sg[x(z_t, t, nothing, beta or 1)]

so that one pass a step samples at any beta: near 0 faithful, near 1 diverse. Classifier-free guidance
(arXiv:2207.12598) trains with some music left out, and samples with two passes: ``x_0 + w (x_music - x_0)``.

Legend: B batch, T frames, F motion features, K music features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mace_dance.motion.config import MotionExpertConfig
from mace_dance.motion.diffusion import NoiseSource, Predict, Schedule, ddim
from mace_dance.motion.model import MotionExpert, Recall
from madata.errors import ConfigError

__all__ = [
    "TrainingDraws",
    "conditioned",
    "draw_training",
    "gft_prediction",
    "sample_motion",
    "training_prediction",
]


@dataclass(frozen=True, eq=False)
class TrainingDraws:
    """What is random in a training step, dropout aside.

    Attributes:
        times: (B,) diffusion times, -1 for the clean sample.
        noise: (B, T, F) standard normal.
        beta: (B,) in 0..1, ``None`` under classifier-free guidance.
        keep: (B,) bool, whose music is kept; ``None`` under guidance-free training.
    """

    times: Tensor
    noise: Tensor
    beta: Tensor | None
    keep: Tensor | None


def draw_training(
    config: MotionExpertConfig, schedule: Schedule, clean: Tensor, generator: torch.Generator
) -> TrainingDraws:
    """Draw for a batch (B, T, F); the generator is on the CPU, so that every device draws alike."""
    batch = len(clean)
    first = -1 if config.choices.times == "through" else 0
    times = torch.randint(first, schedule.num_times, (batch,), generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    uniform = torch.rand(batch, generator=generator)
    device = clean.device
    if config.guidance == "gft":
        return TrainingDraws(times.to(device), noise.to(device), uniform.to(device), None)
    keep = uniform >= config.condition_drop
    return TrainingDraws(times.to(device), noise.to(device), None, keep.to(device))


def training_prediction(
    network: MotionExpert,
    schedule: Schedule,
    clean: Tensor,
    music: Tensor,
    genre: Tensor | None,
    draws: TrainingDraws,
) -> Tensor:
    """(B, T, F) what the losses compare with ``clean``: x_beta, or the plain prediction under ``"cfg"``."""
    noisy = schedule.add_noise(clean, draws.times, draws.noise)
    if draws.beta is None:
        plain: Tensor = network(noisy, music, genre, draws.times, keep=draws.keep)
        return plain
    return gft_prediction(network, noisy, music, genre, draws.times, draws.beta)


def gft_prediction(
    network: MotionExpert, noisy: Tensor, music: Tensor, genre: Tensor | None, times: Tensor, beta: Tensor
) -> Tensor:
    """x_beta of equation 3 in the network's own reading (``choices.uncond_beta``).

    Args:
        network: a guidance-free Motion Expert.
        noisy: (B, T, F).
        music: (B, T, K).
        genre: (B,) or ``None``, see :meth:`MotionExpert.encode_music`.
        times: (B,).
        beta: (B,).
    """
    choices = network.config.choices
    conditional = network(noisy, music, genre, times, beta)
    training = network.training
    with torch.no_grad():
        network.train(training and choices.uncond_dropout == "on")
        empty = network.without_music(*noisy.shape[:2])
        their_beta = torch.ones_like(beta) if choices.uncond_beta == "one" else beta
        unconditional = network.denoise(noisy, empty, times, their_beta)
        network.train(training)
    weight = beta[:, None, None]
    mixed: Tensor = weight * conditional + (1 - weight) * unconditional
    return mixed


def sample_motion(
    network: MotionExpert,
    music: Tensor,
    genre: Tensor | None,
    draw: NoiseSource,
    schedule: Schedule,
    beta: float = 0.75,
    times: Sequence[int] | None = None,
    eta: float = 1.0,
) -> Tensor:
    """Dance to whole songs at once; the music is encoded once for all steps.

    Args:
        network: in ``eval`` mode.
        music: (B, T, K) features of songs of one length.
        genre: (B,) or ``None``, see :meth:`MotionExpert.encode_music`.
        draw: source of (B, T, F) noise, see :func:`mace_dance.motion.diffusion.seeded_noise`.
        schedule: as in training.
        beta: 0..1, the knob between faithful and diverse; nothing depends on it under ``"cfg"``.
        times: see :func:`mace_dance.motion.diffusion.ddim`.
        eta: see :func:`mace_dance.motion.diffusion.ddim`.

    Returns:
        (B, T, F) normalised motion.

    Raises:
        ConfigError: beta is outside 0..1, or the network is in training mode.
    """
    return ddim(conditioned(network, music, genre, beta), draw, schedule, times, eta)


def conditioned(
    network: MotionExpert, music: Tensor, genre: Tensor | None, beta: float = 0.75, *, recall: bool = True
) -> Predict:
    """The network with its music, as a sampler asks it; the arguments are those of :func:`sample_motion`.

    Args:
        recall: keep the keys and values of every block, ``16 T M`` numbers for eight blocks, instead of computing
            them at every step: exact, and about a twentieth faster.

    Raises:
        ConfigError: beta is outside 0..1, or the network is in training mode.
    """
    if not 0 <= beta <= 1:
        raise ConfigError(f"beta must be in 0..1, got {beta}")
    if network.training:
        raise ConfigError("the network is in training mode and would drop activations: call eval() first")
    batch, frames = music.shape[:2]
    with torch.no_grad():
        encoded = network.encode_music(music, genre)
        memory: Tensor | Recall = network.recall(encoded) if recall else encoded
        if network.config.guidance == "gft":
            betas = torch.full((batch,), beta, device=music.device)
            return lambda noisy, now: network.denoise(noisy, memory, now, betas)
        nothing = network.without_music(batch, frames)
        empty: Tensor | Recall = network.recall(nothing) if recall else nothing

    def classifier_free(noisy: Tensor, now: Tensor) -> Tensor:
        without = network.denoise(noisy, empty, now)
        return without + network.config.guidance_weight * (network.denoise(noisy, memory, now) - without)

    return classifier_free
