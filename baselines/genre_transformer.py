"""Genres as MNET (Kim et al. 2022) knows them, and Lodge after it: a style from noise, and a critic for each genre.

A mapping has layers that all genres share and layers of each. It turns noise into the style of a genre, and, one number
wide, what a Transformer has read of music and dance into how real a dance of that genre it is. Attention has a learnt
number for every pair of places, which limits how many there are.

Modules bear upstream's names.

Legend: B batch, T tokens, M width, F motion features, K music features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "NOISE_WIDTH",
    "FeedForward",
    "GenreDiscriminator",
    "GenreMapping",
    "PlacedAttention",
    "hinge_loss",
]

NOISE_WIDTH = 256
"""Numbers of noise behind a style."""


class GenreMapping(nn.Module):
    """(B, inputs) -> (B, M), by the layers of each sample's genre."""

    def __init__(self, inputs: int, width: int, genres: int) -> None:
        super().__init__()
        self.width = width
        self.shared = nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.unshared = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)) for _ in range(genres)
        )

    def forward(self, x: Tensor, genre: Tensor) -> Tensor:
        """(B, inputs) and labels (B,) -> (B, M)."""
        shared = self.shared(x)
        out = torch.zeros_like(shared)
        for label in sorted(set(genre.tolist())):
            mine = genre == label
            out = out.masked_scatter(mine[:, None], self.unshared[label](shared[mine]))
        return out


class PlacedAttention(nn.Module):
    """Self-attention with a learnt number for every pair of places.

    Args:
        places: most tokens there may be.
    """

    def __init__(self, width: int, heads: int, places: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.pe = nn.Parameter(torch.randn(places, places))
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(B, T, M) -> the ``first`` tokens of it, by default all."""
        query, key, value = (
            layer(part).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, part in ((self.to_q, x[:, :first]), (self.to_k, x), (self.to_v, x))
        )
        bias = self.pe[: query.shape[2], : key.shape[2]]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """(B, T, M) -> (B, T, M), each token by itself."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, M)."""
        out: Tensor = self.net(x)
        return out


class _EncoderLayer(nn.ModuleList):
    def __init__(self, width: int, heads: int, hidden: int, places: int, dropout: float) -> None:
        super().__init__(
            [
                nn.LayerNorm(width),
                PlacedAttention(width, heads, places, dropout),
                nn.LayerNorm(width),
                FeedForward(width, hidden, dropout),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self[1](self[0](x))
        out: Tensor = x + self[3](self[2](x))
        return out


class _Encoder(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, hidden: int, places: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _EncoderLayer(width, heads, hidden, places, dropout) for _ in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class GenreDiscriminator(nn.Module):
    """How real a dance is as one of a genre, to this music.

    Args:
        features, music_features: F and K.
        width: M.
        layers, heads, feed_forward: of the Transformer.
        places: most frames of motion and music together.
        genres: labels.
        names: what the checkpoint calls the projections of motion and of music.
    """

    def __init__(
        self,
        features: int,
        music_features: int,
        width: int,
        layers: int,
        heads: int,
        feed_forward: int,
        places: int,
        genres: int,
        names: tuple[str, str],
    ) -> None:
        super().__init__()
        self._names = names
        self.add_module(names[0], nn.Linear(features, width))
        self.add_module(names[1], nn.Linear(music_features, width))
        self.mapping = GenreMapping(width, 1, genres)
        self.tr_block = _Encoder(width, layers, heads, feed_forward, places, dropout=0.1)

    def forward(self, motion: Tensor, music: Tensor, *genres: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, 1) of (B, T, F) motion to (B, T', K) music, for each of the labels (B,)."""
        read_motion, read_music = (self.get_submodule(name) for name in self._names)
        tokens = torch.cat([read_motion(motion), read_music(music)], dim=1)
        summary = self.tr_block(tokens).mean(dim=1)
        return tuple(self.mapping(summary, genre) for genre in genres)


def hinge_loss(logits: Tensor, *, real: bool, critic: bool) -> Tensor:
    """Adversarial hinge loss, a scalar.

    Args:
        logits: of the discriminator.
        real: what they are of, for the critic; of no meaning for the generator.
        critic: the loss of the discriminator, or that of the generator.
    """
    if not critic:
        return -logits.mean()
    return F.relu(1 - logits if real else 1 + logits).mean()
