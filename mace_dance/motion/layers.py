"""Parts shared by the networks of the EDGE family: time embedding, FiLM.

Legend: B batch, T frames, M model width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["FiLM", "SinusoidalEmbedding", "turned_by_time"]


class SinusoidalEmbedding(nn.Module):
    """(B,) numbers -> (B, M): sines, then cosines, of wavelengths from 2 pi to 20000 pi in equal ratios."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.waves = width // 2

    def forward(self, position: Tensor) -> Tensor:
        """(B,) -> (B, M) float32."""
        exponent = torch.arange(self.waves, device=position.device) * (-math.log(10000) / (self.waves - 1))
        phase = position[:, None] * torch.exp(exponent)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class FiLM(nn.Module):
    """Feature-wise linear modulation: ``(scale + 1) x + shift``, both linear in Mish of an embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Mish(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, T, M) and (B, M) -> (B, T, M)."""
        scale, shift = self.block(embedding)[:, None].chunk(2, dim=-1)
        modulated: Tensor = (scale + 1) * x + shift
        return modulated


def turned_by_time(x: Tensor) -> Tensor:
    """Rotary position (arXiv:2104.09864): (B, heads, T, N), frame t turned by angles t / 10000^(2 i / N).

    Products of queries and keys turned so depend on how many frames lie between them, not on where they are.
    """
    frames, half = x.shape[-2], x.shape[-1] // 2
    rate = torch.exp(torch.arange(half, device=x.device) * (-math.log(10000) / half))
    angle = torch.arange(frames, device=x.device)[:, None] * rate
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
