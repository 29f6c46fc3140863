"""What a stage is shown besides music: words, pictures at some of its slots, and the mask that says where they are.

Slots without a picture are black (-1), as the release has them.

Legend: L slots, N latent frames, H W px, h w latent px.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mace_dance.appearance.latents import to_video
from mace_dance.appearance.segments import conditioning_mask

__all__ = [
    "GENRES",
    "NEGATIVE_PROMPT",
    "condition_latents",
    "global_prompt",
    "letterbox_grey",
    "local_prompt",
    "shown_video",
    "told_rate",
]

Image = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

GENRES = {
    "classical": ("古典舞", "中等", "中等"),
    "k-pop": ("韩舞", "中等", "中等"),
    "street": ("街舞", "中等", "中等"),
    "latin": ("拉丁舞", "高", "中等"),
    "tap": ("踢踏舞", "高", "高"),
}
"""Genre -> its name in the prompts of the release, and how large its mean and its largest motions are."""

NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，"
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

_GREY = 127


def global_prompt(genre: str, fps: float) -> str:
    """The words of the global stage, whose frames are ``fps`` a second."""
    return f"一个人正在跳舞，舞蹈种类是{GENRES[genre][0]}。" + told_rate(fps)


def told_rate(fps: float) -> str:
    """The end of every prompt of the global stage."""
    return f"帧率是{fps:.4f}"


def local_prompt(genre: str) -> str:
    """The words of the local stage."""
    name, mean, largest = GENRES[genre]
    motion = f"人物动作平均幅度{mean},人物动作最大幅度{largest}"
    return f"一个人正在跳舞，舞蹈种类是{name},图像清晰程度高,{motion}。, 帧率是30fps。"


def letterbox_grey(image: Image, width: int, height: int) -> tuple[Image, Box]:
    """A picture (H, W, 3) scaled into ``width`` x ``height`` px, centred on grey; and its left, top, right, bottom."""
    from PIL import Image as Pictures

    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    inner = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    scaled = Pictures.fromarray(image).resize(inner, Pictures.Resampling.BILINEAR)
    framed = np.full((height, width, 3), _GREY, np.uint8)
    framed[top : top + inner[1], left : left + inner[0]] = np.asarray(scaled)
    return framed, (left, top, left + inner[0], top + inner[1])


def shown_video(pictures: Mapping[int, Image], slots: int, width: int, height: int) -> Tensor:
    """(1, 3, L, H, W) in -1..1: pictures at their slots, black between them."""
    video = torch.full((1, 3, slots, height, width), -1.0)
    for slot, picture in pictures.items():
        video[:, :, slot] = to_video([picture])[:, :, 0]
    return video


def condition_latents(keyframes: Collection[int], slots: int, latents: Tensor) -> Tensor:
    """(1, 20, N, h, w): four mask channels, 1 at the slots that are keyframes, then the latents of what is shown."""
    frames, height, width = latents.shape[-3:]
    at = np.zeros((slots, height, width), np.float32)
    at[list(keyframes)] = 1
    mask = torch.from_numpy(conditioning_mask(frames, height, width, 0, at))[None]
    return torch.cat([mask.to(latents), latents], dim=1)
