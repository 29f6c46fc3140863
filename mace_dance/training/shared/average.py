"""The trained parameters of a network, and their moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from mace_dance.training.shared.adan import update_average

__all__ = ["Average", "load_trained", "trained_parameters", "trained_state"]


def trained_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """Those with ``requires_grad``, by name; a shared one once."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """What training changes: trained parameters, and the buffers of the modules that own one.

    Frozen modules, often most of a network, are left out whole.
    """
    state: dict[str, Tensor] = {name: value.detach() for name, value in trained_parameters(network).items()}
    for prefix, module in network.named_modules():
        if any(value.requires_grad for value in module.parameters(recurse=False)):
            own = module.state_dict(prefix=f"{prefix}." if prefix else "")
            buffers = {name for name, _ in module.named_buffers(prefix, recurse=False)}
            state.update({name: own[name] for name in sorted(buffers & own.keys())})
    return state


def load_trained(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put :func:`trained_state` back, bit for bit."""
    with torch.no_grad():
        for name, place in trained_state(network).items():
            place.copy_(state[name])


class Average:
    """Exponential moving average of the trained parameters; buffers are not averaged.

    Attributes:
        decay: share of the old average that a step keeps; 0 keeps no average, and the network stands for it.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._names = list(trained_parameters(network))
        self._current = nn.ParameterList(trained_parameters(network).values())
        kept = [value.detach().clone() for value in self._current] if decay else []
        self._average = nn.ParameterList(nn.Parameter(value, requires_grad=False) for value in kept)

    def update(self) -> None:
        """After a step."""
        if self.decay:
            update_average(self._average, self._current, self.decay)

    def state(self) -> dict[str, Tensor]:
        """Averages by name; empty without a decay."""
        return {
            name: value.detach() for name, value in zip(self._names, self._average, strict=bool(self.decay))
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put :meth:`state` back."""
        with torch.no_grad():
            for name, value in self.state().items():
                value.copy_(state[name])

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the network has the averaged weights."""
        if not self.decay:
            yield
            return
        before = [value.detach().clone() for value in self._current]
        self._fill(list(self._average))
        try:
            yield
        finally:
            self._fill(before)

    def _fill(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for place, value in zip(self._current, values, strict=True):
                place.copy_(value)
