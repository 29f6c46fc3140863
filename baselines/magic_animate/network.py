"""Magic-Animate's networks and how they are asked.

An appearance encoder looks at the reference anew at every step, at the time of the step; the self-attentions in the
middle and on the way up of the denoiser look at what it saw. A ControlNet turns DensePose frames into residuals. The
text is always "".

Files: folders ``appearance_encoder`` and ``densepose_controlnet``, and ``temporal_attention/temporal_attention.ckpt``,
which with the UNet of Stable Diffusion 1.5 is the denoiser. The last attention of the encoder ends where the denoiser
looks (:class:`LastLook`): its file holds no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from baselines.lightning import read_lightning
from baselines.sd15.load import tensors_of_folder
from baselines.sd15.network import (
    HEADS,
    SD15,
    UNetSizes,
    authors_tensors,
    fold,
    load_network,
    picture_unet,
    predict,
    shapes_of,
    unet_sizes,
    video_unet,
)
from baselines.sd15.painter import ClipPainter, Image, Predict, picture_latent, pictures
from baselines.sd15.reference import ReferenceFeatures, look_back, watch
from baselines.sd15.tiny import TINY, make_folder, tiny_clip_text, tiny_vae
from mace_dance.appearance.tensors import read_pth
from madata.errors import WeightsError

__all__ = [
    "ENCODER",
    "PARTS",
    "PUBLISHED",
    "LastLook",
    "MagicAnimatePainter",
    "appearance_encoder",
    "densepose_controlnet",
    "empty_text",
    "load_magic_animate",
    "magic_animate_networks",
    "make_tiny_magic_animate",
    "watch_encoder",
]

PUBLISHED = replace(SD15, motion_frames=24)
"""The released denoiser."""

ENCODER = SD15
"""The released appearance encoder."""

PARTS = ("appearance_encoder", "densepose_controlnet", "temporal_attention/temporal_attention.ckpt")
"""Of the release."""

_NOISE_FRAMES = 16
"""Noise is drawn for so many frames and repeated; a clip is filled up to a multiple of them."""


class LastLook(nn.Module):
    """The last attention of the appearance encoder, up to what the denoiser looks at.

    Attributes:
        features: where that is left, under the name ``block``.
    """

    def __init__(self, channels: int, block: str) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        inner = nn.Module()
        inner.norm1 = nn.LayerNorm(channels)
        self.transformer_blocks = nn.ModuleList([inner])
        self.block = block
        self.features: ReferenceFeatures | None = None

    def forward(self, hidden: Tensor, **others: Any) -> tuple[Tensor]:
        """What went in: nothing comes after it."""
        places = self.proj_in(self.norm(hidden)).flatten(2).transpose(1, 2)
        if self.features is not None:
            self.features.seen[self.block] = self.get_submodule("transformer_blocks.0.norm1")(places)
        return (hidden,)


def appearance_encoder(sizes: UNetSizes) -> UNet2DConditionModel:
    """The picture UNet that ends with a :class:`LastLook`."""
    network = picture_unet(sizes)
    level, last = len(sizes.channels) - 1, sizes.layers
    place = f"up_blocks.{level}.attentions.{last}"
    network.get_submodule(f"up_blocks.{level}.attentions")[last] = LastLook(
        sizes.channels[0], f"{place}.transformer_blocks.0"
    )
    return network


def watch_encoder(network: UNet2DConditionModel) -> ReferenceFeatures:
    """Have the encoder keep what its attentions in the middle and on the way up see."""
    features = watch(network, ("mid_block", "up_blocks"))
    for module in network.modules():
        if isinstance(module, LastLook):
            module.features = features
    return features


def densepose_controlnet(sizes: UNetSizes, conditioning: tuple[int, ...]) -> ControlNetModel:
    """The ControlNet; ``conditioning`` are the channels of the convolutions that DensePose frames go through."""
    return ControlNetModel(
        down_block_types=sizes.block_types("Block2D")["down_block_types"],
        block_out_channels=sizes.channels,
        layers_per_block=sizes.layers,
        cross_attention_dim=sizes.context,
        attention_head_dim=HEADS,  # which in this class means their number
        conditioning_embedding_out_channels=conditioning,
    )


def _conditioning(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    path = "controlnet_cond_embedding"
    count = sum(name.startswith(f"{path}.blocks.") and name.endswith(".weight") for name in shapes)
    widened = (shapes[f"{path}.blocks.{index}.weight"][0] for index in range(1, count, 2))
    return (shapes[f"{path}.conv_in.weight"][0], *widened)


@dataclass(frozen=True, eq=False)
class MagicAnimatePainter(ClipPainter):
    """See the module.

    Attributes:
        encoder: of the reference's appearance.
        controlnet: of DensePose.
        text: CLIP's text tower.
    """

    encoder: Any
    controlnet: Any
    text: Any

    def networks(self) -> dict[str, nn.Module]:
        """Everything with weights."""
        return {
            "unet": self.unet,
            "appearance_encoder": self.encoder,
            "densepose_controlnet": self.controlnet,
            "vae": self.vae,
            "text_encoder": self.text,
        }

    def padded(self, frames: int) -> int:
        """Up to a multiple of 16."""
        return -(-frames // _NOISE_FRAMES) * _NOISE_FRAMES

    def noise(self, frames: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """16 frames, again and again."""
        first = super().noise(_NOISE_FRAMES, height, width, generator)
        return first.repeat(1, 1, frames // _NOISE_FRAMES, 1, 1)

    def prepare(
        self, picture: Image, controls: Sequence[Image], *, guided: bool
    ) -> Callable[[Tensor], Predict]:
        """Look at the reference; the encoder looks again at each time."""
        device, dtype = self.unet.device, self.unet.dtype
        text, latent = empty_text(self.text), picture_latent(self.vae, picture)
        features = watch_encoder(self.encoder)
        features.guided = guided
        look_back(self.unet, features)
        context = text.expand(2 if guided else 1, -1, -1)

        def predict_at(time: Tensor) -> Predict:
            now = time.to(device)
            self.encoder(latent, now, encoder_hidden_states=text, return_dict=False)

            def ask(latents: Tensor, frames: Sequence[int]) -> Tensor:
                noisy = latents.to(device, dtype)
                down, middle = self.controlnet(
                    fold(noisy),
                    now,
                    encoder_hidden_states=text.expand(len(frames), -1, -1),
                    controlnet_cond=pictures([controls[frame] for frame in frames], device, dtype),
                    return_dict=False,
                )
                halves = len(context)
                residuals = (
                    tuple(each.repeat(halves, 1, 1, 1) for each in down),
                    middle.repeat(halves, 1, 1, 1),
                )
                return predict(
                    self.unet, noisy.expand(halves, -1, -1, -1, -1), now, context, residuals=residuals
                )

            return ask

        return predict_at


def empty_text(text: Any) -> Tensor:
    """(1, words, width) what CLIP makes of "": its first special word, then the second to the end."""
    words, vocabulary = int(text.config.max_position_embeddings), int(text.config.vocab_size)
    numbers = torch.full((1, words), vocabulary - 1, device=text.device)
    numbers[:, 0] = vocabulary - 2
    embedded: Tensor = text(numbers).last_hidden_state
    return embedded


def magic_animate_networks(
    denoiser: dict[str, Tensor],
    encoder: dict[str, Tensor],
    controlnet: dict[str, Tensor],
    source: Path,
    dtype: torch.dtype,
) -> tuple[Any, Any, Any, UNetSizes]:
    """The three networks filled from the authors' tensors, and the sizes of the denoiser.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    sizes, of_encoder = unet_sizes(shapes_of(denoiser), source), unet_sizes(shapes_of(encoder), source)
    of_control = unet_sizes(shapes_of(controlnet), source)
    conditioning = _conditioning(shapes_of(controlnet))
    return (
        load_network(lambda: video_unet(sizes, joint=True), denoiser, source, dtype),
        load_network(lambda: appearance_encoder(of_encoder), encoder, source, dtype),
        load_network(lambda: densepose_controlnet(of_control, conditioning), controlnet, source, dtype),
        sizes,
    )


def load_magic_animate(folder: Path, unet: Path, dtype: torch.dtype) -> tuple[Any, Any, Any, UNetSizes]:
    """:func:`magic_animate_networks` the files of a folder and of the UNet of Stable Diffusion 1.5.

    Raises:
        WeightsError: a file is missing, damaged, or of another network.
    """
    *parts, motion = (folder / part for part in PARTS)
    denoiser = {**tensors_of_folder(unet)[0], **_motion_modules(motion)}
    encoder, controlnet = (tensors_of_folder(part)[0] for part in parts)
    return magic_animate_networks(denoiser, encoder, controlnet, folder, dtype)


def _motion_modules(path: Path) -> dict[str, Tensor]:
    """Tensors of motion modules; the file may be that of a training, with all of its tensors behind prefixes."""
    try:
        tensors = read_pth(path)
    except WeightsError:
        if not path.is_file():
            raise
        tensors = read_lightning(path)
    named = {name.removeprefix("module.").removeprefix("unet."): value for name, value in tensors.items()}
    return {name: value for name, value in named.items() if ".motion_modules." in name}


def _awake(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A new ControlNet adds nothing: it ends in zeros, which training moves."""
    return {name: value if value.any() else torch.randn_like(value) / 4 for name, value in tensors.items()}


def make_tiny_magic_animate(folder: Path, seed: int = 0) -> None:
    """Write random weights in the layout of the release."""
    from safetensors.torch import save_file

    sizes = replace(TINY, motion_frames=16, has_mid_motion=False)

    def write(made: Path) -> None:
        denoiser = {name: value.contiguous() for name, value in authors_tensors(video_unet(sizes)).items()}
        motion = {name: value for name, value in denoiser.items() if ".motion_modules." in name}
        plain = {name: value for name, value in denoiser.items() if name not in motion}
        for name, tensors in (
            ("stable-diffusion-v1-5/unet", plain),
            ("appearance_encoder", appearance_encoder(sizes).state_dict()),
            ("densepose_controlnet", _awake(densepose_controlnet(sizes, (8, 8, 8, 8)).state_dict())),
        ):
            (made / name).mkdir(parents=True)
            save_file(tensors, made / name / "diffusion_pytorch_model.safetensors")
        (made / "temporal_attention").mkdir()
        torch.save({"state_dict": motion}, made / "temporal_attention" / "temporal_attention.ckpt")
        tiny_clip_text(sizes.context).save_pretrained(made / "stable-diffusion-v1-5" / "text_encoder")
        tiny_vae().save_pretrained(made / "sd-vae-ft-mse")

    make_folder(folder, seed, "Magic-Animate with random weights, for tests; it draws noise", write)
