"""The picture half of OpenAI's CLIP: ViT-B/32 for background consistency, ViT-L/14 for aesthetic quality.

:class:`ClipVision` loads the official archives ``ViT-B-32.pt`` and ``ViT-L-14.pt`` (TorchScript, float16)
without running them, or the same tensors from a state dict or safetensors file. Upstream computes in float32
on a CPU and in float16 on a GPU, which moves background consistency by 1e-4 to 3e-4: the precision is part of
a result.

Legend: B pictures, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict
from evaluation.features.video.networks.vit import attend
from madata.errors import WeightsError

__all__ = ["CLIP_SHAPES", "ClipModel", "ClipVision", "load_clip"]

ClipModel = Literal["ViT-B/32", "ViT-L/14"]

CLIP_SHAPES: Mapping[ClipModel, tuple[int, int, int, int]] = {
    "ViT-B/32": (768, 12, 32, 512),
    "ViT-L/14": (1024, 24, 14, 768),
}
"""Width, depth, patch side in px and output width of the two models."""

_SIDE = 224
_HEAD_WIDTH = 64


class ClipVision(nn.Module):
    """(B, 3, 224, 224) normalised pictures to image features (B, D_out), not normalised."""

    def __init__(self, width: int, depth: int, patch: int, output: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(1 + (_SIDE // patch) ** 2, width))
        self.ln_pre = _Norm(width)
        self.transformer = _Transformer(width, depth)
        self.ln_post = _Norm(width)
        self.proj = nn.Parameter(torch.zeros(width, output))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        patches = self.conv1(pictures.to(self.proj.dtype)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(patches), 1, -1), patches], dim=1)
        tokens = self.ln_pre(tokens + self.positional_embedding)
        features: torch.Tensor = self.ln_post(self.transformer(tokens)[:, 0]) @ self.proj
        return features


class _Transformer(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(_Block(width) for _ in range(depth)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.resblocks(tokens)
        return out


class _Norm(nn.LayerNorm):
    """Layer norm in float32 whatever the precision around it, as upstream has it."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        return F.layer_norm(tokens.float(), self.normalized_shape, weight, bias, self.eps).to(tokens.dtype)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1 = _Norm(width)
        self.attn = _Attention(width)
        self.ln_2 = _Norm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attn(self.ln_1(tokens))
        hidden = self.mlp["c_fc"](self.ln_2(tokens))
        out: torch.Tensor = tokens + self.mlp["c_proj"](hidden * torch.sigmoid(1.702 * hidden))
        return out


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = F.linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        out: torch.Tensor = self.out_proj(attend(query, key, value, tokens.shape[-1] // _HEAD_WIDTH))
        return out


def load_clip(
    path: Path,
    model: ClipModel,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> ClipVision:
    """Load ``ViT-B-32.pt`` or ``ViT-L-14.pt``; the text half is not read.

    Raises:
        WeightsError: the file is absent or holds another model.
    """
    state = read_state_dict(path, "visual.")
    width, depth, patch, output = CLIP_SHAPES[model]
    if "proj" in state and tuple(state["proj"].shape) != (width, output):
        raise WeightsError(f"{path}: is not CLIP {model} (its projection is {tuple(state['proj'].shape)})")
    with torch.device("meta"):
        network = ClipVision(width, depth, patch, output)
    network.to_empty(device="cpu")
    load_exactly(network, state, path)
    return network.to(device, dtype).eval()
