"""EDGE (Tseng et al. 2023, arXiv:2211.10658): music -> 5 s windows of dance by diffusion, stitched to any length.

A Transformer predicts the clean motion of a window. Music passes two encoder layers; every decoder layer is
self-attention, attention to music and two time tokens, feed-forward, each followed by FiLM on the diffusion time
and the pooled music. Sampling is DDIM with classifier-free guidance at weight 2, two passes a step. For long
music, windows of 5 s begin every 2.5 s and are sampled as one batch: after each step the first half of a window
is replaced by the second half of the one before, and at the end the halves are blended.

Modules bear the names of the official ``checkpoint.pt`` (Stanford-TML/EDGE), which loads strictly. Motion vectors
are ``edge-151``, normalised; music is 35 features a frame, or 4800 of Jukebox.

Legend: B batch or windows, T frames, F motion features, K music features, M width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mace_dance.motion.checkpoint import load_strictly, read_checkpoint
from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.diffusion import NoiseSource, Schedule, ddim, ddim_times
from mace_dance.motion.layers import FiLM, SinusoidalEmbedding
from mace_dance.motion.pretrained import Kind, ModelInfo, Pretrained, read_model
from madata.errors import ConfigError
from madata.motion import decode
from madata.rotations import axis_angle_to_quaternion, quaternion_to_axis_angle, slerp
from madata.types import FloatArray, Motion3D

__all__ = [
    "EDGE",
    "EDGE_JUKEBOX",
    "EDGE_KIND",
    "Edge",
    "EdgeCondition",
    "EdgeConfig",
    "ancestral_step",
    "guided",
    "load_edge",
    "rising_weights",
    "sample_edge",
    "sample_edge_long",
    "stitch",
]

GUIDANCE_WEIGHT = 2.0
_UNGUIDED_BELOW = 0.1


class EdgeConfig(NetworkConfig):
    """Size of an EDGE network.

    Attributes:
        frames: length of a window; the learnt empty condition has one vector for each.
        positions: ``"rotary"`` turns queries and keys by their time; ``"absolute"`` adds sines, 500 frames at most.
    """

    features: int = 151
    music_features: int = 35
    frames: int = 150
    latent: int = 512
    feed_forward: int = 1024
    layers: int = 8
    heads: int = 8
    dropout: float = 0.1
    positions: Literal["rotary", "absolute"] = "rotary"


EDGE = EdgeConfig()
"""The published size on 35 music features, 47,024,791 parameters."""

EDGE_JUKEBOX = EdgeConfig(music_features=4800)
"""The published size on Jukebox features, 49,464,471 parameters."""


@dataclass(frozen=True, eq=False)
class EdgeCondition:
    """What the decoder knows of the music.

    Attributes:
        tokens: (B, T, M) to attend to.
        hidden: (B, M) pooled, added to the time embedding.
    """

    tokens: Tensor
    hidden: Tensor


class _Rotary(nn.Module):
    """Turns pairs of neighbouring features by an angle that grows with time, over the full width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 10000.0 ** -(torch.arange(0, width, 2) / width))
        self.freqs: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, M)."""
        angle = torch.arange(x.shape[1], device=x.device, dtype=self.freqs.dtype)[:, None] * self.freqs
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
    def __init__(self, config: EdgeConfig, rotary: _Rotary | None) -> None:
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

    def turn(self, x: Tensor) -> Tensor:
        """Queries and keys bear their time, values do not."""
        return x if self.rotary is None else self.rotary(x)

    def feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear2(self.dropout(F.gelu(self.linear1(x))))
        return out


class _DecoderLayer(_EncoderLayer):
    def __init__(self, config: EdgeConfig, rotary: _Rotary | None) -> None:
        super().__init__(config, rotary)
        self.multihead_attn = nn.MultiheadAttention(
            config.latent, config.heads, dropout=config.dropout, batch_first=True
        )
        self.norm3 = nn.LayerNorm(config.latent)
        self.film1 = FiLM(config.latent)
        self.film2 = FiLM(config.latent)
        self.film3 = FiLM(config.latent)

    def decode(self, x: Tensor, memory: Tensor, embedding: Tensor) -> Tensor:
        x = x + self.film1(self.dropout(self.attend_to_self(self.norm1(x))), embedding)
        x = x + self.film2(self.dropout(self.attend_to_music(self.norm2(x), memory)), embedding)
        out: Tensor = x + self.film3(self.dropout(self.feed_forward(self.norm3(x))), embedding)
        return out

    def attend_to_music(self, x: Tensor, memory: Tensor) -> Tensor:
        attended: Tensor = self.multihead_attn(self.turn(x), self.turn(memory), memory, need_weights=False)[0]
        return attended


class _Stack(nn.Module):
    def __init__(self, config: EdgeConfig, rotary: _Rotary | None) -> None:
        super().__init__()
        self.stack = nn.ModuleList(_DecoderLayer(config, rotary) for _ in range(config.layers))

    def forward(self, x: Tensor, memory: Tensor, embedding: Tensor) -> Tensor:
        for layer in self.stack:
            x = layer.decode(x, memory, embedding)  # type: ignore[operator]
        return x


class Edge(nn.Module):
    """``x0 = f(z_t, t, music)``; see the module."""

    def __init__(self, config: EdgeConfig) -> None:
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

    def forward(self, x: Tensor, music: Tensor, times: Tensor, keep: Tensor | None = None) -> Tensor:
        """One pass.

        Args:
            x: (B, T, F) noisy motion, normalised.
            music: (B, T, K) features.
            times: (B,) diffusion times.
            keep: (B,) bool, False for a sample whose music is left out (default: none is).
        """
        condition = self.encode_music(music)
        if keep is not None:
            empty = self.without_music(len(x))
            condition = EdgeCondition(
                torch.where(keep[:, None, None], condition.tokens, empty.tokens),
                torch.where(keep[:, None], condition.hidden, empty.hidden),
            )
        return self.denoise(x, condition, times)

    def encode_music(self, music: Tensor) -> EdgeCondition:
        """(B, T, K) features of windows of the network's length.

        Raises:
            ConfigError: the windows have another length or width.
        """
        expected = (self.config.frames, self.config.music_features)
        if music.ndim != 3 or tuple(music.shape[1:]) != expected:
            raise ConfigError(
                f"EDGE's music windows are (B, {expected[0]}, {expected[1]}), got {tuple(music.shape)}"
            )
        tokens = self.cond_encoder(self.abs_pos_encoding(self.cond_projection(music)))
        return EdgeCondition(tokens, self.non_attn_cond_projection(tokens.mean(dim=1)))

    def without_music(self, batch: int) -> EdgeCondition:
        """The learnt empty condition."""
        return EdgeCondition(
            self.null_cond_embed.expand(batch, -1, -1), self.null_cond_hidden.expand(batch, -1)
        )

    def denoise(self, x: Tensor, condition: EdgeCondition, times: Tensor) -> Tensor:
        """(B, T, F) noisy motion -> (B, T, F) clean motion."""
        if x.ndim != 3 or tuple(x.shape[1:]) != (self.config.frames, self.config.features):
            raise ConfigError(
                f"EDGE's motion windows are (B, {self.config.frames}, {self.config.features}), "
                f"got {tuple(x.shape)}"
            )
        hidden = self.time_mlp(times)
        embedding = self.to_time_cond(hidden) + condition.hidden
        memory = self.norm_cond(torch.cat([condition.tokens, self.to_time_tokens(hidden)], dim=1))
        placed = self.abs_pos_encoding(self.input_projection(x))
        out: Tensor = self.final_layer(self.seqTransDecoder(placed, memory, embedding))
        return out


def guided(
    network: Edge,
    noisy: Tensor,
    condition: EdgeCondition,
    times: Tensor,
    weight: float = GUIDANCE_WEIGHT,
) -> Tensor:
    """Classifier-free guidance: ``x_0 + weight (x_music - x_0)``, two passes."""
    without = network.denoise(noisy, network.without_music(len(noisy)), times)
    return without + (network.denoise(noisy, condition, times) - without) * weight


def ancestral_step(
    network: Edge, noisy: Tensor, condition: EdgeCondition, time: int, schedule: Schedule
) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the next state in ancestral sampling, which EDGE edits motions with.

    In the last tenth of the times the guidance weight is at most 1.
    """
    late = time < _UNGUIDED_BELOW * schedule.num_times
    times = torch.full((len(noisy),), time, device=noisy.device, dtype=torch.long)
    with torch.no_grad():
        clean = guided(
            network, noisy, condition, times, min(GUIDANCE_WEIGHT, 1.0) if late else GUIDANCE_WEIGHT
        )
        return schedule.posterior(clean.clamp(-1, 1), noisy, times)


def sample_edge(network: Edge, music: Tensor, draw: NoiseSource, schedule: Schedule) -> Tensor:
    """(B, T, F) normalised dance of one window each: DDIM, 50 steps, eta 1, weight 2.

    Args:
        network: in ``eval`` mode.
        music: (B, T, K).
        draw: source of (B, T, F) noise.
        schedule: as in training.
    """
    with torch.no_grad():
        condition = network.encode_music(music)
    return ddim(lambda noisy, now: guided(network, noisy, condition, now), draw, schedule)


def sample_edge_long(
    network: Edge, music: Tensor, draw: NoiseSource, schedule: Schedule, windows_at_once: int = 64
) -> Tensor:
    """(B, T, F) normalised windows of one dance, each overlapping the next by half; see :func:`stitch`.

    The guidance weight rises, see :func:`rising_weights`.

    Args:
        network: in ``eval`` mode, with windows of an even length.
        music: (B, T, K) features of windows that begin every T / 2 frames.
        draw: source of (B, T, F) noise.
        schedule: as in training.
        windows_at_once: that go through the network together; a long song has more.
    """
    if len(music) == 1:
        return sample_edge(network, music, draw, schedule)
    half = _half(network.config.frames)
    times = ddim_times(num_times=schedule.num_times)
    weights = dict(zip(times, rising_weights(len(times)), strict=True))
    parts = list(_parts(len(music), windows_at_once))
    with torch.no_grad():
        conditions = [network.encode_music(music[part]) for part in parts]

    def predict(noisy: Tensor, now: Tensor) -> Tensor:
        weight = weights[int(now[0])]
        return torch.cat(
            [
                guided(network, noisy[part], condition, now[part], weight)
                for part, condition in zip(parts, conditions, strict=True)
            ]
        )

    def agree(noisy: Tensor) -> Tensor:
        noisy[1:, :half] = noisy[:-1, half:]
        return noisy

    return ddim(predict, draw, schedule, times, after_step=agree)


def rising_weights(steps: int) -> list[float]:
    """Guidance weight of every step in sampling a long dance: 0 to 2 over the first half, then 2."""
    weights: list[float] = np.linspace(0, 2 * GUIDANCE_WEIGHT, steps).clip(max=GUIDANCE_WEIGHT).tolist()
    return weights


def _parts(count: int, size: int) -> Iterator[slice]:
    for first in range(0, count, size):
        yield slice(first, first + size)


def stitch(windows: FloatArray) -> Motion3D:
    """One motion from windows that overlap by half: roots fade linearly, joints on the arc between both.

    Args:
        windows: (B, T, 151) unnormalised ``edge-151`` vectors, T even.

    Returns:
        T (B + 1) / 2 frames, z up, 30 fps.

    Raises:
        ConfigError: T is odd.
        MediaError: a window holds no proper motion.
    """
    half = _half(windows.shape[1])
    parts = [decode(window, "edge-151", source=f"window {index}") for index, window in enumerate(windows)]
    if len(parts) == 1:
        return parts[0]
    rotation = np.stack([part.rotation for part in parts])
    root = np.stack([part.translation for part in parts])
    rise = np.linspace(0, 1, half, dtype=np.float32)
    left, right = (axis_angle_to_quaternion(side) for side in (rotation[:-1, half:], rotation[1:, :half]))
    weight = np.broadcast_to(rise[:, None], left.shape[:-1])
    between = slerp(left, right, weight, linear_above=0.99)
    # Close rotations are joined by the chord, as upstream does. What it then reads from quaternions shorter
    # than 1 are angles shorter by the same factor, 0.25 % at most.
    joints = quaternion_to_axis_angle(between) * np.linalg.norm(between, axis=-1, keepdims=True)
    moved = (1 - rise[:, None]) * root[:-1, half:] + rise[:, None] * root[1:, :half]
    return Motion3D(
        np.concatenate([rotation[0, :half], *joints, rotation[-1, half:]]).astype(np.float32),
        np.concatenate([root[0, :half], *moved, root[-1, half:]]).astype(np.float32),
        parts[0].fps,
        parts[0].up,
        parts[0].skeleton,
    )


def _half(frames: int) -> int:
    if frames % 2:
        raise ConfigError(f"windows that overlap by half have an even length, got {frames} frames")
    return frames // 2


EDGE_KIND: Kind[Edge, EdgeConfig] = Kind("edge", EdgeConfig, Edge)
"""EDGE as a model folder."""


def load_edge(path: Path, config: EdgeConfig | None = None) -> Pretrained[Edge, EdgeConfig]:
    """EDGE from an official ``checkpoint.pt``, whose averaged weights it takes, or from a model folder.

    Args:
        path: the file or the folder.
        config: of the network in a file; by default the published size for the music features it was trained on.

    Raises:
        WeightsError: it is neither, or the model of another network.
    """
    if path.is_dir():
        return read_model(path, EDGE_KIND)
    checkpoint = read_checkpoint(path, "ema")
    if config is None:
        projection = checkpoint.state.get("cond_projection.weight")
        on_features = projection is not None and projection.shape[-1] == EDGE.music_features
        config = EDGE if on_features else EDGE_JUKEBOX
    network = Edge(config)
    load_strictly(network, checkpoint.state, path)
    return Pretrained(network.eval(), config, checkpoint.normaliser, ModelInfo())
