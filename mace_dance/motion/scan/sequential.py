"""The selective scan as a loop over time in torch: any device, any floating type, no compiler.

The loop keeps only a few steps of the (B, N, D) arrays at a time, as many as fit a cache, so the (B, D, L, N)
arrays of the textbook form never exist. There is no division and no cumulative product, so a step that underflows
does no harm. The backward pass is written by hand: the forward pass keeps the state at every ``sqrt(L)``-th step,
the backward pass recomputes the states between two of them and walks back.

Legend: B batch, D channels, L time steps, N states per channel.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__ = ["scan_sequentially"]

_CACHE_BYTES = 1 << 20
"""What one tile of steps may take: it is read back at once, so it should not leave the second-level cache."""


def scan_sequentially(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> tuple[Tensor, Tensor]:
    """Output (B, D, L) and last state (B, D, N), step by step.

    Arguments are those of :func:`mace_dance.motion.scan.scan`, all of one floating type.
    """
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    if delta_softplus:
        step = F.softplus(step)
    step_t, input_t, b_t, c_t = (_time_major(tensor) for tensor in (step, u, B, C))
    with torch.autocast(u.device.type, enabled=False):
        y_t, last = _TimeMajorScan.apply(  # type: ignore[no-untyped-call]
            step_t, input_t, A.t().contiguous(), b_t, c_t
        )
    y: Tensor = y_t.permute(1, 2, 0)
    if D is not None:
        y = y + u * D[:, None]
    if z is not None:
        y = y * F.silu(z)
    return y, last.transpose(1, 2)


def _time_major(tensor: Tensor) -> Tensor:
    """(B, D, L) -> (L, B, D), contiguous; no copy if that is how it lies in memory."""
    return tensor.permute(2, 0, 1).contiguous()


class _TimeMajorScan(torch.autograd.Function):
    """``h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t``, ``y_t = <C_t, h_t>``.

    dt, u, y (L, B, D); A (N, D); B, C (L, B, N); the last state (B, N, D).
    """

    @staticmethod
    def forward(ctx: Any, dt: Tensor, u: Tensor, A: Tensor, B: Tensor, C: Tensor) -> tuple[Tensor, Tensor]:
        (length, batch, channels), states = dt.shape, A.shape[0]
        tile = _tile(length, batch * states * channels * dt.element_size())
        every = tile * max(1, round(math.sqrt(length) / tile))
        decay = dt.new_empty(tile, batch, states, channels)
        state = torch.empty_like(decay)
        decays, slots = decay.unbind(0), state.unbind(0)
        y = torch.empty_like(dt)
        keep = any(ctx.needs_input_grad)
        kept = []
        h = dt.new_zeros(batch, states, channels)
        for start in range(0, length, tile):
            steps = slice(start, min(start + tile, length))
            count = steps.stop - start
            if keep and start % every == 0:
                kept.append(h.clone())
            torch.mul(dt[steps, :, None], A, out=decay[:count]).exp_()
            torch.mul((dt[steps] * u[steps])[:, :, None], B[steps, :, :, None], out=state[:count])
            for decay_t, slot in zip(decays[:count], slots, strict=False):
                h = torch.addcmul(slot, decay_t, h, out=slot)
            torch.matmul(C[steps, :, None], state[:count], out=y[steps, :, None])
            h = h.clone()
        if keep:
            ctx.save_for_backward(dt, u, A, B, C, torch.stack(kept))
            ctx.every = every
        ctx.mark_non_differentiable(h)
        return y, h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_y: Tensor, _: Tensor) -> tuple[Tensor, ...]:
        dt, u, A, B, C, kept = ctx.saved_tensors
        grad_y = grad_y.contiguous()
        length, every = len(dt), ctx.every
        grad_dt, grad_u, grad_a = torch.empty_like(dt), torch.empty_like(u), torch.zeros_like(A)
        grad_b, grad_c = torch.empty_like(B), torch.empty_like(C)
        # What the steps after the block contribute: exp(dt_{t+1} A) g_{t+1}.
        later = torch.zeros_like(kept[0])
        for index in reversed(range(len(kept))):
            steps = slice(index * every, min((index + 1) * every, length))
            step, gy, b, c = dt[steps], grad_y[steps], B[steps], C[steps]
            moved = step * u[steps]
            decay = torch.mul(step[:, :, None], A).exp_()
            state = moved.new_empty(len(step) + 1, *later.shape)
            state[0] = kept[index]
            torch.mul(moved[:, :, None], b[..., None], out=state[1:])
            h = state[0]
            for slot, decay_t in zip(state[1:].unbind(0), decay.unbind(0), strict=True):
                h = torch.addcmul(slot, decay_t, h, out=slot)
            grad_c[steps] = torch.matmul(state[1:], gy[..., None])[..., 0]
            grad_h = torch.mul(gy[:, :, None], c[..., None])
            for slot, decay_t in zip(reversed(grad_h.unbind(0)), reversed(decay.unbind(0)), strict=True):
                slot.add_(later)
                torch.mul(slot, decay_t, out=later)
            grad_moved = torch.matmul(b[:, :, None], grad_h)[:, :, 0]
            grad_b[steps] = torch.matmul(grad_h, moved[..., None])[..., 0]
            exponent = grad_h.mul_(decay).mul_(state[:-1])
            grad_u[steps] = grad_moved * step
            grad_dt[steps] = torch.mul(exponent, A, out=decay).sum(2) + grad_moved * u[steps]
            grad_a += exponent.mul_(step[:, :, None]).sum((0, 1))
        return grad_dt, grad_u, grad_a, grad_b, grad_c


def _tile(length: int, step_bytes: int) -> int:
    """How many steps to expand at once: two arrays of them fit the cache."""
    return max(1, min(length, 64, _CACHE_BYTES // (2 * step_bytes)))
