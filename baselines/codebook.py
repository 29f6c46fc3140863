"""A codebook learnt by moving averages (van den Oord et al. 2017; Razavi et al. 2019), as Jukebox trains it.

A vector is replaced by the code nearest to it; gradients pass through as if nothing had been replaced. A code is not
trained by gradients: it is the moving average of the vectors that chose it, sum over count, and a code that is hardly
ever chosen is put where one of the vectors at hand lies.

Legend: B batch, T codes, W width, K codes of the book.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Codebook"]

_LEAST_USED = 1.0
"""Average count below which a code is put elsewhere."""

_SPREAD = 0.01
"""Deviation of the copies where fewer vectors are at hand than codes, over the square root of the width."""


class Codebook(nn.Module):
    """See the module.

    Attributes:
        k: (K, W) codes, the only tensor of upstream's checkpoints.
        k_sum, k_elem: (K, W) and (K,) moving averages, of training alone.
        moved_buffers: what a checkpoint of training has to hold of it; empty while it is frozen.

    Args:
        codes: K.
        width: W.
        decay: of the averages.
    """

    def __init__(self, codes: int, width: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.moved_buffers: tuple[str, ...] = ()
        self.register_buffer("k", torch.zeros(codes, width))
        self.register_buffer("k_sum", torch.zeros(codes, width), persistent=False)
        self.register_buffer("k_elem", torch.zeros(codes), persistent=False)
        self.k: Tensor
        self.k_sum: Tensor
        self.k_elem: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """(B, W, T) vectors -> (B, T) numbers of the nearest codes."""
        flat = x.transpose(1, 2).flatten(0, 1)
        distance = flat.square().sum(1, keepdim=True) - 2 * flat @ self.k.T + self.k.square().sum(1)
        return distance.argmin(1).reshape(len(x), -1)

    def decode(self, codes: Tensor) -> Tensor:
        """(B, T) numbers -> (B, W, T) codes."""
        return self.k[codes].transpose(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, W, T) vectors -> numbers (B, T), codes (B, W, T) through which gradients pass, commitment loss ()."""
        codes = self.encode(x)
        chosen = self.decode(codes)
        commitment = (chosen.detach() - x).square().mean()
        return codes, x + (chosen - x).detach(), commitment

    @property
    def begun(self) -> bool:
        """Whether it has averages to go on from."""
        return bool(self.k_elem.any())

    def train_by_averages(self) -> None:
        """Have checkpoints of training hold the averages: :meth:`follow` will move them."""
        self.moved_buffers = ("k", "k_sum", "k_elem")

    @torch.no_grad()
    def begin(self, count: float = 1.0) -> None:
        """Start the averages from the codes as they are, each as if ``count`` vectors had chosen it."""
        self.k_sum.copy_(self.k * count)
        self.k_elem.fill_(count)

    @torch.no_grad()
    def begin_from(self, x: Tensor, generator: torch.Generator) -> None:
        """Take the codes from vectors (B, W, T) at hand, drawn by ``generator`` (on the CPU)."""
        self.k.copy_(self._drawn(x.transpose(1, 2).flatten(0, 1), generator))
        self.begin()

    @torch.no_grad()
    def follow(self, x: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move the averages, and with them the codes, by one training step.

        Args:
            x: (B, W, T) vectors.
            codes: (B, T) that they chose.
            generator: on the CPU; decides where codes go that are not used.
        """
        flat = x.transpose(1, 2).flatten(0, 1)
        chose = torch.nn.functional.one_hot(codes.flatten(), len(self.k)).to(flat.dtype).T
        self.k_sum.lerp_(chose @ flat, 1 - self.decay)
        self.k_elem.lerp_(chose.sum(1), 1 - self.decay)
        used = (self.k_elem >= _LEAST_USED)[:, None]
        mean = self.k_sum / self.k_elem.clamp(min=_LEAST_USED)[:, None]
        self.k.copy_(torch.where(used, mean, self._drawn(flat, generator)))

    def _drawn(self, flat: Tensor, generator: torch.Generator) -> Tensor:
        """(K, W) of (N, W) vectors; copies of them, slightly moved, where there are fewer than K."""
        codes, width = self.k.shape
        if len(flat) < codes:
            repeats = -(-codes // len(flat))
            flat = flat.repeat(repeats, 1)
            noise = torch.randn(flat.shape, generator=generator).to(flat)
            flat = flat + noise * (_SPREAD / width**0.5)
        return flat[torch.randperm(len(flat), generator=generator)[:codes].to(flat.device)]
