"""FACT (Li et al. 2021, arXiv:2101.08779): 2 s of dance and 4 s of music -> the dance that follows, frame by frame.

Three Transformers: one reads the seed motion, one the music, one both behind each other. Each is a stack of
pre-normalised self-attention and feed-forward layers with learnt absolute positions and without dropout. Its first
outputs are the frames after the seed; of these sampling keeps one, moves both windows on by one frame, and goes on
until the music ends.

Attention divides by the square root of the model's width where a head's width belongs: an upstream slip that its
weights depend on.

Nothing of the two reading Transformers can be kept from one frame to the next, because a frame changes its absolute
position with every step. The music does not depend on the dance, though, so that its windows are read together; and of
the last layer only the frame that is kept is computed.

Tensors bear names and shapes (kernels are (in, out)) of the authors' TensorFlow model, :func:`checkpoint_name` says
what its checkpoint calls them. Motion is ``fact-225`` at 60 frames per second, y up: 6 zeros, root in metres, 24
rotation matrices row by row; music the 35 features of :func:`madata.music.music_features` at 60 frames per second.

Legend: B batch, T frames, S frames of seed, A frames of music, F motion features, K music features, M width.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.fact.tf_checkpoint import read_tf_checkpoint
from mace_dance.motion.checkpoint import load_strictly
from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import (
    CONFIG_FILE,
    Kind,
    ModelInfo,
    Pretrained,
    newest_epoch,
    read_model,
    save_model,
)
from madata.errors import ConfigError
from madata.types import FloatArray

__all__ = [
    "FACT",
    "FACT_KIND",
    "FPS",
    "LAYOUT",
    "Fact",
    "FactConfig",
    "checkpoint_name",
    "continue_dance",
    "fact_checkpoint",
    "fact_loss",
    "load_fact",
    "make_tiny_fact",
    "rest_seed",
]

FPS = 60
LAYOUT = "fact-225"
_JOINTS = 24
_ROOT = slice(6, 9)
_EPSILON = 1e-5


class FactConfig(NetworkConfig):
    """Size of a FACT network.

    Attributes:
        seed_frames, music_frames: S and A, the only lengths it takes.
        target_frames: outputs that training compares.
    """

    features: int = Field(default=225, ge=1)
    music_features: int = Field(default=35, ge=1)
    hidden: int = Field(default=800, ge=1)
    feed_forward: int = Field(default=3072, ge=1)
    heads: int = Field(default=10, ge=1)
    motion_layers: int = Field(default=2, ge=1)
    music_layers: int = Field(default=2, ge=1)
    cross_layers: int = Field(default=12, ge=1)
    seed_frames: int = Field(default=120, ge=1)
    music_frames: int = Field(default=240, ge=1)
    target_frames: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _divisible(self) -> FactConfig:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self


FACT = FactConfig()
"""The published size, 120,406,977 parameters."""


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        nn.init.xavier_uniform_(self.kernel)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernel.T, self.bias)


class _Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.beta = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.gamma.shape, self.gamma, self.beta, _EPSILON)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = width**-0.5
        self.to_qkv = _Dense(width, 3 * width, bias=False)
        self.to_out = _Dense(width, width)

    def forward(self, x: Tensor, first: int | None) -> Tensor:
        query, key, value = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2)
            for part in self.to_qkv(x).chunk(3, dim=-1)
        )
        attended = F.scaled_dot_product_attention(query[:, :, :first], key, value, scale=self.scale)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class _AttentionLayer(nn.Module):
    def __init__(self, config: FactConfig) -> None:
        super().__init__()
        self.norm = _Norm(config.hidden)
        self.attn = _Attention(config.hidden, config.heads)

    def forward(self, x: Tensor, first: int | None) -> Tensor:
        out: Tensor = x[:, :first] + self.attn(self.norm(x), first)
        return out


class _FeedForwardLayer(nn.Module):
    def __init__(self, config: FactConfig) -> None:
        super().__init__()
        self.norm = _Norm(config.hidden)
        self.mlp = nn.ModuleList(
            [_Dense(config.hidden, config.feed_forward), _Dense(config.feed_forward, config.hidden)]
        )

    def forward(self, x: Tensor, first: int | None) -> Tensor:
        widen, narrow = self.mlp
        out: Tensor = x[:, :first] + narrow(F.gelu(widen(self.norm(x[:, :first])), approximate="tanh"))
        return out


def _stack(config: FactConfig, layers: int) -> nn.ModuleList:
    return nn.ModuleList(
        layer(config) for _ in range(layers) for layer in (_AttentionLayer, _FeedForwardLayer)
    )


def _through(stack: nn.ModuleList, x: Tensor, first: int | None = None) -> Tensor:
    """(B, T, M) through a stack; of the last pair of layers the ``first`` frames only."""
    for index, layer in enumerate(stack):
        x = layer(x, first if index >= len(stack) - 2 else None)
    return x


class _Cross(nn.Module):
    def __init__(self, config: FactConfig) -> None:
        super().__init__()
        self.transformer = _stack(config, config.cross_layers)
        self.out = _Dense(config.hidden, config.features)


class Fact(nn.Module):
    """See the module."""

    def __init__(self, config: FactConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.motion_linear_embedding = _Dense(config.features, width)
        self.motion_pos_embedding = nn.Parameter(0.02 * torch.randn(config.seed_frames, width))
        self.motion_transformer = _stack(config, config.motion_layers)
        self.audio_linear_embedding = _Dense(config.music_features, width)
        self.audio_pos_embedding = nn.Parameter(0.02 * torch.randn(config.music_frames, width))
        self.audio_transformer = _stack(config, config.music_layers)
        self.cross_modal_layer = _Cross(config)

    def forward(self, seed: Tensor, music: Tensor, first: int | None = None) -> Tensor:
        """Motion after a seed.

        Args:
            seed: (B, S, F).
            music: (B, A, K), from the first frame of the seed on.
            first: how many outputs are wanted (default: all).

        Returns:
            (B, S + A, F); the first of them follow the seed.

        Raises:
            ConfigError: a window has another length or width.
        """
        return self.cross(seed, self.read_music(music), first)

    def read_music(self, music: Tensor) -> Tensor:
        """(B, A, K) windows of music -> (B, A, M)."""
        _require(music, (self.config.music_frames, self.config.music_features), "music")
        placed = self.audio_linear_embedding(music) + self.audio_pos_embedding
        return _through(self.audio_transformer, placed)

    def cross(self, seed: Tensor, music: Tensor, first: int | None = None) -> Tensor:
        """(B, S, F) seeds and (B, A, M) music that was read -> (B, ``first`` or S + A, F)."""
        _require(seed, (self.config.seed_frames, self.config.features), "motion")
        placed = self.motion_linear_embedding(seed) + self.motion_pos_embedding
        both = torch.cat([_through(self.motion_transformer, placed), music], dim=1)
        out: Tensor = self.cross_modal_layer.out(_through(self.cross_modal_layer.transformer, both, first))
        return out


def _require(windows: Tensor, shape: tuple[int, int], what: str) -> None:
    if windows.ndim != 3 or tuple(windows.shape[1:]) != shape:
        raise ConfigError(
            f"FACT's {what} windows are (B, {shape[0]}, {shape[1]}), got {tuple(windows.shape)}"
        )


@torch.no_grad()
def continue_dance(
    network: Fact, seed: Tensor, music: Tensor, steps: int | None = None, windows_at_once: int = 64
) -> Tensor:
    """(B, steps, F) frames after a seed, one at a time.

    Args:
        network: in ``eval`` mode.
        seed: (B, S, F).
        music: (B, T, K) from the first frame of the seed on, A frames at least.
        steps: frames wanted; at most, and by default, T - A + 1, where the music ends.
        windows_at_once: windows of music that are read together.

    Raises:
        ConfigError: the music is shorter than a window, or a width is another one.
    """
    frames = network.config.music_frames
    if music.ndim != 3 or music.shape[1] < frames:
        raise ConfigError(f"FACT needs {frames} frames of music (B, T, K), got {tuple(music.shape)}")
    most = music.shape[1] - frames + 1
    steps = most if steps is None else min(steps, most)
    danced: list[Tensor] = []
    for first in range(0, steps, windows_at_once):
        # One window after the other along time, all songs of one step together.
        count = min(windows_at_once, steps - first)
        windows = music.unfold(1, frames, 1)[:, first : first + count].transpose(2, 3)
        read = network.read_music(windows.flatten(0, 1)).reshape(len(music), count, frames, -1)
        for index in range(count):
            danced.append(network.cross(seed, read[:, index], first=1))
            seed = torch.cat([seed[:, 1:], danced[-1]], dim=1)
    return torch.cat(danced, dim=1)


def fact_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the first outputs.

    Args:
        predicted: (B, T or more, F).
        target: (B, T, F) frames after the seed.
    """
    return F.mse_loss(predicted[:, : target.shape[1]], target)


def rest_seed(frames: int) -> FloatArray:
    """(``frames``, 225) of a dancer who stands still in the rest pose: a seed for music without a dance before it."""
    one = np.concatenate([np.zeros(_ROOT.stop), np.tile(np.eye(3).ravel(), _JOINTS)])
    return np.tile(one.astype(np.float32), (frames, 1))


def checkpoint_name(name: str) -> str:
    """What the authors' TensorFlow checkpoint calls a tensor of :class:`Fact`.

    Example:
        >>> checkpoint_name("motion_transformer.0.attn.to_out.bias")
        'model/motion_transformer/net/layer_with_weights-0/fn/fn/to_out/bias/.ATTRIBUTES/VARIABLE_VALUE'
    """
    path = name.replace("cross_modal_layer.transformer", "cross_modal_layer/transformer_layer")
    path = path.replace("cross_modal_layer.out", "cross_modal_layer/cross_output_layer")
    path = re.sub(r"(transformer\w*)\.(\d+)\.", r"\1/net/layer_with_weights-\2/fn/", path)
    path = re.sub(r"/attn\.", "/fn/", path)
    path = re.sub(r"/mlp\.(\d)\.", r"/fn/net/layer_with_weights-\1/", path)
    path = re.sub(r"(\w+_linear_embedding)\.", r"\1/net/", path)
    path = re.sub(r"(\w+_pos_embedding)$", r"\1/position_embedding", path)
    return f"model/{path.replace('.', '/')}/.ATTRIBUTES/VARIABLE_VALUE"


FACT_KIND: Kind[Fact, FactConfig] = Kind("fact", FactConfig, Fact)


def fact_checkpoint(path: Path) -> Path:
    """The checkpoint without ``.index`` that a path names, or the newest one in a folder of the authors.

    Raises:
        WeightsError: the folder holds none.
    """
    if not path.is_dir():
        return path
    return newest_epoch(path, "ckpt-N.index", whose="the authors' folder").with_suffix("")


def load_fact(path: Path, config: FactConfig = FACT) -> Pretrained[Fact, FactConfig]:
    """FACT from a model folder, or from the authors' TensorFlow checkpoint.

    Args:
        path: the model folder; or the checkpoint without ``.index``, or the folder it lies in, of which the newest is
            taken.
        config: of the network in a checkpoint.

    Raises:
        WeightsError: it is neither, or the model of another network.
    """
    if (path / CONFIG_FILE).is_file():
        return read_model(path, FACT_KIND)
    path = fact_checkpoint(path)
    network = Fact(config)
    names = {name: checkpoint_name(name) for name in network.state_dict()}
    found = read_tf_checkpoint(path, names.values())
    load_strictly(network, {name: torch.from_numpy(found[stored]) for name, stored in names.items()}, path)
    return Pretrained(network.eval(), config, Normaliser.unused(config.features), _info())


def make_tiny_fact(folder: Path, seed: int = 0) -> None:
    """Write a network of a few thousand random parameters as a model folder, for trying out commands and for tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = FactConfig(
            hidden=20, feed_forward=24, heads=2, motion_layers=1, music_layers=1, cross_layers=2
        )
        network = Fact(config)
        # Untrained it sways about the rest pose instead of jumping between random rotations.
        out = network.cross_modal_layer.out
        nn.init.normal_(out.kernel, std=0.005)
        out.bias = nn.Parameter(torch.from_numpy(rest_seed(1)[0]))
    save_model(
        folder, network, config, Normaliser.unused(config.features), _info("tiny-random"), FACT_KIND.name
    )


def _info(label: str | None = None) -> ModelInfo:
    return ModelInfo(label=label, fps=FPS, layout=LAYOUT)
