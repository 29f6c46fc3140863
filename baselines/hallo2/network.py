"""Hallo2's networks and how they are asked.

The denoiser is a video UNet with :mod:`baselines.hallo2.audio_modules`. Four habits of the release are part of what its
weights were trained with, and are kept:

* *Never eval*: upstream leaves the denoiser in training mode with gradient checkpointing, and that branch alone knows
  the frames before: a motion module sees them in front of its own frames. Modules of blocks without attention are
  passed over there, though they have weights (:func:`audio_unet`).
* *Alternating halves*: what the reference network saw comes, frame by frame, now from the unconditional and now from
  the conditional half of guidance; upstream repeats along the wrong axis (:class:`baselines.sd15.reference.LookBack`).
* *Tiled tokens*: the reference network sees the reference and the frames before as one batch, its tokens in another
  order than its pictures (:func:`look`).
* The reference network runs once for a segment, at time 0, for both halves.

``net.pth`` holds five networks behind prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models import UNet2DConditionModel, UNetMotionModel
from torch import Tensor, nn

from baselines.hallo2.audio_modules import AudioModule, Cues
from baselines.sd15.network import (
    SD15,
    ConditionGuider,
    UNetSizes,
    authors_tensors,
    load_network,
    picture_unet,
    shapes_of,
    unet_sizes,
    video_unet,
)
from baselines.sd15.reference import ReferenceFeatures
from baselines.sd15.tiny import TINY, make_folder, tiny_vae
from madata.errors import WeightsError

__all__ = [
    "PARTS",
    "PUBLISHED",
    "AudioProjection",
    "Hallo2Networks",
    "ImageProjection",
    "audio_unet",
    "hallo2_networks",
    "look",
    "make_tiny_hallo2",
    "split_parts",
]

PARTS = ("denoising_unet", "reference_unet", "face_locator", "imageproj", "audioproj")
"""Prefixes in ``net.pth``."""

PUBLISHED = replace(SD15, motion_frames=32, has_mid_motion=True)
"""The released denoiser."""

_AUDIO = re.compile(r"(.*)\.audio_modules\.(\d+)\.proj_in\.weight")


class ImageProjection(nn.Module):
    """(R, features) embeddings of a face -> (R, tokens, width)."""

    def __init__(self, features: int, tokens: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(features, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, embeddings: Tensor) -> Tensor:
        """See the class."""
        tokens: Tensor = self.norm(
            self.proj(embeddings).reshape(len(embeddings), -1, self.norm.weight.shape[0])
        )
        return tokens


class AudioProjection(nn.Module):
    """(1, T, window, layers, features) of sound -> (1, T, tokens, width)."""

    def __init__(self, features: int, hidden: int, tokens: int, width: int) -> None:
        super().__init__()
        self.proj1 = nn.Linear(features, hidden)
        self.proj2 = nn.Linear(hidden, hidden)
        self.proj3 = nn.Linear(hidden, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, sound: Tensor) -> Tensor:
        """See the class."""
        hidden = torch.relu(self.proj2(torch.relu(self.proj1(sound.flatten(2)))))
        width = self.norm.weight.shape[0]
        tokens: Tensor = self.norm(self.proj3(hidden).reshape(*sound.shape[:2], -1, width))
        return tokens


@dataclass(frozen=True, eq=False)
class Hallo2Networks:
    """The five networks, and what is told to the denoiser's inner places.

    Attributes:
        sizes: of the denoiser.
    """

    denoiser: UNetMotionModel
    reference: UNet2DConditionModel
    locator: ConditionGuider
    image: ImageProjection
    audio: AudioProjection
    cues: Cues
    sizes: UNetSizes

    def parts(self) -> dict[str, nn.Module]:
        """By their prefixes."""
        networks = (self.denoiser, self.reference, self.locator, self.image, self.audio)
        return dict(zip(PARTS, networks, strict=True))


def audio_unet(sizes: UNetSizes, shapes: Mapping[str, tuple[int, ...]], cues: Cues) -> UNetMotionModel:
    """The denoiser; see the module for what is unusual about it.

    Args:
        shapes: of its tensors, which tell how wide its audio modules are.
    """
    network = video_unet(sizes)
    counts: dict[str, list[AudioModule]] = {}
    for name, shape in shapes.items():
        if match := _AUDIO.fullmatch(name):
            inner = f"{match[1]}.audio_modules.{match[2]}.transformer_blocks.0.attn2_0.to_k.weight"
            counts.setdefault(match[1], []).append(AudioModule(shape[1], shape[0], shapes[inner][1]))
    for block, modules in counts.items():
        network.get_submodule(block).audio_modules = nn.ModuleList(modules)
        for number, module in enumerate(modules):
            attention = network.get_submodule(f"{block}.attentions.{number}")
            attention.register_forward_hook(
                lambda _, inputs, output, hear=module: (hear(output[0], cues), *output[1:])
            )
            _lead(
                network.get_submodule(f"{block}.motion_modules.{number}"),
                f"{block}.attentions.{number}",
                cues,
            )
    for name, module in network.named_modules():
        if re.search(r"motion_modules\.\d+$", name) and name.split(".motion")[0] not in counts:
            module.forward = _pass_over
    return network


def _pass_over(hidden_states: Tensor, *inputs: Any, **others: Any) -> Tensor:
    return hidden_states


def _lead(motion_module: nn.Module, attention: str, cues: Cues) -> None:
    """Put the frames before in front of those a motion module sees, and take them away again."""
    block, plain = f"{attention}.transformer_blocks.0", motion_module.forward

    def led(hidden_states: Tensor, *inputs: Any, **others: Any) -> Tensor:
        before = cues.motion[block].to(hidden_states.dtype).transpose(2, 3)
        clips = hidden_states.reshape(len(before), -1, *hidden_states.shape[1:])
        joined = torch.cat([before.reshape(*before.shape[:2], *clips.shape[2:]), clips], dim=1)
        moved: Tensor = plain(joined.flatten(0, 1), num_frames=joined.shape[1])
        return moved.reshape(joined.shape)[:, before.shape[1] :].flatten(0, 1)

    motion_module.forward = led


def look(
    networks: Hallo2Networks, features: ReferenceFeatures, pictures: Tensor, tokens: Tensor
) -> ReferenceFeatures:
    """Show the reference network the reference and the frames before it, and tell the denoiser what it saw.

    Args:
        features: of :func:`baselines.sd15.reference.watch`.
        pictures: (1 + R, 4, h, w) latents of the reference, then of the frames before.
        tokens: (B, tokens, width) of the face; B is 2 with guidance.

    Returns:
        What the self-attentions of the denoiser look back at: one picture for each half.
    """
    halves, shown = len(tokens), len(pictures)
    networks.reference(
        pictures.repeat(halves, 1, 1, 1),
        torch.zeros((), device=pictures.device),
        encoder_hidden_states=tokens.repeat(shown, 1, 1),
        return_dict=False,
    )
    seen = {block: value.reshape(halves, shown, *value.shape[1:]) for block, value in features.seen.items()}
    networks.cues.motion = {block: value[:, 1:] for block, value in seen.items()}
    return ReferenceFeatures({block: value[:, 0] for block, value in seen.items()}, halves == 2)


def split_parts(tensors: Mapping[str, Tensor], source: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of ``net.pth`` by network.

    Raises:
        WeightsError: a tensor belongs to none of the five.
    """
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in tensors.items():
        part, _, rest = name.removeprefix("module.").partition(".")
        if part not in parts:
            raise WeightsError(f"{source}: {name} belongs to none of {', '.join(PARTS)}")
        parts[part][rest] = tensor
    return parts


def hallo2_networks(
    parts: Mapping[str, Mapping[str, Tensor]], source: Path, dtype: torch.dtype
) -> Hallo2Networks:
    """The networks filled from the authors' tensors.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    shapes = {part: shapes_of(tensors) for part, tensors in parts.items()}
    sizes = unet_sizes(shapes["denoising_unet"], source)
    of_reference = unet_sizes(shapes["reference_unet"], source)
    cues = Cues()
    builders = {
        "denoising_unet": lambda: audio_unet(sizes, shapes["denoising_unet"], cues),
        "reference_unet": lambda: picture_unet(of_reference),
        "face_locator": lambda: ConditionGuider.of_shapes(shapes["face_locator"]),
        "imageproj": lambda: _image_projection(shapes["imageproj"]),
        "audioproj": lambda: _audio_projection(shapes["audioproj"]),
    }
    try:
        loaded: list[Any] = [load_network(builders[part], parts[part], source, dtype) for part in PARTS]
    except KeyError as error:
        raise WeightsError(f"{source}: the tensor {error} is missing") from None
    denoiser, reference, locator, image, audio = loaded
    return Hallo2Networks(denoiser, reference, locator, image, audio, cues, sizes)


def _image_projection(shapes: Mapping[str, tuple[int, ...]]) -> ImageProjection:
    (out, features), (width,) = shapes["proj.weight"], shapes["norm.weight"]
    return ImageProjection(features, out // width, width)


def _audio_projection(shapes: Mapping[str, tuple[int, ...]]) -> AudioProjection:
    (hidden, features), (width,) = shapes["proj1.weight"], shapes["norm.weight"]
    return AudioProjection(features, hidden, shapes["proj3.weight"][0] // width, width)


def make_tiny_hallo2(folder: Path, seed: int = 0) -> None:
    """Write random weights in the layout of the release."""
    sizes, width = replace(TINY, motion_frames=32), TINY.context

    def write(made: Path) -> None:
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        shapes: dict[str, tuple[int, ...]] = {}
        for block, count in (("down_blocks.0", 1), ("mid_block", 1), ("up_blocks.1", 2)):
            for number in range(count):
                place = f"{block}.audio_modules.{number}"
                shapes[f"{place}.proj_in.weight"] = (sizes.channels[0], sizes.channels[0], 1, 1)
                shapes[f"{place}.transformer_blocks.0.attn2_0.to_k.weight"] = (sizes.channels[0], width)
        hearing = Wav2Vec2Model(
            Wav2Vec2Config(
                hidden_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=16,
                conv_dim=(8,) * 7,
                num_conv_pos_embeddings=8,
                num_conv_pos_embedding_groups=2,
            )
        )
        networks = (
            audio_unet(sizes, shapes, Cues()),
            picture_unet(sizes),
            ConditionGuider((8, 8, 8, 8), sizes.channels[0]),
            ImageProjection(512, 4, width),
            AudioProjection(5 * 2 * 16, 16, 4, width),
        )
        tensors = {
            f"{part}.{name}": value
            for part, network in zip(PARTS, networks, strict=True)
            for name, value in authors_tensors(network).items()
        }
        torch.save(tensors, made / "net.pth")
        tiny_vae().save_pretrained(made / "sd-vae-ft-mse")
        hearing.save_pretrained(made / "wav2vec2-base-960h")

    make_folder(folder, seed, "Hallo2 with random weights, for tests; it draws noise", write)
