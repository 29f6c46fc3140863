"""Pixels to latents and back: frames as tensors, and the Wan VAE with its latents normalised.

Legend: B batch, T frames, N latent frames, H W px, h w latent px.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from madata.types import FloatArray

__all__ = ["decode_video", "encode_video", "to_pixels", "to_unit", "to_video"]

Image = npt.NDArray[np.uint8]


def to_video(frames: Sequence[Image]) -> Tensor:
    """(1, 3, T, H, W) float32 in -1..1 of uint8 RGB frames (H, W, 3)."""
    pixels = torch.from_numpy(np.stack(list(frames))).permute(3, 0, 1, 2)[None]
    return pixels.float() / 255.0 * 2.0 - 1.0


def to_unit(video: Tensor) -> list[FloatArray]:
    """Frames (H, W, 3) in 0..1 of a video (1, 3, T, H, W) in -1..1."""
    values = (video[0].float() * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0)
    return [frame.contiguous().numpy() for frame in values]


def to_pixels(video: Tensor) -> list[Image]:
    """Frames (H, W, 3) uint8 of a video (1, 3, T, H, W) in -1..1."""
    return [np.round(frame * 255).astype(np.uint8) for frame in to_unit(video)]


def encode_video(vae: Any, video: Tensor) -> Tensor:
    """(B, 16, N, h, w) latents of (B, 3, T, H, W) frames in -1..1: the mode, nothing is drawn."""
    latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode()
    mean, inverse = _moments(vae, latents)
    normal: Tensor = (latents - mean) * inverse
    return normal


def decode_video(vae: Any, latents: Tensor) -> Tensor:
    """(B, 3, T, H, W) frames, about -1..1, of (B, 16, N, h, w) latents."""
    latents = latents.to(vae.device, vae.dtype)
    mean, inverse = _moments(vae, latents)
    frames: Tensor = vae.decode(latents / inverse + mean, return_dict=False)[0]
    return frames


def _moments(vae: Any, latents: Tensor) -> tuple[Tensor, Tensor]:
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(latents)
    # Multiplied as the pipeline does, which differs from a division in the last bit.
    return mean, 1.0 / torch.tensor(vae.config.latents_std).view(shape).to(latents)
