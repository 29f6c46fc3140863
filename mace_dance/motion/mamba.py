"""Mamba (Gu and Dao 2023, arXiv:2312.00752), with the names and shapes of ``mamba_ssm.Mamba``.

One layer: ``x, z = in_proj(input)``; a causal convolution over time for each channel of x, then SiLU; step
sizes, B and C from x; the selective scan, gated by z; ``out_proj``. :func:`mace_dance.motion.scan.scan` says
how the scan is done. A state dict of either implementation loads into the other.

Legend: B batch, L time steps, M model width, D = expand x M channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mace_dance.motion.scan import scan

__all__ = ["BiMamba", "Mamba", "MambaState"]

_STEP_RANGE = (1e-3, 0.1)
_STEP_FLOOR = 1e-4


@dataclass(frozen=True, eq=False)
class MambaState:
    """What a layer keeps from one time step to the next.

    Attributes:
        inputs: (B, width of the convolution - 1, D), the last of them.
        hidden: (B, D, states), of the scan.
    """

    inputs: Tensor
    hidden: Tensor


class Mamba(nn.Module):
    """A selective state space layer, (B, L, M) -> (B, L, M), causal."""

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
        conv_bias: bool = True,
        bias: bool = False,
    ) -> None:
        """As ``mamba_ssm.Mamba``; ``dt_rank`` (default M / 16, rounded up) is the rank of the step size projection."""
        super().__init__()
        channels = expand * d_model
        self.d_state = d_state
        self.dt_rank = dt_rank or math.ceil(d_model / 16)
        self.in_proj = nn.Linear(d_model, 2 * channels, bias=bias)
        self.conv1d = nn.Conv1d(
            channels, channels, d_conv, groups=channels, padding=d_conv - 1, bias=conv_bias
        )
        self.x_proj = nn.Linear(channels, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, channels)
        self.A_log = nn.Parameter(torch.arange(1, d_state + 1).float().log().repeat(channels, 1))
        self.D = nn.Parameter(torch.ones(channels))
        self.out_proj = nn.Linear(channels, d_model, bias=bias)
        self._reset_steps()

    def _reset_steps(self) -> None:
        """First step sizes log-uniform in 0.001..0.1, as the authors start them."""
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        low, high = (math.log(bound) for bound in _STEP_RANGE)
        step = torch.exp(torch.empty_like(self.dt_proj.bias).uniform_(low, high)).clamp(min=_STEP_FLOOR)
        with torch.no_grad():
            self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))  # the inverse of softplus

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, M) -> (B, L, M)."""
        # Time leads in memory, which is how our scan walks; the kernels of mamba-ssm take any strides.
        inner, gate = self.in_proj(x.transpose(0, 1)).chunk(2, dim=-1)
        inner = F.silu(self._convolve(inner))
        rank, b, c = self.x_proj(inner).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = F.linear(rank, self.dt_proj.weight)
        u, delta, b, c, z = (tensor.permute(1, 2, 0) for tensor in (inner, delta, b, c, gate))
        rates = -torch.exp(self.A_log.float())
        bias = self.dt_proj.bias.float()
        y = scan(u, delta, rates, b, c, self.D.float(), z, bias, delta_softplus=True)
        mixed: Tensor = self.out_proj(y.permute(2, 0, 1)).transpose(0, 1)
        return mixed

    def step(self, x: Tensor, state: MambaState | None = None) -> tuple[Tensor, MambaState]:
        """One time step (B, M) -> (B, M), and the state after it.

        Args:
            x: the step.
            state: after the step before; ``None`` at the beginning.
        """
        inner, gate = self.in_proj(x).chunk(2, dim=-1)
        taps = self.conv1d.weight[:, 0].t()
        before = x.new_zeros(len(x), len(taps) - 1, inner.shape[1]) if state is None else state.inputs
        seen = torch.cat([before, inner[:, None]], dim=1)
        total = (seen * taps).sum(dim=1)
        u = F.silu(total if self.conv1d.bias is None else total + self.conv1d.bias)
        rank, b, c = self.x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        delta = F.softplus(self.dt_proj(rank))
        hidden = (delta * u)[..., None] * b[:, None]
        if state is not None:
            hidden = hidden + state.hidden * torch.exp(delta[..., None] * -torch.exp(self.A_log))
        y = (hidden * c[:, None]).sum(dim=-1) + self.D * u
        mixed: Tensor = self.out_proj(y * F.silu(gate))
        return mixed, MambaState(seen[:, 1:], hidden)

    def _convolve(self, x: Tensor) -> Tensor:
        """Each channel's causal convolution, (L, B, D) -> (L, B, D)."""
        # Summed in place and without padding: this is bound by memory, and conv1d would turn the array around.
        taps = self.conv1d.weight[:, 0].t().contiguous()
        steps, width = len(x), len(taps)
        bias = self.conv1d.bias
        total = x * taps[-1] if bias is None else torch.addcmul(bias, x, taps[-1])
        for back in range(1, min(width, steps)):
            total[back:].addcmul_(x[: steps - back], taps[-1 - back])
        return total


class BiMamba(nn.Module):
    """``dropout(forward(n) + flip(backward(flip(n))))`` with ``n = LayerNorm(x)``; (B, L, M) -> (B, L, M).

    Section 3.2.2 of the paper: two scans, so that a frame knows what comes before and after it. With
    ``bidirectional=False`` there is the forward one only (the ablation "BiMamba to Mamba").
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        self.mamba_forward = Mamba(d_model, d_state, d_conv, expand)
        self.mamba_backward = Mamba(d_model, d_state, d_conv, expand) if bidirectional else None
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, M) -> (B, L, M), without a residual connection."""
        normed = self.norm(x)
        mixed = self.mamba_forward(normed)
        if self.mamba_backward is not None:
            mixed = mixed + self.mamba_backward(normed.flip(1)).flip(1)
        out: Tensor = self.dropout(mixed)
        return out
