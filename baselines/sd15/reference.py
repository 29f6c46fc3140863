"""Reference attention: every self-attention of the denoiser looks at the reference picture as well.

A picture UNet sees the reference; what goes into each of its self-attentions is kept (:class:`KeepInput`). The
self-attention of the same name in the denoiser then has those places as further keys and values, in every frame
(:class:`LookBack`). The unconditional half of guidance, which comes first in a batch, sees its own frame alone.

Upstream pairs the two networks' blocks by sorting them by width; that gives equal names.
Legend: B batch, T frames, N places, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor, nn

__all__ = ["KeepInput", "LookBack", "ReferenceFeatures", "look_back", "watch"]


@dataclass
class ReferenceFeatures:
    """What self-attention saw of the reference picture.

    Attributes:
        seen: name of a transformer block -> (R, N, C) of R pictures; the rows of the denoiser's batch take them in
            turn.
        guided: the batch of the denoiser is the two halves of guidance.
    """

    seen: dict[str, Tensor] = field(default_factory=dict)
    guided: bool = True


class KeepInput:
    """Attention that keeps its input."""

    def __init__(self, features: ReferenceFeatures, block: str) -> None:
        self.features, self.block = features, block

    def __call__(self, attn: nn.Module, hidden_states: Tensor, *inputs: Any, **others: Any) -> Tensor:
        """Keep ``hidden_states`` (R, N, C), then attend."""
        self.features.seen[self.block] = hidden_states
        return _attend(attn, hidden_states, *inputs, **others)


class LookBack:
    """Attention with the reference among its keys, where there is one."""

    def __init__(self, features: ReferenceFeatures, block: str) -> None:
        self.features, self.block = features, block

    def __call__(self, attn: nn.Module, hidden_states: Tensor, *inputs: Any, **others: Any) -> Tensor:
        """(B T, N, C) of as many."""
        seen = self.features.seen.get(self.block)
        if seen is None:
            return _attend(attn, hidden_states, *inputs, **others)
        halves = hidden_states.chunk(2) if self.features.guided else (hidden_states[:0], hidden_states)
        alone = _attend(attn, halves[0]) if len(halves[0]) else halves[0]
        rows = torch.arange(len(halves[0]), len(hidden_states), device=seen.device) % len(seen)
        keys = torch.cat([halves[1], seen[rows].to(hidden_states.dtype)], dim=1)
        return torch.cat([alone, _attend(attn, halves[1], encoder_hidden_states=keys)])


def _attend(*inputs: Any, **others: Any) -> Tensor:
    attended: Tensor = _PLAIN(*inputs, **others)
    return attended


_PLAIN = AttnProcessor2_0()


def watch(unet: nn.Module, parts: tuple[str, ...] = ("",)) -> ReferenceFeatures:
    """Have a picture UNet keep what its self-attentions see; each run replaces what the one before has left.

    Args:
        parts: names of blocks begin with one of these.
    """
    features = ReferenceFeatures()
    for block, attention in _self_attentions(unet):
        if block.startswith(parts):
            attention.set_processor(KeepInput(features, block))
    return features


def look_back(unet: nn.Module, features: ReferenceFeatures) -> None:
    """Have the denoiser look at what ``features`` holds when it is run."""
    for block, attention in _self_attentions(unet):
        attention.set_processor(LookBack(features, block))


def _self_attentions(unet: nn.Module) -> list[tuple[str, Any]]:
    """Name of the transformer block, its self-attention; those of motion modules are none of pictures."""
    return [
        (name.removesuffix(".attn1"), module)
        for name, module in unet.named_modules()
        if name.endswith(".attn1") and ".attentions." in name
    ]
