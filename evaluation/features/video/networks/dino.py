"""DINO ViT-B/16, the encoder of subject consistency (Caron et al. 2021).

:class:`DinoViT` loads the official ``dino_vitbase16_pretrain.pth`` as it is. Pictures of any shape are taken:
the 14 x 14 position embedding is stretched bicubically with upstream's scale factors of (n + 0.1) / 14.
Stretching it to the exact size, as other implementations do, moves scores of non-square video by up to 4e-4.

Legend: B pictures, N tokens, D width.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from evaluation.features.video.networks.checkpoints import load_exactly, read_state_dict
from evaluation.features.video.networks.vit import attend

__all__ = ["DinoViT", "load_dino"]

_PATCH = 16
_WIDTH = 768
_DEPTH = 12
_HEADS = 12
_GRID = 14


class DinoViT(nn.Module):
    """(B, 3, H, W) normalised pictures to the class token after the last norm, (B, 768)."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, _WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _GRID * _GRID, _WIDTH))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, _WIDTH, _PATCH, _PATCH)})
        self.blocks = nn.ModuleList(_Block() for _ in range(_DEPTH))
        self.norm = nn.LayerNorm(_WIDTH, eps=1e-6)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """See the class."""
        patches = self.patch_embed["proj"](pictures)
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        square = pictures.shape[-1] == pictures.shape[-2]
        tokens = tokens + self._positions(rows, columns, square)
        for block in self.blocks:
            tokens = block(tokens)
        features: torch.Tensor = self.norm(tokens[:, 0])
        return features

    def _positions(self, rows: int, columns: int, square: bool) -> torch.Tensor:
        if square and rows * columns == _GRID * _GRID:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, _GRID, _GRID, _WIDTH).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / _GRID, (columns + 0.1) / _GRID)
        grid = F.interpolate(grid, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(_WIDTH, 3 * _WIDTH), "proj": nn.Linear(_WIDTH, _WIDTH)})
        self.norm2 = nn.LayerNorm(_WIDTH, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(_WIDTH, 4 * _WIDTH), "fc2": nn.Linear(4 * _WIDTH, _WIDTH)})

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = self.attn["qkv"](self.norm1(tokens)).chunk(3, dim=-1)
        tokens = tokens + self.attn["proj"](attend(query, key, value, _HEADS))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(tokens)))
        out: torch.Tensor = tokens + self.mlp["fc2"](hidden)
        return out


def load_dino(path: Path, device: str = "cpu") -> DinoViT:
    """Load ``dino_vitbase16_pretrain.pth``.

    Raises:
        WeightsError: the file is absent or holds another network.
    """
    with torch.device("meta"):
        network = DinoViT()
    network.to_empty(device="cpu")
    load_exactly(network, read_state_dict(path), path)
    return network.to(device).eval()
