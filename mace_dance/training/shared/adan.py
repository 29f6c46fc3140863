"""Adan, the optimiser of EDGE and of the official Motion Expert.

Adan (Xie et al. 2022, arXiv:2208.06677) keeps moving averages of the gradient, of its change and of the square
of both together::

    m <- (1 - b1) m + b1 g                      d = g - g_before
    v <- (1 - b2) v + b2 d
    n <- (1 - b3) n + b3 (g + (1 - b2) d)^2
    w <- (w - lr (m' + (1 - b2) v') / (sqrt(n') + eps)) / (1 + decay lr)

with ' the averages divided by what they add up to so far. In the version those models were trained with, the
averages start one step late: the first step only decays the weights and remembers the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Adan"]


class Adan(torch.optim.Optimizer):
    """See the module; ``betas`` are the shares of the new value, as EDGE counts them."""

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 4e-4,
        betas: tuple[float, float, float] = (0.02, 0.08, 0.01),
        eps: float = 1e-8,
        weight_decay: float = 0.02,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step on the gradients at hand; returns what ``closure`` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, group)
        return loss

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        if gradient is None:
            return
        if not state:
            state["step"] = 0
            for name in ("m", "v", "n"):
                state[name] = torch.zeros_like(gradient)
        else:
            self._average(state, gradient, group["betas"])
        state["step"] += 1
        m, v, n = (
            state[name] / (1 - (1 - share) ** state["step"])
            for name, share in zip(("m", "v", "n"), group["betas"], strict=True)
        )
        direction = (m + (1 - group["betas"][1]) * v) / (n.sqrt() + group["eps"])
        parameter.sub_(direction, alpha=group["lr"]).div_(1 + group["weight_decay"] * group["lr"])
        state["prev_grad"] = gradient.clone()

    @staticmethod
    def _average(state: dict[str, Any], gradient: Tensor, betas: tuple[float, float, float]) -> None:
        b1, b2, b3 = betas
        change = gradient - state["prev_grad"]
        state["m"].mul_(1 - b1).add_(gradient, alpha=b1)
        state["v"].mul_(1 - b2).add_(change, alpha=b2)
        state["n"].mul_(1 - b3).add_((gradient + (1 - b2) * change).square_(), alpha=b3)
