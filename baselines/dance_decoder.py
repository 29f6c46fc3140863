"""The Transformer of the EDGE family, which EDGE and Lodge share: noisy motion and music -> clean motion.

Music passes two encoder layers; every decoder layer is self-attention, attention to music and to a few tokens beside it
(two of the diffusion time, of some networks one of style), feed-forward, each followed by FiLM on the diffusion time
and the pooled music. Rotary positions turn queries and keys over the full width, before their projections.

What a step of sampling needs of the music does not change from step to step: :meth:`DanceDecoder.encode_music` gives
keys and values of every layer, which are computed once for a dance.

Modules bear the names of EDGE's checkpoints (Stanford-TML/EDGE), buffers that stand in every layer included.

Legend: B batch or windows, T frames of motion, N frames of music, F motion features, K music features, M width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.diffusion import Predict
from mace_dance.motion.layers import FiLM, SinusoidalEmbedding
from madata.errors import ConfigError

__all__ = [
    "GUIDANCE_WEIGHT",
    "DanceDecoder",
    "DecoderConfig",
    "MusicMemory",
    "guided",
    "predictor",
    "rising_weights",
]

GUIDANCE_WEIGHT = 2.0

_REMEMBERED_FRAMES = 32768
"""Frames of music whose keys and values are kept from step to step, 2 GB at full size; a longer song's are computed
anew at every step."""


class DecoderConfig(NetworkConfig):
    """Size of a network.

    Attributes:
        frames: N, the length of a window of music; the learnt empty condition has one vector for each.
        motion_frames: T, where it is not N.
        positions: ``"rotary"`` turns queries and keys by their time; ``"absolute"`` adds sines, 500 frames at most.
    """

    features: int = Field(ge=1)
    music_features: int = Field(default=35, ge=1)
    frames: int = Field(ge=1)
    motion_frames: int | None = Field(default=None, ge=1)
    latent: int = Field(default=512, ge=2)
    feed_forward: int = Field(default=1024, ge=1)
    layers: int = Field(default=8, ge=1)
    heads: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    positions: Literal["rotary", "absolute"] = "rotary"


@dataclass(frozen=True, eq=False)
class MusicMemory:
    """What the decoder knows of the music, at every step of sampling.

    Attributes:
        layers: keys and values of each layer, (B, heads, N, M / heads).
        hidden: (B, M) pooled, added to the time embedding.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    hidden: Tensor

    def expanded(self, batch: int) -> MusicMemory:
        """The same for ``batch`` samples, of a memory of one."""
        layers = tuple(
            (keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1)) for keys, values in self.layers
        )
        return MusicMemory(layers, self.hidden.expand(batch, -1))

    def followed_by(self, other: MusicMemory) -> MusicMemory:
        """This one's samples, then the other's."""
        layers = tuple(
            (torch.cat([keys, more_keys]), torch.cat([values, more_values]))
            for (keys, values), (more_keys, more_values) in zip(self.layers, other.layers, strict=True)
        )
        return MusicMemory(layers, torch.cat([self.hidden, other.hidden]))


class _Rotary(nn.Module):
    """Turns pairs of neighbouring features by an angle that grows with time, over the full width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 10000.0 ** -(torch.arange(0, width, 2) / width))
        self.freqs: Tensor

    def forward(self, x: Tensor, begin: int = 0) -> Tensor:
        """(B, T, M) from the time ``begin`` on -> (B, T, M)."""
        times = torch.arange(begin, begin + x.shape[1], device=x.device, dtype=self.freqs.dtype)
        angle = times[:, None] * self.freqs
        cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        even, odd = x[..., ::2], x[..., 1::2]
        turned = torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], dim=-1)
        return turned.flatten(-2)


class _AbsolutePositions(nn.Module):
    """Adds sines and cosines of the frame number."""

    def __init__(self, width: int, dropout: float, max_frames: int = 500) -> None:
        super().__init__()
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angle = torch.arange(max_frames)[:, None] * rate
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)[:, None])
        self.pe: Tensor
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, M)."""
        if x.shape[1] > len(self.pe):
            raise ConfigError(f"absolute positions reach {len(self.pe)} frames, got {x.shape[1]}")
        placed: Tensor = self.dropout(x + self.pe[: x.shape[1], 0])
        return placed


class _EncoderLayer(nn.Module):
    def __init__(self, config: DecoderConfig, rotary: _Rotary | None) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            config.latent, config.heads, dropout=config.dropout, batch_first=True
        )
        self.linear1 = nn.Linear(config.latent, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, config.latent)
        self.norm1 = nn.LayerNorm(config.latent)
        self.norm2 = nn.LayerNorm(config.latent)
        self.dropout = nn.Dropout(config.dropout)
        self.rotary = rotary

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attend_to_self(self.norm1(x)))
        out: Tensor = x + self.dropout(self.feed_forward(self.norm2(x)))
        return out

    def attend_to_self(self, x: Tensor) -> Tensor:
        turned = self.turn(x)
        attended: Tensor = self.self_attn(turned, turned, x, need_weights=False)[0]
        return attended

    def turn(self, x: Tensor, begin: int = 0) -> Tensor:
        """Queries and keys bear their time, values do not."""
        return x if self.rotary is None else self.rotary(x, begin)

    def feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear2(self.dropout(F.gelu(self.linear1(x))))
        return out


class _DecoderLayer(_EncoderLayer):
    def __init__(self, config: DecoderConfig, rotary: _Rotary | None) -> None:
        super().__init__(config, rotary)
        self.multihead_attn = nn.MultiheadAttention(
            config.latent, config.heads, dropout=config.dropout, batch_first=True
        )
        self.norm3 = nn.LayerNorm(config.latent)
        self.film1 = FiLM(config.latent)
        self.film2 = FiLM(config.latent)
        self.film3 = FiLM(config.latent)

    def decode(
        self, x: Tensor, keys_values: tuple[Tensor, Tensor], beside: Tensor, embedding: Tensor
    ) -> Tensor:
        """(B, T, M) -> (B, T, M).

        Args:
            x: motion.
            keys_values: of the music, from :meth:`recall`.
            beside: (B, n, M) tokens that follow the music.
            embedding: (B, M) for FiLM.
        """
        x = x + self.film1(self.dropout(self.attend_to_self(self.norm1(x))), embedding)
        attended = self.attend_to_music(self.norm2(x), keys_values, beside)
        x = x + self.film2(self.dropout(attended), embedding)
        out: Tensor = x + self.film3(self.dropout(self.feed_forward(self.norm3(x))), embedding)
        return out

    def recall(self, memory: Tensor, begin: int = 0) -> tuple[Tensor, Tensor]:
        """Keys and values (B, heads, n, M / heads) of tokens (B, n, M) from the time ``begin`` on."""
        return self._project(self.turn(memory, begin), 1), self._project(memory, 2)

    def attend_to_music(self, x: Tensor, keys_values: tuple[Tensor, Tensor], beside: Tensor) -> Tensor:
        keys, values = (
            torch.cat(pair, dim=2)
            for pair in zip(keys_values, self.recall(beside, keys_values[0].shape[2]), strict=True)
        )
        dropped = self.multihead_attn.dropout if self.training else 0.0
        queries = self._project(self.turn(x), 0)
        attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropped)
        out: Tensor = self.multihead_attn.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _project(self, x: Tensor, part: int) -> Tensor:
        """Queries (0), keys (1) or values (2) by head."""
        attention = self.multihead_attn
        weight, bias = (each.chunk(3)[part] for each in (attention.in_proj_weight, attention.in_proj_bias))
        return F.linear(x, weight, bias).reshape(*x.shape[:2], attention.num_heads, -1).transpose(1, 2)


class _Stack(nn.Module):
    def __init__(self, config: DecoderConfig, rotary: _Rotary | None) -> None:
        super().__init__()
        self.stack = nn.ModuleList(_DecoderLayer(config, rotary) for _ in range(config.layers))

    def recall(self, memory: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        return tuple(layer.recall(memory) for layer in self.stack)  # type: ignore[operator]

    def forward(self, x: Tensor, memory: MusicMemory, beside: Tensor, embedding: Tensor) -> Tensor:
        for layer, keys_values in zip(self.stack, memory.layers, strict=True):
            x = layer.decode(x, keys_values, beside, embedding)  # type: ignore[operator]
        return x


class DanceDecoder(nn.Module):
    """``x0 = f(z_t, t, music)``; see the module."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.latent
        absolute = config.positions == "absolute"
        self.rotary = None if absolute else _Rotary(width)
        self.abs_pos_encoding = _AbsolutePositions(width, config.dropout) if absolute else nn.Identity()
        self.time_mlp = nn.Sequential(SinusoidalEmbedding(width), nn.Linear(width, 4 * width), nn.Mish())
        self.to_time_cond = nn.Sequential(nn.Linear(4 * width, width))
        self.to_time_tokens = nn.Sequential(nn.Linear(4 * width, 2 * width), nn.Unflatten(-1, (2, width)))
        self.null_cond_embed = nn.Parameter(torch.randn(1, config.frames, width))
        self.null_cond_hidden = nn.Parameter(torch.randn(1, width))
        self.norm_cond = nn.LayerNorm(width)
        self.input_projection = nn.Linear(config.features, width)
        self.cond_encoder = nn.Sequential(*(_EncoderLayer(config, self.rotary) for _ in range(2)))
        self.cond_projection = nn.Linear(config.music_features, width)
        self.non_attn_cond_projection = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.seqTransDecoder = _Stack(config, self.rotary)
        self.final_layer = nn.Linear(width, config.features)

    def forward(
        self,
        x: Tensor,
        music: Tensor,
        times: Tensor,
        keep: Tensor | None = None,
        style: Tensor | None = None,
    ) -> Tensor:
        """One pass.

        Args:
            x: (B, T, F) noisy motion, normalised.
            music: (B, N, K) features.
            times: (B,) diffusion times.
            keep: (B,) bool, False for a sample whose music is left out (default: none is).
            style: (B, M), of networks that have one.
        """
        return self.denoise(x, self.encode_music(music, keep), times, style)

    def encode_music(self, music: Tensor, keep: Tensor | None = None) -> MusicMemory:
        """(B, N, K) features of windows of the network's length; ``keep`` as in :meth:`forward`.

        Raises:
            ConfigError: the windows have another length or width.
        """
        expected = (self.config.frames, self.config.music_features)
        if music.ndim != 3 or tuple(music.shape[1:]) != expected:
            raise ConfigError(
                f"music windows are (B, {expected[0]}, {expected[1]}), got {tuple(music.shape)}"
            )
        tokens = self.cond_encoder(self.abs_pos_encoding(self.cond_projection(music)))
        hidden = self.non_attn_cond_projection(tokens.mean(dim=1))
        if keep is not None:
            tokens = torch.where(keep[:, None, None], tokens, self.null_cond_embed)
            hidden = torch.where(keep[:, None], hidden, self.null_cond_hidden)
        return self._recalled(tokens, hidden)

    def without_music(self, batch: int) -> MusicMemory:
        """The learnt empty condition."""
        return self._recalled(self.null_cond_embed, self.null_cond_hidden).expanded(batch)

    def _recalled(self, tokens: Tensor, hidden: Tensor) -> MusicMemory:
        return MusicMemory(self.seqTransDecoder.recall(self.norm_cond(tokens)), hidden)

    def denoise(self, x: Tensor, memory: MusicMemory, times: Tensor, style: Tensor | None = None) -> Tensor:
        """(B, T, F) noisy motion -> (B, T, F) clean motion; the arguments are those of :meth:`forward`.

        Raises:
            ConfigError: the motion has another length or width.
        """
        frames = self.config.motion_frames or self.config.frames
        if x.ndim != 3 or tuple(x.shape[1:]) != (frames, self.config.features):
            raise ConfigError(
                f"motion windows are (B, {frames}, {self.config.features}), got {tuple(x.shape)}"
            )
        hidden = self.time_mlp(times)
        embedding = self.to_time_cond(hidden) + memory.hidden
        beside = self.to_time_tokens(hidden)
        if style is not None:
            beside = torch.cat([beside, style[:, None]], dim=1)
        placed = self.abs_pos_encoding(self.input_projection(x))
        decoded = self.seqTransDecoder(placed, memory, self.norm_cond(beside), embedding)
        out: Tensor = self.final_layer(decoded)
        return out


def guided(
    network: DanceDecoder,
    noisy: Tensor,
    memory: MusicMemory,
    times: Tensor,
    weight: float = GUIDANCE_WEIGHT,
    styles: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Classifier-free guidance: ``x_0 + weight (x_music - x_0)``, both as one batch.

    Args:
        network: with ``no_grad`` where nothing is trained.
        noisy: (B, T, F).
        memory: of the music; or, computed ahead, that of no music and of the music behind each other, 2 B samples
            (``network.without_music(B).followed_by(memory)``).
        times: (B,).
        weight: 0 for no music, 1 for no guidance.
        styles: (B, M) without music and with it, of networks that have one.
    """
    if len(memory.hidden) == len(noisy):
        memory = network.without_music(len(noisy)).followed_by(memory)
    style = None if styles is None else torch.cat(styles)
    both = network.denoise(noisy.repeat(2, 1, 1), memory, times.repeat(2), style)
    without, given = both.chunk(2)
    return without + (given - without) * weight


def predictor(
    network: DanceDecoder,
    music: Tensor,
    weight: Callable[[int], float] = lambda time: GUIDANCE_WEIGHT,
    styles: Callable[[], tuple[Tensor, Tensor] | None] = lambda: None,
    windows_at_once: int = 32,
) -> Predict:
    """The guided network as :func:`mace_dance.motion.diffusion.ddim` wants it, its music read once.

    Args:
        network: in ``eval`` mode.
        music: (B, N, K).
        weight: guidance weight at a diffusion time.
        styles: asked at every step, as in :func:`guided`.
        windows_at_once: that go through the network together; a long song has more.
    """
    parts = [slice(first, first + windows_at_once) for first in range(0, len(music), windows_at_once)]

    def read(part: slice) -> MusicMemory:
        with torch.no_grad():
            memory = network.encode_music(music[part])
            return network.without_music(len(memory.hidden)).followed_by(memory)

    remembered = [read(part) for part in parts] if music.shape[:2].numel() <= _REMEMBERED_FRAMES else []

    def predict(noisy: Tensor, now: Tensor) -> Tensor:
        clean = []
        drawn = styles()
        for index, part in enumerate(parts):
            memory = remembered[index] if remembered else read(part)
            mine = None if drawn is None else (drawn[0][part], drawn[1][part])
            clean.append(guided(network, noisy[part], memory, now[part], weight(int(now[0])), mine))
        return torch.cat(clean)

    return predict


def rising_weights(steps: int) -> list[float]:
    """Guidance weight of every step in sampling a long dance: 0 to 2 over the first half, then 2."""
    weights: list[float] = np.linspace(0, 2 * GUIDANCE_WEIGHT, steps).clip(max=GUIDANCE_WEIGHT).tolist()
    return weights
