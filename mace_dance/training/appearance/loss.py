"""Flow matching on the latents of a clip.

A clean sample ``x0`` and noise ``n`` give ``x_s = (1 - s) x0 + s n``; the network sees x_s beside what is known, is
told the time ``1000 s``, and predicts the velocity ``n - x0``. The loss is the mean squared error, weighted by the
noise level (:func:`mace_dance.appearance.schedules.training_schedule`).

Legend: B samples, N latent frames (the first is the reference picture in the layout ``wan``), T video frames with a
pose, h w latent px, S px of a face, K faces (T, or 1 that is held).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mace_dance.appearance.schedules import TrainingSchedule

__all__ = ["ClipBatch", "face_pixels", "flow_loss", "predict_velocity", "velocity_error", "without_controls"]


class ClipBatch(NamedTuple):
    """Training samples.

    Attributes:
        target: (B, 16, N, h, w) clean latents.
        known: (B, 20, N, h, w) mask and latents of what is known.
        pose: (B, 16, N - 1, h, w) pose latents.
        face: (B, K, S, S, 3) uint8 RGB.
        text: (B, 512, D) text embedding.
        picture: (B, P, E) CLIP embedding of the reference.
    """

    target: Tensor
    known: Tensor
    pose: Tensor
    face: Tensor
    text: Tensor
    picture: Tensor


def flow_loss(
    network: Any,
    batch: ClipBatch,
    schedule: TrainingSchedule,
    generator: torch.Generator,
    *,
    weighted: bool = True,
    reference_slot: bool = True,
) -> Tensor:
    """The loss of a batch at noise levels and with noise drawn from ``generator`` (on the CPU).

    Args:
        network: a ``diffusers.WanAnimateTransformer3DModel``.
        batch: on the network's device.
        schedule: noise levels, times and weights.
        weighted: weigh the samples by their noise levels.
        reference_slot: count the first latent frame.
    """
    clean = batch.target.float()
    index = torch.randint(len(schedule), (len(clean),), generator=generator)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    noisy = schedule.add_noise(clean, noise, index)
    times = schedule.timesteps[index].to(clean.device)
    frames = 4 * (batch.pose.shape[2] - 1) + 1
    predicted = predict_velocity(network, noisy, times, batch, face_pixels(batch.face, frames))
    weights = schedule.weights[index].to(clean.device) if weighted else None
    return velocity_error(predicted, clean, noise, weights, reference_slot=reference_slot)


def predict_velocity(network: Any, noisy: Tensor, times: Tensor, batch: ClipBatch, face: Tensor) -> Tensor:
    """(B, 16, N, h, w) float32 velocity of noisy latents.

    Args:
        network: see :func:`flow_loss`.
        noisy: (B, 16, N, h, w).
        times: (B,) in 0..1000.
        batch: everything else that drives the network.
        face: (B, 3, T, S, S) in -1..1.
    """
    dtype = network.dtype
    predicted: Tensor = network(
        hidden_states=torch.cat([noisy, batch.known.float()], dim=1).to(dtype),
        timestep=times,
        encoder_hidden_states=batch.text.to(dtype),
        encoder_hidden_states_image=batch.picture.to(dtype),
        pose_hidden_states=batch.pose.to(dtype),
        face_pixel_values=face.to(dtype),
        return_dict=False,
    )[0]
    return predicted.float()


def velocity_error(
    predicted: Tensor,
    clean: Tensor,
    noise: Tensor,
    weights: Tensor | None = None,
    *,
    reference_slot: bool = True,
) -> Tensor:
    """Mean squared error of a velocity (B, 16, N, h, w), weighted by ``weights`` (B,)."""
    first = 0 if reference_slot else 1
    error = (predicted - (noise - clean))[:, :, first:].square().flatten(1).mean(1)
    return (error if weights is None else error * weights).mean()


def face_pixels(face: Tensor, frames: int) -> Tensor:
    """(B, 3, ``frames``, S, S) float32 in -1..1 of faces (B, K, S, S, 3) uint8; a single one is held."""
    pixels = face.permute(0, 4, 1, 2, 3).float() / 255.0 * 2.0 - 1.0
    return pixels.expand(-1, -1, frames, -1, -1) if face.shape[1] == 1 else pixels


@contextlib.contextmanager
def without_controls(network: Any) -> Iterator[None]:
    """Within the block pose and face have no effect: the network is plain image-to-video.

    The released Aesthetic scripts pass neither, and then skip both paths, biases included.
    """

    def nothing(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    silenced = [network.pose_patch_embedding, *network.face_adapter]
    handles = [module.register_forward_hook(nothing) for module in silenced]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
