"""Latents of a sample, in the layout of Wan-Animate or in that of the release's training.

Wan-Animate denoises 1 + n latent frames: the reference picture's, then those of F = 4 (n - 1) + 1 video frames. Pose
latent i is added to latent 1 + i, which holds the same frames. What is known beforehand is the reference (mask 1) and
nothing else (mask 0, latents of empty frames).

The release (DiffSynth) trains on F + 4 frames encoded in one pass, so that latent 1 + i holds frames 4 i + 1 to
4 i + 4, while pose latent i holds frames 4 i - 3 to 4 i; and it encodes the reference and empty frames in one pass, so
that the reference bleeds into the latents after it.

Legend: N = 1 + n latent frames, h = H / 8, w = W / 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from mace_dance.appearance.latents import to_video
from mace_dance.appearance.segments import conditioning_mask
from mace_dance.training.appearance.footage import Footage
from mace_dance.training.appearance.settings import Layout

__all__ = ["clip_latents", "empty_latents", "known_latents"]

Encode = Callable[[Tensor], Tensor]
"""(1, 3, T, H, W) video in -1..1 -> (16, n, h, w) latents."""


def clip_latents(layout: Layout, footage: Footage, encode: Encode) -> dict[str, Tensor]:
    """What is kept of a sample: ``target`` (16, N, h, w), ``pose`` (16, N - 1, h, w).

    In the layout ``diffsynth`` also ``known`` (16, N, h, w); in ``wan`` it follows from the target and
    :func:`empty_latents`.
    """
    video = to_video(list(footage.frames))
    pose = encode(to_video(list(footage.poses)))
    if layout == "diffsynth":
        reference = torch.zeros_like(video)
        reference[:, :, 0] = video[:, :, 0]
        return {"target": encode(video), "pose": pose, "known": encode(reference)}
    target = torch.cat([encode(video[:, :, :1]), encode(video)], dim=1)
    return {"target": target, "pose": pose}


def empty_latents(frames: int, height: int, width: int, encode: Encode) -> Tensor:
    """(16, n, h, w) latents of ``frames`` empty video frames of ``height`` x ``width`` px."""
    return encode(torch.zeros(1, 3, frames, height, width))


def known_latents(stored: Mapping[str, Tensor], empty: Tensor | None) -> Tensor:
    """(20, N, h, w) mask and latents of what is known of a sample.

    Args:
        stored: of :func:`clip_latents`.
        empty: of :func:`empty_latents`, for the layout ``wan``.
    """
    target = stored["target"]
    latents = stored["known"] if empty is None else torch.cat([target[:, :1], empty.to(target)], dim=1)
    frames, height, width = latents.shape[1:]
    # Either layout knows the first latent frame and nothing else.
    mask = np.zeros((4, frames, height, width), np.float32)
    mask[:, :1] = conditioning_mask(1, height, width, known=1)
    return torch.cat([torch.from_numpy(mask).to(latents), latents])
