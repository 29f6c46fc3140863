"""The Wan VAE in overlapping tiles, as Wan-Dancer cuts and blends them.

Tiles begin every half tile; one is left out where the tile before it reaches the edge already. Where tiles overlap,
each counts with a ramp from its own edge, the smaller of both axes, and the sum is divided by the weights. These are
not diffusers' tiles.

Legend: T frames, N latent frames, H W px, h w latent px.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["STRIDE", "TILE", "decode_tiles", "encode_tiles"]

TILE, STRIDE = (30, 52), (15, 26)
"""Rows and columns of a tile, and between two beginnings, in latent px."""

_SCALE = 8


def decode_tiles(decode: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
    """(1, 3, T, H, W) frames in -1..1 (float32, on the CPU) of (1, 16, N, h, w) latents."""
    return _in_tiles(decode, latents, source=1, target=_SCALE).clamp(-1, 1)


def encode_tiles(encode: Callable[[Tensor], Tensor], video: Tensor) -> Tensor:
    """(1, 16, N, h, w) latents (float32, on the CPU) of (1, 3, T, H, W) frames."""
    return _in_tiles(encode, video, source=_SCALE, target=1)


def _in_tiles(run: Callable[[Tensor], Tensor], values: Tensor, source: int, target: int) -> Tensor:
    """Run on tiles of ``values``, ``source`` of its px to a latent px, and blend what comes at ``target`` px to one."""
    rows, columns = (side // source for side in values.shape[-2:])
    total: Tensor | None = None
    weights = torch.zeros(rows * target, columns * target)
    for top, bottom in _spans(rows, TILE[0], STRIDE[0]):
        for left, right in _spans(columns, TILE[1], STRIDE[1]):
            made = (
                run(values[..., top * source : bottom * source, left * source : right * source]).float().cpu()
            )
            vertical = _ramp(top, bottom, rows, (TILE[0] - STRIDE[0]) * target, target)
            horizontal = _ramp(left, right, columns, (TILE[1] - STRIDE[1]) * target, target)
            mask = torch.minimum(vertical[:, None], horizontal[None, :])
            if total is None:
                total = torch.zeros(*made.shape[:-2], *weights.shape)
            place = (slice(top * target, bottom * target), slice(left * target, right * target))
            total[(..., *place)] += made * mask
            weights[place] += mask
    assert total is not None
    return total / weights


def _spans(length: int, size: int, stride: int) -> list[tuple[int, int]]:
    starts = [start for start in range(0, length, stride) if start == 0 or start - stride + size < length]
    return [(start, min(start + size, length)) for start in starts]


def _ramp(start: int, end: int, length: int, border: int, target: int) -> Tensor:
    """Weights along one axis of a tile: rising from an inner edge over ``border`` px, 1 elsewhere."""
    weights = torch.ones((end - start) * target)
    rising = ((torch.arange(border) + 1) / border)[: len(weights)]
    if start > 0:
        weights[: len(rising)] = rising
    if end < length:
        weights[len(weights) - len(rising) :] = rising.flip(0)
    return weights
