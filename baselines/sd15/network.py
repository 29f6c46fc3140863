"""Networks on Stable Diffusion 1.5 that make video, under the authors' tensor names.

A *video UNet* is the UNet of Stable Diffusion with motion modules (self-attention over the frames of each place), a
*picture UNet* the same without them and without its head: only what its attention sees is wanted of it. Both are
classes of diffusers; three things had to be changed for the outputs to be upstream's:

* A motion module normalises every frame by itself; diffusers takes all frames of a clip together (:class:`FrameNorm`).
* Magic-Animate's residual blocks take all frames together; the others, and diffusers, every frame by itself
  (:class:`JointNorm`).
* Motion modules have other names (:func:`diffusers_name`).

How large a network is, is read off its tensors (:func:`unet_sizes`): neither the release nor a user has to say.
Legend: B batch (the two halves of guidance), T frames, C channels, (h, w) latents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models import UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn

from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import fill
from madata.errors import WeightsError

__all__ = [
    "HEADS",
    "SD15",
    "ConditionGuider",
    "FrameNorm",
    "JointNorm",
    "UNetSizes",
    "authors_tensors",
    "diffusers_name",
    "fold",
    "load_network",
    "picture_unet",
    "predict",
    "shapes_of",
    "unet_sizes",
    "unfold",
    "video_unet",
]

HEADS = 8
"""Attention heads everywhere; the tensors do not tell."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class UNetSizes:
    """What distinguishes one UNet from another.

    Attributes:
        channels: of each level.
        attends: whether a level has attention (the last has none).
        layers: residual blocks of a level.
        context: width of what cross-attention sees.
        motion_frames: the longest window; 0 where there are no motion modules.
        has_mid_motion: there is a motion module in the middle.
    """

    channels: tuple[int, ...]
    attends: tuple[bool, ...]
    layers: int
    context: int
    motion_frames: int = 0
    has_mid_motion: bool = False

    def block_types(self, kind: str) -> dict[str, tuple[str, ...]]:
        """Names of diffusers' blocks, ``kind`` being ``Block2D`` or ``BlockMotion``."""
        down = [f"{'CrossAttn' if attends else ''}Down{kind}" for attends in self.attends]
        up = [f"{'CrossAttn' if attends else ''}Up{kind}" for attends in reversed(self.attends)]
        return {"down_block_types": tuple(down), "up_block_types": tuple(up)}


SD15 = UNetSizes((320, 640, 1280, 1280), (True, True, True, False), 2, 768)
"""The published size."""


def unet_sizes(shapes: Mapping[str, tuple[int, ...]], source: Path) -> UNetSizes:
    """Read the sizes off names and shapes of tensors (the authors' names).

    Raises:
        WeightsError: they are of no such network.
    """
    try:
        levels = _count(shapes, "down_blocks")
        attention = "down_blocks.{}.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        attends = tuple(attention.format(level) in shapes for level in range(levels))
        positions = [shape for name, shape in shapes.items() if name.endswith(".pos_encoder.pe")]
        return UNetSizes(
            tuple(shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels)),
            attends,
            _count(shapes, "down_blocks.0.resnets"),
            shapes[attention.format(attends.index(True))][1],
            positions[0][1] if positions else 0,
            any(name.startswith("mid_block.motion_modules.") for name in shapes),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(
            f"{source}: not the tensors of a UNet of Stable Diffusion 1.5 ({error})"
        ) from error


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _count(names: Mapping[str, object], prefix: str) -> int:
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)\.")
    return 1 + max(int(match[1]) for name in names if (match := pattern.match(name)))


class FrameNorm(nn.GroupNorm):
    """Normalisation of (B, C, T, h, w) with the statistics of each frame."""

    def forward(self, values: Tensor) -> Tensor:
        """The same shape."""
        return unfold(super().forward(fold(values)), len(values))


class JointNorm(nn.GroupNorm):
    """Normalisation of (B T, C, h, w) with the statistics of all ``frames`` of a clip."""

    frames = 1

    def forward(self, values: Tensor) -> Tensor:
        """The same shape."""
        return fold(super().forward(unfold(values, len(values) // self.frames)))


def fold(video: Tensor) -> Tensor:
    """(B, C, T, ...) as (B T, C, ...)."""
    return video.transpose(1, 2).flatten(0, 1)


def unfold(frames: Tensor, clips: int) -> Tensor:
    """(B T, C, ...) as (B, C, T, ...), B being ``clips``."""
    return frames.reshape(clips, -1, *frames.shape[1:]).transpose(1, 2)


def video_unet(sizes: UNetSizes, *, joint: bool = False) -> UNetMotionModel:
    """The denoiser.

    Args:
        joint: residual blocks take all frames together.
    """
    network = UNetMotionModel(
        **sizes.block_types("BlockMotion"),
        block_out_channels=sizes.channels,
        layers_per_block=sizes.layers,
        cross_attention_dim=sizes.context,
        num_attention_heads=HEADS,
        motion_num_attention_heads=HEADS,
        motion_max_seq_length=sizes.motion_frames,
        use_motion_mid_block=sizes.has_mid_motion,
    )
    for name, module in list(network.named_modules()):
        if re.search(r"motion_modules\.\d+\.norm$", name):
            _replace(network, name, FrameNorm)
        elif joint and isinstance(module, nn.GroupNorm) and (".resnets." in name or name == "conv_norm_out"):
            _replace(network, name, JointNorm)
    return network


def _replace(network: nn.Module, name: str, kind: type[nn.GroupNorm]) -> None:
    old = network.get_submodule(name)
    if not isinstance(old, nn.GroupNorm):
        raise TypeError(f"{name} is no GroupNorm")
    owner, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(owner), leaf, kind(old.num_groups, old.num_channels, old.eps))


def picture_unet(sizes: UNetSizes) -> UNet2DConditionModel:
    """The network that looks at the reference picture: its output is what the head would get."""
    network = UNet2DConditionModel(
        **sizes.block_types("Block2D"),
        block_out_channels=sizes.channels,
        layers_per_block=sizes.layers,
        cross_attention_dim=sizes.context,
        attention_head_dim=HEADS,  # which in this class means their number
    )
    network.conv_norm_out = None
    network.conv_out = nn.Identity()
    return network


class ConditionGuider(nn.Module):
    """Pictures (N, 3, 8 h, 8 w) that steer a denoiser -> (N, C, h, w), added after its first convolution.

    Animate-Anyone's pose guider, Hallo2's face locator.
    """

    def __init__(self, channels: tuple[int, ...], out: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for before, after in pairwise(channels):
            self.blocks.append(nn.Conv2d(before, before, 3, padding=1))
            self.blocks.append(nn.Conv2d(before, after, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(channels[-1], out, 3, padding=1)

    @classmethod
    def of_shapes(cls, shapes: Mapping[str, tuple[int, ...]]) -> ConditionGuider:
        """As large as its tensors."""
        blocks = [f"blocks.{index}.weight" for index in range(_count(shapes, "blocks"))]
        channels = (shapes["conv_in.weight"][0], *(shapes[name][0] for name in blocks[1::2]))
        return cls(channels, shapes["conv_out.weight"][0])

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        hidden = nn.functional.silu(self.conv_in(pictures))
        for block in self.blocks:
            hidden = nn.functional.silu(block(hidden))
        guided: Tensor = self.conv_out(hidden)
        return guided


def predict(
    unet: nn.Module,
    latents: Tensor,
    time: Tensor,
    context: Tensor,
    *,
    guide: Tensor | None = None,
    residuals: tuple[tuple[Tensor, ...], Tensor] | None = None,
) -> Tensor:
    """What a video UNet predicts of (B, 4, T, h, w).

    Args:
        context: (B, tokens, width), the same for every frame.
        guide: (B, C, T, h, w) added after the first convolution.
        residuals: of a ControlNet, (B T, C, ...) each: those of the way down, and of the middle.
    """
    frames = latents.shape[2]
    for module in unet.modules():
        if isinstance(module, JointNorm):
            module.frames = frames
    hook = None
    if guide is not None:
        added = fold(guide)
        hook = unet.get_submodule("conv_in").register_forward_hook(
            lambda module, inputs, hidden: hidden + added
        )
    down, middle = residuals or (None, None)
    try:
        result: Tensor = unet(
            latents,
            time,
            encoder_hidden_states=context.repeat_interleave(frames, 0),
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        return result
    finally:
        if hook is not None:
            hook.remove()


_MOTION = (
    (".temporal_transformer", ""),
    (".attention_blocks.0.", ".attn1."),
    (".attention_blocks.1.", ".attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)


def diffusers_name(name: str) -> str | None:
    """What diffusers calls a tensor of a video UNet; ``None`` for positions, which are computed.

    Example:
        >>> diffusers_name("mid_block.motion_modules.0.temporal_transformer.norm.bias")
        'mid_block.motion_modules.0.norm.bias'
    """
    if ".motion_modules." not in name:
        return name
    if name.endswith(".pos_encoder.pe"):
        return None
    for theirs, ours in _MOTION:
        name = name.replace(theirs, ours)
    return name


def authors_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Everything of a network under the authors' names, positions included: what :func:`load_network` reads."""
    named: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if not _IN_MOTION.search(name):
            named[name] = tensor
        elif name.endswith(".pos_embed.pe"):
            for attention in (0, 1):
                named[_authors_name(name, f"attention_blocks.{attention}.pos_encoder")] = tensor
        else:
            named[_authors_name(name)] = tensor
    return named


_IN_MOTION = re.compile(r"(motion_modules\.\d+)\.")


def _authors_name(name: str, positions: str = "") -> str:
    name = _IN_MOTION.sub(r"\1.temporal_transformer.", name).replace("pos_embed", positions)
    for theirs, ours in _MOTION[1:]:
        name = name.replace(ours, theirs)
    return name


def load_network(
    build: Callable[[], Network], tensors: Mapping[str, Tensor], source: Path, dtype: torch.dtype
) -> Network:
    """A network filled with all of ``tensors`` (the authors' names), in ``eval`` mode and without gradients.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        network = build()
    fill(network, _renamed(tensors), source=source, dtype=dtype)
    with quiet_libraries():
        network.to(dtype)  # positions are no parameters, and go along
    return network.eval().requires_grad_(False)


def _renamed(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Any]]:
    for name, tensor in tensors.items():
        ours = diffusers_name(name)
        if ours is not None:
            yield ours, tensor
