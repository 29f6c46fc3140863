"""The trained parameters of a network, and their moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["Average", "load_trained", "trained_parameters", "trained_state"]


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Those with ``requires_grad``, by name; a shared one once."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """What training changes: trained parameters, and the buffers of the modules that own one.

    Frozen modules, often most of a network, are left out whole. A module that training moves without a gradient
    (:class:`baselines.codebook.Codebook`) names its buffers, those among them that no model file has, in an attribute
    ``moved_buffers``.
    """
    state: dict[str, Tensor] = {name: value.detach() for name, value in trained_parameters(network).items()}
    for prefix, module in network.named_modules():
        if any(value.requires_grad for value in module.parameters(recurse=False)):
            own = module.state_dict(prefix=f"{prefix}." if prefix else "")
            buffers = {name for name, _ in module.named_buffers(prefix, recurse=False)}
            state.update({name: own[name] for name in sorted(buffers & own.keys())})
        for name in getattr(module, "moved_buffers", ()):
            state[f"{prefix}.{name}" if prefix else name] = module.get_buffer(name)
    return state


def load_trained(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put :func:`trained_state` back, bit for bit."""
    with torch.no_grad():
        for name, place in trained_state(network).items():
            place.copy_(state[name])


class Average:
    """Exponential moving average of the trained parameters; buffers are not averaged.

    One decay from the first step on, as EDGE and the Motion Expert are averaged.

    Attributes:
        decay: share of the old average that a step keeps; 0 keeps no average, and the network stands for it.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._current = trained_parameters(network) if decay else {}
        self._average = {name: value.detach().clone() for name, value in self._current.items()}
        self._follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """After a step."""
        if self.decay:
            self._follow(list(self._average.values()), list(self._current.values()), 1)

    def state(self) -> dict[str, Tensor]:
        """Averages by name; empty without a decay."""
        return self._average

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put :meth:`state` back."""
        for name, value in self._average.items():
            value.copy_(state[name])

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the network has the averaged weights."""
        trained = {name: value.detach().clone() for name, value in self._current.items()}
        self._take(self._average)
        try:
            yield
        finally:
            self._take(trained)

    @torch.no_grad()
    def _take(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._current.items():
            value.copy_(values[name])
