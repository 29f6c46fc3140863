"""MNET (Kim et al. 2022, CVPR, "A Brand New Dance Partner"): music, a genre and noise -> dance, 30 frames at a time.

Seed motion and music lie behind each other; every layer is self-attention with a learnt number for every pair of
places, attention to the style, feed-forward. The style is drawn from noise by the layers of the genre; it is one token,
so that attending to it gives the same whatever asks, and is computed once for a dance. The first outputs follow the
seed; they become the next seed, through axis-angles and back, and both windows move on until the music ends. Nothing
else can be kept: places are absolute, and every window moves.

Modules bear the names of the authors' checkpoint (PyTorch Lightning, prefix ``gen.``). Motion is ``mnet-75`` outside
(axis-angles, then the root) and ``mnet-147`` (6D rotations) inside, 60 frames per second, y up; music the 438 features
``bailando`` of :func:`madata.music.music_features`, at 60 frames per second.

Legend: B batch, T frames, S frames of seed, A frames of music, P frames of a step, K music features, M width.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from baselines.genre_transformer import (
    NOISE_WIDTH,
    FeedForward,
    GenreDiscriminator,
    GenreMapping,
    PlacedAttention,
)
from baselines.lightning import parts_of_state, read_lightning
from mace_dance.motion.checkpoint import load_strictly
from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import Kind, ModelInfo, Pretrained, read_model, save_model
from madata.errors import ConfigError
from madata.rotations import axis_angle_to_rot6d, rot6d_to_axis_angle

__all__ = [
    "FPS",
    "GENRES",
    "MNET",
    "MNET_KIND",
    "Mnet",
    "MnetConfig",
    "dance_in_steps",
    "from_rot6d",
    "load_mnet",
    "make_tiny_mnet",
    "mnet_discriminator",
    "to_rot6d",
]

FPS = 60
_JOINTS = 24
_LAYOUT = "mnet-147"

GENRES = (
    "break",
    "pop",
    "lock",
    "middle hip-hop",
    "LA hip-hop",
    "house",
    "waack",
    "krump",
    "street jazz",
    "ballet jazz",
)
"""Names of the labels: the ten genres of AIST++."""


class MnetConfig(NetworkConfig):
    """Size of an MNET generator.

    Attributes:
        music_frames, seed_frames, step_frames: A, S and P.
        places: most frames of motion and music together.
        genres: labels.
        critic_layers: of the discriminator, which only training needs; 0 for none. The published one has 4.
    """

    features: int = Field(default=6 * _JOINTS + 3, ge=6 * _JOINTS + 3, le=6 * _JOINTS + 3)
    music_features: int = Field(default=438, ge=1)
    width: int = Field(default=768, ge=1)
    layers: int = Field(default=8, ge=1)
    heads: int = Field(default=12, ge=1)
    feed_forward: int = Field(default=2048, ge=1)
    music_frames: int = Field(default=120, ge=1)
    seed_frames: int = Field(default=60, ge=1)
    step_frames: int = Field(default=30, ge=1)
    places: int = Field(default=480, ge=1)
    genres: int = Field(default=len(GENRES), ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    critic_layers: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fitting(self) -> MnetConfig:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if not self.step_frames <= self.seed_frames + self.music_frames <= self.places:
            raise ValueError(
                f"seed ({self.seed_frames}) and music ({self.music_frames} frames) must be as long as a step "
                f"({self.step_frames}) and fit the places ({self.places})"
            )
        return self


MNET = MnetConfig()
"""The published size, 79,836,307 parameters."""


class _StyleAttention(PlacedAttention):
    """Attention to a single token: whatever asks, the answer is the same."""

    def answer(self, style: Tensor) -> Tensor:
        """(B, 1, M) -> (B, 1, M)."""
        out: Tensor = self.to_out(self.to_v(style))
        return out


class _Layer(nn.ModuleList):
    def __init__(self, config: MnetConfig) -> None:
        width, dropout = config.width, config.dropout
        attention = (width, config.heads, config.places, dropout)
        super().__init__(
            [
                nn.LayerNorm(width),
                PlacedAttention(*attention),
                nn.LayerNorm(width),
                _StyleAttention(*attention),
                nn.LayerNorm(width),
                FeedForward(width, config.feed_forward, dropout),
            ]
        )

    def answer(self, style: Tensor) -> Tensor:
        """What attending to the style adds to every token."""
        out: Tensor = self[3].answer(style)  # type: ignore[operator]
        return out

    def forward(self, x: Tensor, answer: Tensor, first: int | None) -> Tensor:
        x = x[:, :first] + self[1](self[0](x), first) + answer
        out: Tensor = x + self[5](self[4](x))
        return out


class _Transformer(nn.Module):
    def __init__(self, config: MnetConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))

    def answers(self, style: Tensor) -> list[Tensor]:
        return [layer.answer(style) for layer in self.layers]  # type: ignore[operator]

    def forward(self, x: Tensor, answers: list[Tensor], first: int) -> Tensor:
        for index, (layer, answer) in enumerate(zip(self.layers, answers, strict=True)):
            x = layer(x, answer, first if index == len(self.layers) - 1 else None)
        return x


class Mnet(nn.Module):
    """The generator; see the module."""

    def __init__(self, config: MnetConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = GenreMapping(NOISE_WIDTH, config.width, config.genres)
        self.mlp_a = nn.Linear(config.music_features, config.width)
        self.mlp_m = nn.Linear(config.features, config.width)
        self.mlp_l = nn.Linear(config.width, config.features)
        self.tr_block = _Transformer(config)
        if config.critic_layers:
            self.critic = mnet_discriminator(config)

    def forward(self, motion: Tensor, music: Tensor, noise: Tensor, genre: Tensor) -> Tensor:
        """Motion after a seed.

        Args:
            motion: (B, S, 75).
            music: (B, A, K), from the first frame of the seed on.
            noise: (B, 256).
            genre: (B,) labels.

        Returns:
            (B, P, 147), the frames that follow.

        Raises:
            ConfigError: a window has another length or width.
        """
        return self.step(to_rot6d(motion), self.read_music(music), self.style(noise, genre))

    def style(self, noise: Tensor, genre: Tensor) -> list[Tensor]:
        """What each layer takes of the style of a genre that (B, 256) noise gives."""
        return self.tr_block.answers(self.mapping(noise, genre)[:, None])

    def read_music(self, music: Tensor) -> Tensor:
        """(B, T, K) of any length -> (B, T, M)."""
        if music.ndim != 3 or music.shape[2] != self.config.music_features:
            raise ConfigError(
                f"MNET's music is (B, T, {self.config.music_features}), got {tuple(music.shape)}"
            )
        out: Tensor = self.mlp_a(music)
        return out

    def step(self, motion: Tensor, music: Tensor, style: list[Tensor]) -> Tensor:
        """(B, S, 147) seed, (B, A, M) music that was read -> (B, P, 147) frames that follow."""
        config = self.config
        expected = ((config.seed_frames, config.features), (config.music_frames, config.width))
        if tuple(motion.shape[1:]) != expected[0] or tuple(music.shape[1:]) != expected[1]:
            raise ConfigError(
                f"MNET's windows are {config.seed_frames} frames of motion and {config.music_frames} of music, "
                f"got {motion.shape[1]} and {music.shape[1]}"
            )
        both = torch.cat([self.mlp_m(motion), music], dim=1)
        out: Tensor = self.mlp_l(self.tr_block(both, style, config.step_frames))
        return out


def mnet_discriminator(config: MnetConfig) -> GenreDiscriminator:
    """The critic of the training."""
    return GenreDiscriminator(
        features=config.features,
        music_features=config.music_features,
        width=config.width,
        layers=config.critic_layers,
        heads=config.heads,
        feed_forward=config.feed_forward,
        places=config.places,
        genres=config.genres,
        names=("mlp_m", "mlp_a"),
    )


@torch.no_grad()
def dance_in_steps(network: Mnet, seed: Tensor, music: Tensor, noise: Tensor, genre: Tensor) -> Tensor:
    """(B, n P, 75) frames after a seed, until the music fills no further window.

    Args:
        network: in ``eval`` mode.
        seed: (B, S, 75).
        music: (B, T, K) from the first frame of the seed on.
        noise: (B, 256).
        genre: (B,) labels.

    Raises:
        ConfigError: the music is shorter than a window, or a width is another one.
    """
    config = network.config
    read, style = network.read_music(music), network.style(noise, genre)
    if music.shape[1] < config.music_frames:
        raise ConfigError(f"MNET needs {config.music_frames} frames of music, got {music.shape[1]}")
    danced = [seed]
    for first in range(0, music.shape[1] - config.music_frames + 1, config.step_frames):
        window = read[:, first : first + config.music_frames]
        following = from_rot6d(network.step(to_rot6d(seed), window, style))
        danced.append(following)
        seed = torch.cat([seed, following], dim=1)[:, -config.seed_frames :]
    return torch.cat(danced[1:], dim=1)


def to_rot6d(motion: Tensor) -> Tensor:
    """(B, T, 75) axis-angles and root -> (B, T, 147) 6D rotations and root."""
    turned = motion[..., : 3 * _JOINTS].reshape(*motion.shape[:-1], _JOINTS, 3)
    return torch.cat([axis_angle_to_rot6d(turned).flatten(-2), motion[..., 3 * _JOINTS :]], dim=-1)


def from_rot6d(motion: Tensor) -> Tensor:
    """(B, T, 147) -> (B, T, 75), the way back; 6D rotations need not be orthonormal."""
    turned = motion[..., : 6 * _JOINTS].reshape(*motion.shape[:-1], _JOINTS, 6)
    return torch.cat([rot6d_to_axis_angle(turned).flatten(-2), motion[..., 6 * _JOINTS :]], dim=-1)


MNET_KIND: Kind[Mnet, MnetConfig] = Kind("mnet", MnetConfig, Mnet)


def load_mnet(path: Path, config: MnetConfig = MNET) -> Pretrained[Mnet, MnetConfig]:
    """MNET from a model folder, or from the authors' ``last.ckpt``.

    Args:
        path: the folder or the file.
        config: of the network in a file.

    Raises:
        WeightsError: it is neither, or the model of another network.
    """
    if path.is_dir():
        return read_model(path, MNET_KIND)
    network = Mnet(config)
    state = parts_of_state(read_lightning(path), "gen.", ("dis.", "compute_loss."), path)
    load_strictly(network, state, path)
    return Pretrained(network.eval(), config, Normaliser.unused(config.features), _info())


def make_tiny_mnet(folder: Path, seed: int = 0) -> None:
    """Write a network of random weights as a model folder, for trying out commands and for tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = MnetConfig(width=8, layers=2, heads=2, feed_forward=8, places=180)
        network = Mnet(config)
        # Untrained it sways about the rest pose.
        nn.init.normal_(network.mlp_l.weight, std=0.02)
        network.mlp_l.bias = nn.Parameter(to_rot6d(torch.zeros(1, 3 * _JOINTS + 3))[0])
    save_model(
        folder, network, config, Normaliser.unused(config.features), _info("tiny-random"), MNET_KIND.name
    )


def _info(label: str | None = None) -> ModelInfo:
    return ModelInfo(label=label, fps=FPS, layout=_LAYOUT, genres=GENRES)
