"""What each network is shown: upstream's transforms on float frames.

Everything runs on float32 values in 0..255 with no antialiasing, no rounding and no clamping (bicubic may
leave the range). Newer image libraries antialias by default: on a 720p clip that alone moves subject
consistency by 0.0014 and background consistency by 0.0038.

Legend: B frames, H and W pixels. Input ``planar`` (B, 3, H, W) float32 RGB 0..255. Interpolating it is
several times faster, and the same to the last bit, with channels last in memory.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

__all__ = ["QualityMode", "clip_input", "pad_to_multiple", "quality_input", "resize_shorter", "subject_input"]

QualityMode = Literal["longer", "shorter", "shorter_centercrop", "None"]

_SIDE = 224
_QUALITY_SIDE = 512
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def resize_shorter(planar: torch.Tensor, side: int, mode: Literal["bilinear", "bicubic"]) -> torch.Tensor:
    """Scale so that the shorter side is ``side`` px and the longer one ``int(side * longer / shorter)``."""
    height, width = planar.shape[-2:]
    if height <= width:
        size = (side, int(side * width / height))
    else:
        size = (int(side * height / width), side)
    return _resize(planar, size, mode)


def subject_input(planar: torch.Tensor) -> torch.Tensor:
    """What DINO sees: bilinear to 224 on the shorter side, ImageNet statistics, **no crop**.

    Returns:
        (B, 3, h, w) with min(h, w) = 224; a wide picture stays wide.
    """
    return _normalise(resize_shorter(planar, _SIDE, "bilinear"), _IMAGENET_MEAN, _IMAGENET_STD)


def clip_input(planar: torch.Tensor) -> torch.Tensor:
    """What CLIP sees: bicubic to 224 on the shorter side, centre crop, CLIP statistics.

    Returns:
        (B, 3, 224, 224).
    """
    return _normalise(_centre_crop(resize_shorter(planar, _SIDE, "bicubic"), _SIDE), _CLIP_MEAN, _CLIP_STD)


def quality_input(planar: torch.Tensor, mode: QualityMode = "longer") -> torch.Tensor:
    """What MUSIQ sees, 0..1: large pictures shrunk so that the longer side is at most 512 px.

    Args:
        mode: upstream's ``imaging_quality_preprocessing_mode``; the paper uses ``longer``. ``shorter``
            measures the shorter side, ``shorter_centercrop`` also crops what was shrunk, ``None`` leaves the
            size.
    """
    height, width = planar.shape[-2:]
    reference = max(height, width) if mode == "longer" else min(height, width)
    if mode != "None" and reference > _QUALITY_SIDE:
        scale = _QUALITY_SIDE / reference
        planar = _resize(planar, (int(scale * height), int(scale * width)), "bilinear")
        if mode == "shorter_centercrop":
            planar = _centre_crop(planar, _QUALITY_SIDE)
    return planar / 255.0


def pad_to_multiple(unit: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeat the border until both sides are multiples, half on each side, the odd pixel last."""
    height, width = unit.shape[-2:]
    extra_h, extra_w = -height % multiple, -width % multiple
    top, left = extra_h // 2, extra_w // 2
    if not extra_h and not extra_w:
        return unit
    return F.pad(unit, (left, extra_w - left, top, extra_h - top), mode="replicate")


def _resize(
    planar: torch.Tensor, size: tuple[int, int], mode: Literal["bilinear", "bicubic"]
) -> torch.Tensor:
    if tuple(planar.shape[-2:]) == size:
        return planar
    return F.interpolate(planar, size=size, mode=mode, align_corners=False, antialias=False)


def _centre_crop(planar: torch.Tensor, side: int) -> torch.Tensor:
    top, left = (round((length - side) / 2) for length in planar.shape[-2:])
    return planar[..., top : top + side, left : left + side]


def _normalise(planar: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    mean_, std_ = (planar.new_tensor(values)[:, None, None] for values in (mean, std))
    return (planar / 255.0 - mean_) / std_
