"""MUSIQ, the multi-scale image quality transformer (Ke et al. 2021), as pyiqa publishes it for SPAQ.

A picture is cut into 32 px patches at three sizes: longer side 224, longer side 384 (both bicubic, without
antialiasing) and as it is. Each patch becomes a token through a small residual network; tokens carry the
place of the patch on a 10 x 10 grid and its scale. :class:`Musiq` loads the official
``musiq_spaq_ckpt-358bb6af.pth`` as it is. Upstream pads the token list of the small scales and masks the
padding; leaving it out gives the same numbers.

Legend: B pictures, N tokens, D width.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict
from evaluation.features.video.networks.vit import attend

__all__ = ["Musiq", "load_musiq"]

_PATCH = 32
_LONGER_SIDES = (224, 384)
_GRID = 10
_WIDTH = 384
_HIDDEN = 1152
_DEPTH = 14
_HEADS = 6
_STEM = 64
_NORM_GROUPS = 32


class Musiq(nn.Module):
    """(B, 3, H, W) pictures in 0..1 to quality ratings (B,), 0..100."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_root = _StandardisedConv(3, _STEM, 7, 2)
        self.gn_root = nn.GroupNorm(_NORM_GROUPS, _STEM, eps=1e-6)
        self.block1 = _Bottleneck(_STEM, 4 * _STEM)
        self.embedding = nn.Linear(4 * _STEM * (_PATCH // 4) ** 2, _WIDTH)
        self.transformer_encoder = _Encoder()
        self.head = nn.Linear(_WIDTH, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        tokens, places, scales = [], [], []
        for scale, resized in enumerate(_scales((pictures - 0.5) * 2)):
            patches = _patches(resized)
            tokens.append(self._embed(patches.flatten(0, 1)).reshape(*patches.shape[:2], _WIDTH))
            places.append(_grid_places(resized.shape[-2], resized.shape[-1], resized.device))
            scales.append(torch.full_like(places[-1], scale))
        encoded = self.transformer_encoder(torch.cat(tokens, dim=1), torch.cat(places), torch.cat(scales))
        rating: torch.Tensor = self.head(encoded)[:, 0]
        return rating

    def _embed(self, patches: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.gn_root(self.conv_root(patches)))
        x = F.max_pool2d(_same_padding(x, 3, 2), 3, 2)
        x = self.block1(x).permute(0, 2, 3, 1).flatten(1)
        embedded: torch.Tensor = self.embedding(x)
        return embedded


class _StandardisedConv(nn.Conv2d):
    """Convolution with zero-mean, unit-deviation filters and TensorFlow's "same" padding, without bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(_same_padding(x, self.kernel_size[0], self.stride[0]), weight, None, self.stride)


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _StandardisedConv(inputs, inputs, 1, 1)
        self.gn1 = nn.GroupNorm(_NORM_GROUPS, inputs, eps=1e-4)
        self.conv2 = _StandardisedConv(inputs, inputs, 3, 1)
        self.gn2 = nn.GroupNorm(_NORM_GROUPS, inputs, eps=1e-4)
        self.conv3 = _StandardisedConv(inputs, outputs, 1, 1)
        self.gn3 = nn.GroupNorm(_NORM_GROUPS, outputs, eps=1e-4)
        self.conv_proj = _StandardisedConv(inputs, outputs, 1, 1)
        self.gn_proj = nn.GroupNorm(_NORM_GROUPS, outputs, eps=1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(self.gn1(self.conv1(x)))
        hidden = F.relu(self.gn2(self.conv2(hidden)))
        return F.relu(self.gn3(self.conv3(hidden)) + self.gn_proj(self.conv_proj(x)))


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.posembed_input = nn.ParameterDict({"position_emb": torch.zeros(1, _GRID * _GRID, _WIDTH)})
        self.scaleembed_input = nn.ParameterDict({"scale_emb": torch.zeros(1 + len(_LONGER_SIDES), _WIDTH)})
        self.encoder_norm = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.transformer = nn.ModuleDict({f"encoderblock_{layer}": _Block() for layer in range(_DEPTH)})

    def forward(self, tokens: torch.Tensor, places: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.posembed_input["position_emb"][0, places]
        tokens = tokens + self.scaleembed_input["scale_emb"][scales]
        tokens = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in self.transformer.values():
            tokens = block(tokens)
        summary: torch.Tensor = self.encoder_norm(tokens[:, 0])
        return summary


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        names = ("query", "key", "value", "out")
        self.attention = nn.ModuleDict({name: nn.Linear(_WIDTH, _WIDTH) for name in names})
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(_WIDTH, _HIDDEN), "fc2": nn.Linear(_HIDDEN, _WIDTH)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.norm1(tokens)
        query, key, value = (self.attention[name](x) for name in ("query", "key", "value"))
        tokens = tokens + self.attention["out"](attend(query, key, value, _HEADS))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(tokens)))
        out: torch.Tensor = tokens + self.mlp["fc2"](hidden)
        return out


def _scales(pictures: torch.Tensor) -> list[torch.Tensor]:
    height, width = pictures.shape[-2:]
    resized = []
    for side in _LONGER_SIDES:
        ratio = side / max(height, width)
        size = (round(height * ratio), round(width * ratio))
        resized.append(F.interpolate(pictures, size, mode="bicubic"))
    return [*resized, pictures]


def _patches(pictures: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) to (B, N, 3, 32, 32), row by row; the border is filled with zeros, half on each side."""
    columns = F.unfold(_same_padding(pictures, _PATCH, _PATCH), _PATCH, stride=_PATCH)
    return columns.transpose(1, 2).reshape(len(pictures), -1, 3, _PATCH, _PATCH)


def _same_padding(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    pads: list[int] = []
    for length in (x.shape[-1], x.shape[-2]):
        extra = max((math.ceil(length / stride) - 1) * stride + kernel - length, 0)
        pads += [extra // 2, extra - extra // 2]
    return F.pad(x, pads) if any(pads) else x


def _grid_places(height: int, width: int, device: torch.device) -> torch.Tensor:
    """(N,) place of each patch on the 10 x 10 grid of position embeddings."""
    grid = torch.arange(_GRID, dtype=torch.float32, device=device)[None, None]
    rows, columns = (
        F.interpolate(grid, math.ceil(length / _PATCH), mode="nearest")[0, 0].long()
        for length in (height, width)
    )
    return (rows[:, None] * _GRID + columns[None]).flatten()


def load_musiq(path: Path, device: str = "cpu") -> Musiq:
    """Load ``musiq_spaq_ckpt-358bb6af.pth``.

    Raises:
        WeightsError: the file is absent or holds another network.
    """
    with torch.device("meta"):
        network = Musiq()
    network.to_empty(device="cpu")
    load_exactly(network, read_state_dict(path), path)
    return network.to(device).eval()
