"""What a method adds to the shared driver: :class:`ClipPainter`; and the VAE of Stable Diffusion, a frame at a time.

Legend: T frames, (h, w) latents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = [
    "ClipPainter",
    "Image",
    "Predict",
    "decode_frames",
    "picture_latent",
    "pictures",
]

Image = npt.NDArray[np.uint8]

Predict: TypeAlias = Callable[[Tensor, Sequence[int]], Tensor]
"""(1, 4, T, h, w) noisy latents, which frames of the clip they are -> the halves of guidance (2, 4, T, h, w), or (1,
...) without guidance."""


@dataclass(frozen=True, eq=False)
class ClipPainter(ABC):
    """The networks of a method, all on one device and of one precision.

    Attributes:
        unet: the denoiser.
        vae: of Stable Diffusion.
        schedule: settings of its DDIM sampler, see :mod:`baselines.sd15.schedule`.
    """

    unet: Any
    vae: Any
    schedule: dict[str, Any]

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Everything with weights."""

    @abstractmethod
    def prepare(
        self, picture: Image, controls: Sequence[Image], *, guided: bool
    ) -> Callable[[Tensor], Predict]:
        """Look at the reference and the control frames (H, W, 3) once; returned is a predictor for each time."""

    def noise(self, frames: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """(1, 4, T, h, w) float32 to start from."""
        return torch.randn(1, 4, frames, height // 8, width // 8, generator=generator)

    def padded(self, frames: int) -> int:
        """Frames that are denoised for so many wanted; the last control is held."""
        return frames


def pictures(images: Sequence[Image], device: torch.device, dtype: torch.dtype) -> Tensor:
    """(N, 3, H, W) in 0..1 of pictures (H, W, 3) uint8."""
    stacked = torch.from_numpy(np.stack([np.ascontiguousarray(image) for image in images]))
    return stacked.to(device).permute(0, 3, 1, 2).to(dtype) / 255


def picture_latent(vae: Any, picture: Image) -> Tensor:
    """(1, 4, h, w) the mean of the posterior, scaled as Stable Diffusion is."""
    pixels = pictures([picture], vae.device, vae.dtype) * 2 - 1
    mean: Tensor = vae.encode(pixels).latent_dist.mode()
    return mean * float(vae.config.scaling_factor)


def decode_frames(vae: Any, latents: Tensor) -> Iterator[Tensor]:
    """(3, H, W) in 0..1 on the CPU for each frame of (1, 4, T, h, w), one at a time."""
    for frame in latents[0].to(vae.device, vae.dtype).transpose(0, 1):
        decoded = vae.decode(frame[None] / vae.config.scaling_factor).sample[0]
        yield (decoded.float() / 2 + 0.5).clamp(0, 1).cpu()
