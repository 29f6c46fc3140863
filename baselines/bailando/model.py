"""Both networks of Bailando as one model: from the authors' two checkpoints, or from a model folder.

The authors keep each network in a file of its own below ``experiments``: ``sep_vqvae_root/ckpt/epoch_N.pt`` holds the
codebooks, ``actor_critic/ckpt/epoch_N.pt`` or ``cc_motion_gpt/ckpt/epoch_N.pt`` the GPT, with or without a critic.
Beside the weights (key ``model``) lies the configuration as an ``EasyDict``, which is read as a plain dictionary.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from baselines.bailando.network import (
    FRAMES_PER_CODE,
    ChoreographicMemory,
    MemoryConfig,
    MotionGpt,
    MotionGptConfig,
    choreograph,
)
from baselines.three_streams import LOWER, UPPER, as_one_batch, frames_of_songs
from mace_dance.motion.checkpoint import load_strictly, read_parts, state_of
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
from madata.motion import floor_height_m, motion_of_positions
from madata.skeletons import skeleton
from madata.types import FloatArray, Motion3D, Positions3D

__all__ = [
    "BAILANDO_KIND",
    "CODES_PER_S",
    "FPS",
    "Bailando",
    "BailandoConfig",
    "bailando_files",
    "dance_to",
    "load_bailando",
    "make_tiny_bailando",
    "motion_of_poses",
]

FPS = 60
CODES_PER_S = FPS / FRAMES_PER_CODE

_FEATURES = 3 * (len(UPPER) + len(LOWER))
_MEMORY = "sep_vqvae_root/ckpt/epoch_N.pt"
_GPTS = ("actor_critic/ckpt/epoch_N.pt", "cc_motion_gpt/ckpt/epoch_N.pt")
_CRITIC_LAYERS = 3
_BEGIN = (423, 12)
"""Codes of a standing pose in the authors' codebooks, with which their demo begins."""


class BailandoConfig(NetworkConfig):
    """Sizes of both networks.

    Attributes:
        begin: codes of the upper and the lower body that a dance begins with.
    """

    features: int = _FEATURES
    memory: MemoryConfig = MemoryConfig()
    gpt: MotionGptConfig = MotionGptConfig()
    begin: tuple[int, int] = _BEGIN


class Bailando(nn.Module):
    """The choreographic memory and the GPT that chooses from it."""

    def __init__(self, config: BailandoConfig) -> None:
        super().__init__()
        if config.memory.codes != config.gpt.codes or max(config.begin) >= config.gpt.codes:
            raise ConfigError(
                f"the codebooks have {config.memory.codes} codes, the GPT knows {config.gpt.codes} and begins with "
                f"{config.begin}"
            )
        self.config = config
        self.memory = ChoreographicMemory(config.memory)
        self.gpt = MotionGpt(config.gpt)


BAILANDO_KIND: Kind[Bailando, BailandoConfig] = Kind("bailando", BailandoConfig, Bailando)


def bailando_files(folder: Path) -> tuple[Path, Path]:
    """Checkpoints of the codebooks and of the GPT in the authors' ``experiments`` folder.

    Raises:
        WeightsError: one is not there.
    """
    memory, gpt = (
        newest_epoch(folder, *files, whose="the authors' folder experiments") for files in ((_MEMORY,), _GPTS)
    )
    return memory, gpt


def load_bailando(path: Path) -> Pretrained[Bailando, BailandoConfig]:
    """Bailando from a model folder, or from the authors' ``experiments`` folder.

    Raises:
        WeightsError: it is neither, or a file holds another network.
    """
    if (path / CONFIG_FILE).is_file():
        return read_model(path, BAILANDO_KIND)
    memory, gpt = bailando_files(path)
    state = _read(gpt)
    with_critic = any(name.startswith("critic_net.") for name in state)
    config = BailandoConfig(gpt=MotionGptConfig(critic_layers=_CRITIC_LAYERS if with_critic else 0))
    network = Bailando(config)
    load_strictly(network.memory, _read(memory), memory)
    load_strictly(network.gpt, state, gpt)
    return Pretrained(network.eval(), config, Normaliser.unused(config.features), _info())


def _read(path: Path) -> dict[str, Tensor]:
    return state_of(path, read_parts(path, ("model",), [(OrderedDict, "easydict.EasyDict")]), "model")


@torch.no_grad()
def dance_to(
    network: Bailando, songs: Sequence[Tensor] | Tensor, begin: tuple[Tensor, Tensor] | None = None
) -> list[Tensor]:
    """(8 N, 72) poses of the dance to each song; all are danced as one batch.

    Args:
        network: in ``eval`` mode.
        songs: (N, K) features at 7.5 frames per second; the first row is under the codes that a dance begins with.
        begin: (B, 1) codes of each half that they begin with, by default those of the settings.
    """
    music = as_one_batch(songs)
    if begin is None:
        codes = torch.tensor(network.config.begin, device=music.device)
        begin = (codes[:1].expand(len(music), 1), codes[1:].expand(len(music), 1))
    codes_of_each = choreograph(network.gpt, *begin, music[:, 1:])
    return frames_of_songs(network.memory.decode, *codes_of_each, [len(song) for song in songs])


def motion_of_poses(poses: FloatArray) -> Motion3D:
    """A motion from (T, 72) poses: the root goes where its velocity takes it, the lowest foot stands on the floor."""
    points = poses.reshape(len(poses), -1, 3).astype(np.float64)
    root = np.concatenate([np.zeros((1, 3)), points[:-1, 0].cumsum(axis=0)])
    points[:, 0] = 0.0
    points += root[:, None]
    points[..., 1] -= floor_height_m(points.astype(np.float32), up="y")
    return motion_of_positions(Positions3D(points.astype(np.float32), float(FPS), "y", "smpl-24"))


def make_tiny_bailando(folder: Path, seed: int = 0) -> None:
    """Write a network of random weights as a model folder, for trying out commands and for tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BailandoConfig(
            memory=MemoryConfig(codes=16, code_width=8, width=8, depth=1),
            gpt=MotionGptConfig(codes=16, width=12, heads=2, base_layers=1, head_layers=1, context=8),
            begin=(0, 0),
        )
        network = Bailando(config)
        for half, joints in ((network.memory.vqvae_up, UPPER), (network.memory.vqvae_down, LOWER)):
            nn.init.normal_(half.codebook.k)
            # Untrained it sways about the rest pose.
            out: nn.Conv1d = half.decoders[0].out  # type: ignore[assignment]
            nn.init.normal_(out.weight, std=0.01)
            out.bias = nn.Parameter(torch.from_numpy(_rest()[list(joints)].ravel()))
        velocity: nn.Conv1d = network.memory.vqvae_down.decoders_root[0].out  # type: ignore[assignment]
        nn.init.zeros_(velocity.weight)
        velocity.bias = nn.Parameter(torch.tensor([0.002, 0.0, 0.0]))
    save_model(
        folder, network, config, Normaliser.unused(config.features), _info("tiny-random"), BAILANDO_KIND.name
    )


def _rest() -> FloatArray:
    """(24, 3) joints of the rest pose, root at 0."""
    body = skeleton("smpl-24")
    points = np.zeros((body.num_joints, 3), np.float32)
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            points[joint] = points[parent] + np.asarray(body.offsets)[joint]
    return points


def _info(label: str | None = None) -> ModelInfo:
    return ModelInfo(label=label, fps=FPS, layout="bailando-72")
