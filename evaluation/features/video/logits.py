"""I3D logits of the first frames of a video: what Frechet video distance is made of (Unterthiner et al. 2018).

Legend: N videos, T frames, D = 400 logits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from evaluation.definitions import FvdRule
from evaluation.features.video.frames import UInt8Array

if TYPE_CHECKING:
    from evaluation.features.video.networks.i3d import I3d

__all__ = ["fvd_input", "video_logits"]

_SIDE = 224
_SHORTEST, _LONGEST = 9, 16


def fvd_input(frames: UInt8Array, rule: FvdRule, device: str = "cpu") -> torch.Tensor:
    """What I3D sees of one video.

    Args:
        frames: (T, H, W, 3) uint8 RGB; the first ``rule.frames`` are used.

    Returns:
        (3, rule.frames, 224, 224) float32, -1..1 (bicubic may leave the range).

    Raises:
        ValueError: the video is shorter than ``rule.frames``, or the rule asks for a length I3D ports
        disagree on.
    """
    if not _SHORTEST <= rule.frames <= _LONGEST:
        raise ValueError(
            f"FVD is defined here for {_SHORTEST} to {_LONGEST} frames, the rule has {rule.frames}"
        )
    if len(frames) < rule.frames:
        raise ValueError(f"FVD takes the first {rule.frames} frames, the video has {len(frames)}")
    pixels = (
        torch.from_numpy(np.ascontiguousarray(frames[: rule.frames])).to(device).float().permute(0, 3, 1, 2)
    )
    if rule.byte_cut:
        pixels = (pixels / 255.0 * 255.0).trunc()
    if rule.resize == "squash_bicubic":
        pixels = F.interpolate(pixels, (_SIDE, _SIDE), mode="bicubic", align_corners=False, antialias=True)
        return (pixels / 127.5 - 1.0).transpose(0, 1)
    if rule.resize == "squash_bilinear":
        unit = F.interpolate(pixels, (_SIDE, _SIDE), mode="bilinear", align_corners=False) / 255.0
    else:
        height, width = pixels.shape[-2:]
        scale = _SIDE / min(height, width)
        size = (_SIDE, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), _SIDE)
        unit = F.interpolate(pixels / 255.0, size, mode="bilinear", align_corners=False)
        top, left = (size[0] - _SIDE) // 2, (size[1] - _SIDE) // 2
        unit = unit[..., top : top + _SIDE, left : left + _SIDE]
    return (2.0 * (unit - 0.5)).transpose(0, 1)


def video_logits(
    network: I3d, frames: UInt8Array, rule: FvdRule, device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """I3D logits (400,) of the first frames of one video, the sample FVD is made of."""
    with torch.inference_mode():
        return np.asarray(network(fvd_input(frames, rule, device)[None])[0].cpu().numpy())
