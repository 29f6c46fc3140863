"""Where sound enters Hallo2's denoiser: after every attention to the picture, through three masks.

Each module attends within the frame, then three times to the frame's sound; each of the three is weighed by a mask of
places (what does not belong to the person, the face, the lips; for dance the background, the body and nothing) and by
its scale, and added. The inner width of a module is the width of what comes into its block.

Legend: B batch (the two halves of guidance), T frames, N places of a level, C channels, M tokens of sound in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from baselines.sd15.network import HEADS

__all__ = ["MASKS", "AudioModule", "Cues"]

MASKS = ("full", "face", "lip")
"""Upstream's names of the three masks, in the order of :attr:`Cues.masks` and :attr:`Cues.scale`."""


@dataclass
class Cues:
    """What goes to all places of the denoiser beside its usual inputs; set before each pass.

    Attributes:
        sound: (B T, M, width) tokens of every frame.
        masks: N -> (B T, N) each of :data:`MASKS`; a level finds its own by how many places it has.
        scale: of each mask.
        motion: name of an attention -> (B, R, N, C) what the reference network saw of the R frames before.
    """

    sound: Tensor | None = None
    masks: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    motion: dict[str, Tensor] = field(default_factory=dict)


class _Block(nn.Module):
    def __init__(self, width: int, sound: int) -> None:
        super().__init__()
        for name in MASKS:
            self.add_module(f"zero_conv_{name}", nn.Conv2d(width, width, 1))
        self.attn1 = Attention(width, heads=HEADS, dim_head=width // HEADS)
        self.norm1 = nn.LayerNorm(width)
        for number in range(len(MASKS)):
            self.add_module(
                f"attn2_{number}",
                Attention(width, cross_attention_dim=sound, heads=HEADS, dim_head=width // HEADS),
            )
        self.norm2 = nn.LayerNorm(width)
        self.ff = FeedForward(width, activation_fn="geglu")
        self.norm3 = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, cues: Cues) -> Tensor:
        """(B T, N, C) of as many."""
        hidden = self.attn1(self.norm1(hidden)) + hidden
        asking, heard = self.norm2(hidden), cues.sound
        masks = cues.masks[hidden.shape[1]]
        for number, (name, mask, scale) in enumerate(zip(MASKS, masks, cues.scale, strict=True)):
            attention = self.get_submodule(f"attn2_{number}")
            weighed = attention(asking, encoder_hidden_states=heard) * mask[..., None]
            mixed = self.get_submodule(f"zero_conv_{name}")(weighed.transpose(1, 2)[..., None])
            hidden = hidden + scale * mixed[..., 0].transpose(1, 2)
        moved: Tensor = self.ff(self.norm3(hidden)) + hidden
        return moved


class AudioModule(nn.Module):
    """One module; ``channels`` of the block's output, ``width`` inside, ``sound`` wide tokens."""

    def __init__(self, channels: int, width: int, sound: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, width, 1)
        self.transformer_blocks = nn.ModuleList([_Block(width, sound)])
        self.proj_out = nn.Conv2d(width, channels, 1)

    def forward(self, hidden: Tensor, cues: Cues) -> Tensor:
        """(B T, C, h, w) of as many."""
        inner = self.proj_in(self.norm(hidden))
        places: Any = inner.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            places = block(places, cues)
        moved: Tensor = self.proj_out(places.transpose(1, 2).reshape(inner.shape)) + hidden
        return moved
