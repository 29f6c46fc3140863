"""How Wan-Dancer hears: two Transformer layers over music features, and residuals that a block adds to its tokens.

The release runs on N processes, crops the music to a multiple of N rows and lets each process encode its own N-th
alone: attention and rotary positions start again there. That is part of the model, so it is an argument here
(``windows``), and one device gives what N processes give. Everything is computed in float32: angles rounded to
bfloat16 are wrong by tenths of a radian beyond position 256.

Legend: B batch, T music rows, K features of a row, M width of the encoder, D width of the network, R rows injected.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Injector", "MusicLayer", "merge_rows", "rotate_rows"]

_THETA = 10_000.0


def rotate_rows(rows: Tensor) -> Tensor:
    """Rotate neighbouring pairs of (B, T, M) by their position times 10000^(-2j/M), over the whole width at once."""
    length, width = rows.shape[-2:]
    speeds = _THETA ** (-torch.arange(0, width, 2, device=rows.device, dtype=torch.float32) / width)
    angles = torch.arange(length, device=rows.device, dtype=torch.float32)[:, None] * speeds
    turned = torch.view_as_complex(rows.float().reshape(*rows.shape[:-1], width // 2, 2).contiguous())
    turned = turned * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2).type_as(rows)


class MusicLayer(nn.Module):
    """A pre-norm Transformer layer whose queries and keys are rotated before they are projected."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1 = nn.Linear(width, inner)
        self.linear2 = nn.Linear(inner, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, M)."""
        normal = self.norm1(rows)
        turned = rotate_rows(normal)
        rows = rows + self.self_attn(turned, turned, normal, need_weights=False)[0]
        inner: Tensor = self.linear2(F.gelu(self.linear1(self.norm2(rows))))
        return rows + inner


class Injector(nn.Module):
    """What a block adds to its tokens for a music row: with a single key, attention is its value, put out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.v = nn.Linear(width, width)
        self.o = nn.Linear(width, width)

    def forward(self, rows: Tensor, tokens: int) -> Tensor:
        """(B, R, D) -> (B, tokens, D): tokens in the order (frame, row, column), cut into R equal runs."""
        residual: Tensor = self.o(self.v(rows))
        return residual.repeat_interleave(tokens // rows.shape[1], dim=1)


def merge_rows(encoded: Tensor, between: tuple[int, int], count: int, width: int) -> Tensor:
    """(B, T, M) -> (B, count, width) by two bilinear resizes; the one in between changes the result."""
    image = encoded[:, None]
    for size in (between, (count, width)):
        image = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
    return image[:, 0]
