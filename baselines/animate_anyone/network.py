"""Animate-Anyone's networks (Moore Threads' release) and how they are asked.

A picture UNet looks at the reference once, at time 0; the denoiser's self-attentions look at what it saw, all of them.
A guider turns drawn skeletons into what is added after the denoiser's first convolution. The one token of
cross-attention is CLIP's embedding of the reference; without guidance it is zero.

Files: ``denoising_unet.pth`` and ``motion_module.pth`` together are the denoiser (what stands in both is taken from
the first), ``reference_unet.pth`` and ``pose_guider.pth``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.sd15.network import (
    SD15,
    ConditionGuider,
    UNetSizes,
    authors_tensors,
    load_network,
    picture_unet,
    predict,
    shapes_of,
    unet_sizes,
    video_unet,
)
from baselines.sd15.painter import ClipPainter, Image, Predict, picture_latent, pictures
from baselines.sd15.reference import look_back, watch
from baselines.sd15.tiny import TINY, make_folder, tiny_clip_vision, tiny_vae
from mace_dance.appearance.reference import CLIP_MEAN, CLIP_STD
from mace_dance.appearance.tensors import read_pth

__all__ = [
    "FILES",
    "PUBLISHED",
    "AnimateAnyonePainter",
    "animate_anyone_networks",
    "clip_token",
    "load_animate_anyone",
    "make_tiny_animate_anyone",
]

PUBLISHED = UNetSizes(**{**vars(SD15), "motion_frames": 32, "has_mid_motion": True})
"""The released denoiser."""

FILES = ("denoising_unet.pth", "motion_module.pth", "reference_unet.pth", "pose_guider.pth")
"""Of the release."""

_GUIDED_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class AnimateAnyonePainter(ClipPainter):
    """See the module.

    Attributes:
        reference: the picture UNet.
        guider: of skeletons.
        clip: the picture tower of CLIP with its projection.
    """

    reference: Any
    guider: ConditionGuider
    clip: Any

    def networks(self) -> dict[str, nn.Module]:
        """Everything with weights."""
        return {
            "denoising_unet": self.unet,
            "reference_unet": self.reference,
            "pose_guider": self.guider,
            "vae": self.vae,
            "image_encoder": self.clip,
        }

    def prepare(
        self, picture: Image, controls: Sequence[Image], *, guided: bool
    ) -> Callable[[Tensor], Predict]:
        """Look at the reference and the skeletons once."""
        device, dtype = self.unet.device, self.unet.dtype
        token = clip_token(self.clip, picture)
        features = watch(self.reference)
        features.guided = guided
        look_back(self.unet, features)
        latent = picture_latent(self.vae, picture)
        self.reference(latent, torch.zeros((), device=device), encoder_hidden_states=token, return_dict=False)
        guides = self._guides(controls)
        context = torch.cat([torch.zeros_like(token), token]) if guided else token

        def predict_at(time: Tensor) -> Predict:
            def ask(latents: Tensor, frames: Sequence[int]) -> Tensor:
                halves = len(context)
                guide = guides[:, :, list(frames)].to(device).expand(halves, -1, -1, -1, -1)
                noisy = latents.to(device, dtype).expand(halves, -1, -1, -1, -1)
                return predict(self.unet, noisy, time.to(device), context, guide=guide)

            return ask

        return predict_at

    def _guides(self, controls: Sequence[Image]) -> Tensor:
        """(1, C, T, h, w) of the skeletons, on the host: a long clip has many."""
        device, dtype = self.unet.device, self.unet.dtype
        parts = [
            self.guider(pictures(controls[start : start + _GUIDED_AT_ONCE], device, dtype)).cpu()
            for start in range(0, len(controls), _GUIDED_AT_ONCE)
        ]
        return torch.cat(parts).transpose(0, 1)[None]


def clip_token(clip: Any, picture: Image) -> Tensor:
    """(1, 1, width) CLIP's embedding of a picture (H, W, 3), squashed to its square as upstream does."""
    from PIL import Image as Pillow

    side = int(clip.config.image_size)
    square = np.asarray(Pillow.fromarray(picture).resize((side, side)))
    pixels = pictures([square], clip.device, torch.float32)[0].permute(1, 2, 0)
    mean, std = (pixels.new_tensor(values) for values in (CLIP_MEAN, CLIP_STD))
    normal = ((pixels - mean) / std).permute(2, 0, 1)[None].to(clip.dtype)
    token: Tensor = clip(normal).image_embeds[:, None]
    return token


def animate_anyone_networks(
    denoiser: dict[str, Tensor],
    reference: dict[str, Tensor],
    guider: dict[str, Tensor],
    source: Path,
    dtype: torch.dtype,
) -> tuple[Any, Any, ConditionGuider, UNetSizes]:
    """The three networks filled from the authors' tensors, and the sizes of the denoiser.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape.
    """
    sizes = unet_sizes(shapes_of(denoiser), source)
    of_reference = unet_sizes(shapes_of(reference), source)
    return (
        load_network(lambda: video_unet(sizes), denoiser, source, dtype),
        load_network(lambda: picture_unet(of_reference), reference, source, dtype),
        load_network(lambda: ConditionGuider.of_shapes(shapes_of(guider)), guider, source, dtype),
        sizes,
    )


def load_animate_anyone(folder: Path, dtype: torch.dtype) -> tuple[Any, Any, ConditionGuider, UNetSizes]:
    """:func:`animate_anyone_networks` the files of a folder.

    Raises:
        WeightsError: a file is missing, damaged, or of another network.
    """
    denoiser, motion, reference, guider = (read_pth(folder / name) for name in FILES)
    return animate_anyone_networks({**motion, **denoiser}, reference, guider, folder, dtype)


def make_tiny_animate_anyone(folder: Path, seed: int = 0) -> None:
    """Write random weights in the layout of the release (2 MB)."""

    def write(made: Path) -> None:
        denoiser = authors_tensors(video_unet(TINY))
        is_motion = {name: ".motion_modules." in name for name in denoiser}
        parts = (
            {name: tensor for name, tensor in denoiser.items() if not is_motion[name]},
            {name: tensor for name, tensor in denoiser.items() if is_motion[name]},
            authors_tensors(picture_unet(TINY)),
            ConditionGuider((8, 8, 8, 8), TINY.channels[0]).state_dict(),
        )
        for name, tensors in zip(FILES, parts, strict=True):
            torch.save(dict(tensors), made / name)
        tiny_vae().save_pretrained(made / "sd-vae-ft-mse")
        tiny_clip_vision(TINY.context).save_pretrained(made / "image_encoder")

    make_folder(folder, seed, "Animate-Anyone with random weights, for tests; it draws noise", write)
