"""The network of the Motion Expert (section 3.2.2): noisy motion, music, time and beta -> clean motion.

Music goes through ``music_layers`` of BiMamba, each modulated by the genre; it does not depend on the noise, so a
sampler encodes it once (:meth:`MotionExpert.encode_music`), takes the keys and values every block attends to from it
once (:meth:`MotionExpert.recall`), and denoises fifty times (:meth:`MotionExpert.denoise`).
A generator block is::

    x = x + FiLM(BiMamba(x), e)                            within the dance
    x = x + FiLM(FFN(LN(Attention(LN x, LN music))), e)    from the music

with ``e`` the sum of the embeddings of t and beta. There is no residual inside the second line and no positional
code: order enters through Mamba, so any length works (``attention_time="relative"`` adds rotary time to the attention,
which the published network does not have). Modules bear the names of the official checkpoint.

Legend: B batch, T frames, F motion features, K music features, M width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mace_dance.motion.config import MotionExpertConfig
from mace_dance.motion.layers import FiLM, SinusoidalEmbedding, turned_by_time
from mace_dance.motion.mamba import BiMamba
from madata.errors import ConfigError

__all__ = ["MotionExpert", "Recall"]


@dataclass(frozen=True, eq=False)
class Recall:
    """What the blocks attend to, computed ahead.

    Attributes:
        layers: keys and values of each block, (B, heads, T, M / heads).
    """

    layers: tuple[tuple[Tensor, Tensor], ...]


class _SelfAttention(nn.Module):
    """Stands in the place of BiMamba in the ablation "BiMamba to Transformer"."""

    def __init__(self, config: MotionExpertConfig) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            config.latent, config.heads, dropout=config.dropout, batch_first=True
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.latent)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        mixed: Tensor = self.dropout(self.self_attn(normed, normed, normed, need_weights=False)[0])
        return mixed


def _mixer(config: MotionExpertConfig) -> nn.Module:
    if config.mixer == "attention":
        return _SelfAttention(config)
    return BiMamba(
        config.latent,
        config.d_state,
        config.d_conv,
        config.expand,
        config.dropout,
        bidirectional=config.mixer == "bimamba",
    )


class _MusicLayer(nn.Module):
    def __init__(self, config: MotionExpertConfig) -> None:
        super().__init__()
        self.bimamba = _mixer(config)
        if config.choices.genre == "on":
            self.film = FiLM(config.latent)
            self.genre_MLP = nn.Sequential(
                nn.Embedding(config.genres, config.latent),
                nn.Linear(config.latent, config.feed_forward),
                nn.Mish(),
                nn.Linear(config.feed_forward, config.latent),
            )

    def forward(self, x: Tensor, genre: Tensor | None) -> Tensor:
        mixed: Tensor = self.bimamba(x)
        return x + (mixed if genre is None else self.film(mixed, self.genre_MLP(genre)))


class _CrossModal(nn.Module):
    def __init__(self, config: MotionExpertConfig) -> None:
        super().__init__()
        width = config.latent
        self.cross_attn = nn.MultiheadAttention(width, config.heads, dropout=config.dropout, batch_first=True)
        self.knows_time = config.attention_time == "relative"
        self.dropout_cross = nn.Dropout(config.dropout)
        self.norm_dance = nn.LayerNorm(width)
        self.norm_music = nn.LayerNorm(width)
        self.norm = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, width)
        self.dropout1 = nn.Dropout(config.dropout)
        self.dropout2 = nn.Dropout(config.dropout)

    def recall(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the music."""
        width = memory.shape[-1]
        weight, bias = self.cross_attn.in_proj_weight[width:], self.cross_attn.in_proj_bias[width:]
        keys, values = F.linear(self.norm_music(memory), weight, bias).chunk(2, dim=-1)
        return self._placed(self._by_head(keys)), self._by_head(values)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        x = self.dropout_cross(self._attend(self.norm_dance(x), keys, values))
        x = self.dropout1(F.gelu(self.linear1(self.norm(x))))
        out: Tensor = self.dropout2(self.linear2(x))
        return out

    def _attend(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        attention, width = self.cross_attn, x.shape[-1]
        queries = self._by_head(F.linear(x, attention.in_proj_weight[:width], attention.in_proj_bias[:width]))
        dropped = attention.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(self._placed(queries), keys, values, dropout_p=dropped)
        out: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _placed(self, x: Tensor) -> Tensor:
        return turned_by_time(x) if self.knows_time else x

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, T, M) -> (B, heads, T, M / heads)."""
        return x.reshape(*x.shape[:2], self.cross_attn.num_heads, -1).transpose(1, 2)


class _DanceLayer(nn.Module):
    def __init__(self, config: MotionExpertConfig) -> None:
        super().__init__()
        self.bimamba = _mixer(config)
        self.transformer = _CrossModal(config)
        self.film1 = FiLM(config.latent)
        self.film2 = FiLM(config.latent)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, embedding: Tensor) -> Tensor:
        x = x + self.film1(self.bimamba(x), embedding)
        out: Tensor = x + self.film2(self.transformer(x, keys, values), embedding)
        return out


def _embedding(width: int) -> nn.Sequential:
    return nn.Sequential(
        SinusoidalEmbedding(width), nn.Linear(width, 4 * width), nn.Mish(), nn.Linear(4 * width, width)
    )


class MotionExpert(nn.Module):
    """``x0 = f(z_t, t, music, beta)``; see the module."""

    def __init__(self, config: MotionExpertConfig) -> None:
        super().__init__()
        self.config = config
        width = config.latent
        self.time_mlp = _embedding(width)
        if config.guidance == "gft":
            self.beta_mlp = _embedding(width)
        self.input_projection = nn.Linear(config.features, width)
        self.cond_projection = nn.Linear(config.music_features, width)
        self.final_layer = nn.Linear(width, config.features)
        self.dancelayerstack = nn.ModuleList(_DanceLayer(config) for _ in range(config.dance_layers))
        self.musiclayerstack = nn.ModuleList(_MusicLayer(config) for _ in range(config.music_layers))
        self.null_cond_embed = nn.Parameter(torch.zeros(1, 1, width))

    def forward(
        self,
        x: Tensor,
        music: Tensor,
        genre: Tensor | None,
        times: Tensor,
        beta: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Tensor:
        """One pass; the arguments are those of :meth:`encode_music` and :meth:`denoise`."""
        return self.denoise(x, self.encode_music(music, genre, keep), times, beta)

    def encode_music(self, music: Tensor, genre: Tensor | None, keep: Tensor | None = None) -> Tensor:
        """What the generator attends to.

        Args:
            music: (B, T, K) features.
            genre: (B,) labels; ``None`` exactly when the configuration has genre off.
            keep: (B,) bool, False for a sample whose condition is left out (default: none is).

        Returns:
            (B, T, M).

        Raises:
            ConfigError: the music has another width, or a genre is given or lacking where it should not.
        """
        if music.ndim != 3 or music.shape[-1] != self.config.music_features:
            raise ConfigError(f"music must be (B, T, {self.config.music_features}), got {tuple(music.shape)}")
        if (genre is not None) != (self.config.choices.genre == "on"):
            state = "needs" if genre is None else "takes no"
            raise ConfigError(f"with choices.genre = {self.config.choices.genre!r} the network {state} genre")
        memory: Tensor = self.cond_projection(music)
        for layer in self.musiclayerstack:
            memory = layer(memory, genre)
        if keep is None:
            return memory + self.null_cond_embed if self.config.choices.null == "add" else memory
        empty = self.null_cond_embed.expand_as(memory)
        kept = memory + empty if self.config.choices.null == "add" else memory
        return torch.where(keep[:, None, None], kept, empty)

    def without_music(self, batch: int, frames: int) -> Tensor:
        """(B, T, M): :meth:`encode_music` with no condition kept, at no cost."""
        return self.null_cond_embed.expand(batch, frames, -1)

    def recall(self, memory: Tensor) -> Recall:
        """(B, T, M) from :meth:`encode_music` -> what :meth:`denoise` needs of it at every step."""
        return Recall(tuple(layer.transformer.recall(memory) for layer in self.dancelayerstack))  # type: ignore[operator, union-attr]

    def denoise(
        self, x: Tensor, memory: Tensor | Recall, times: Tensor, beta: Tensor | None = None
    ) -> Tensor:
        """Clean motion from noisy motion.

        Args:
            x: (B, T, F) noisy motion, normalised.
            memory: (B, T, M) from :meth:`encode_music`, or its :meth:`recall`.
            times: (B,) diffusion times.
            beta: (B,) in 0..1; ``None`` exactly when guidance is ``"cfg"``.

        Returns:
            (B, T, F).

        Raises:
            ConfigError: the motion has another width, or beta is given or lacking where it should not.
        """
        if x.ndim != 3 or x.shape[-1] != self.config.features:
            raise ConfigError(f"motion must be (B, T, {self.config.features}), got {tuple(x.shape)}")
        if (beta is not None) != (self.config.guidance == "gft"):
            state = "needs" if beta is None else "takes no"
            raise ConfigError(f"with guidance = {self.config.guidance!r} the network {state} beta")
        embedding: Tensor = self.time_mlp(times)
        if beta is not None:
            embedding = embedding + self.beta_mlp(beta * 1000)
        recalled = memory if isinstance(memory, Recall) else self.recall(memory)
        x = self.input_projection(x)
        for layer, (keys, values) in zip(self.dancelayerstack, recalled.layers, strict=True):
            x = layer(x, keys, values, embedding)
        out: Tensor = self.final_layer(x)
        return out
