"""Codes of poses and the GPT of MEGADance as one model: from the authors' folder, or from a model folder.

The authors' folder is that of their repository: ``output/GPT/EPOCH/Model/model.pth`` (key ``model``) holds all
networks, ``Pretrained/mean.pt`` and ``std.pt`` how poses and music are normalised, ``Pretrained/Init1.pkl`` the dance
whose first codes theirs begin with. Where that file is not there, a dance begins with the codes of somebody who stands
still.

Legend: B batch, N codes, T = 8 N frames, K music features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.lightning import parts_of_state
from baselines.megadance.classifier import GenreClassifier
from baselines.megadance.network import GenreGpt, GenreGptConfig, choose_codes
from baselines.megadance.pose_codes import (
    FRAMES_PER_CODE,
    POSE_WIDTH,
    PoseCodes,
    PoseCodesConfig,
    pose_vectors,
)
from baselines.three_streams import as_one_batch, frames_of_songs
from mace_dance.motion.checkpoint import load_strictly, read_parts, state_of
from mace_dance.motion.config import GENRES, NetworkConfig
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
from madata.errors import ConfigError, WeightsError
from madata.motion import floor_height_m, joint_positions, read_motion
from madata.rotations import rot6d_to_axis_angle
from madata.types import FloatArray, Motion3D

__all__ = [
    "FPS",
    "MEGADANCE_KIND",
    "MegaDance",
    "MegaDanceConfig",
    "dance_in_genre",
    "guess_genre",
    "load_classifier",
    "load_megadance",
    "make_tiny_megadance",
    "megadance_files",
    "motion_of_pose_vectors",
]

FPS = 30
_ROOT = 3
_JOINTS = 24
_STILL_FRAMES = 64
_PARTS = ("smpl_root_vel", "smpl_poses", "music_librosa")
_TINY_CODES = 3


class MegaDanceConfig(NetworkConfig):
    """Sizes of both networks."""

    features: int = Field(default=POSE_WIDTH, ge=POSE_WIDTH, le=POSE_WIDTH)
    poses: PoseCodesConfig = PoseCodesConfig()
    gpt: GenreGptConfig = GenreGptConfig()


class MegaDance(nn.Module):
    """The codes of poses and the GPT that chooses from them.

    Attributes:
        pose_mean, pose_std, music_mean, music_std: (147,) and (K,) of the training set.
        begin: (2,) codes of the upper and the lower body that a dance begins with.
    """

    def __init__(self, config: MegaDanceConfig) -> None:
        super().__init__()
        if config.poses.codes != config.gpt.codes:
            raise ConfigError(f"poses have {config.poses.codes} codes, the GPT knows {config.gpt.codes}")
        self.config = config
        self.poses = PoseCodes(config.poses)
        self.gpt = GenreGpt(config.gpt)
        for name, width in (("pose", config.features), ("music", config.gpt.music_features)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))
        self.register_buffer("begin", torch.zeros(2, dtype=torch.long))
        self.pose_mean: Tensor
        self.pose_std: Tensor
        self.music_mean: Tensor
        self.music_std: Tensor
        self.begin: Tensor

    def begin_with(self, rotation: Tensor, translation: Tensor) -> None:
        """Take the codes to begin with from the first frames of an SMPL motion, (T, 24, 3) and (T, 3), y up."""
        frames = len(rotation) // FRAMES_PER_CODE * FRAMES_PER_CODE
        poses = (pose_vectors(rotation, translation)[:frames] - self.pose_mean) / self.pose_std
        with torch.no_grad():
            codes = self.poses.encode(poses[None])
        self.begin.copy_(torch.stack([each[0, 0] for each in codes]))


MEGADANCE_KIND: Kind[MegaDance, MegaDanceConfig] = Kind("megadance", MegaDanceConfig, MegaDance)

Model = Pretrained[MegaDance, MegaDanceConfig]


def _begun(network: MegaDance, music: Tensor, genre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of both halves, and how sure the network is of them, to (B, N, K) music as it is."""
    first = network.begin[:, None, None].expand(2, len(music), 1)
    normalised = (music - network.music_mean) / network.music_std
    return choose_codes(network.gpt, first[0], first[1], normalised, genre)


@torch.no_grad()
def dance_in_genre(network: MegaDance, songs: Sequence[Tensor] | Tensor, genre: Tensor) -> list[Tensor]:
    """(T, 147) poses of the dance to each song, not normalised; all are danced as one batch.

    Args:
        network: in ``eval`` mode.
        songs: (N, K) each, every eighth row of the features at 30 frames per second.
        genre: (B,) labels.
    """
    upper, lower, _ = _begun(network, as_one_batch(songs), genre)
    frames = frames_of_songs(network.poses.decode, upper, lower, [len(song) for song in songs])
    return [poses * network.pose_std + network.pose_mean for poses in frames]


@torch.no_grad()
def guess_genre(network: MegaDance, music: Tensor) -> int:
    """The genre whose expert is surest of its dance to the first window of (N, K) music."""
    count = network.config.gpt.genres
    genres = torch.arange(count, device=music.device)
    window = music[: network.config.gpt.window + 1].expand(count, -1, -1)
    return int(_begun(network, window, genres)[2].argmax())


def motion_of_pose_vectors(poses: FloatArray) -> Motion3D:
    """A motion from (T, 147) poses: the root goes where its velocity takes it, the lowest foot stands on the floor."""
    rotation = rot6d_to_axis_angle(poses[:, _ROOT:].reshape(len(poses), _JOINTS, 6).astype(np.float64))
    steps = poses[:-1, :_ROOT].astype(np.float64)
    root = np.concatenate([np.zeros((1, 3)), steps.cumsum(axis=0)]).astype(np.float32)
    motion = Motion3D(np.ascontiguousarray(rotation, np.float32), root, float(FPS), "y", "smpl-24")
    root[:, 1] -= floor_height_m(joint_positions(motion), up="y")
    return motion


def megadance_files(folder: Path) -> list[Path]:
    """All networks, means and deviations in the authors' folder, and the dance to begin with where it is there.

    Raises:
        WeightsError: one is not there.
    """
    networks = _newest(folder)
    mean, std = (folder / "Pretrained" / f"{name}.pt" for name in ("mean", "std"))
    for path in (mean, std):
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; it belongs to the authors' folder")
    first = folder / "Pretrained" / "Init1.pkl"
    return [networks, mean, std, *([first] if first.is_file() else [])]


def load_megadance(path: Path) -> Model:
    """MEGADance from a model folder, or from the authors' folder with ``output`` and ``Pretrained`` in it.

    Raises:
        WeightsError: it is neither, or a file holds another network.
        MediaError: the dance to begin with cannot be read.
    """
    if (path / CONFIG_FILE).is_file():
        return read_model(path, MEGADANCE_KIND)
    file, mean, std, *first = megadance_files(path)
    config = MegaDanceConfig()
    network = MegaDance(config).eval()
    state = state_of(file, read_parts(file, ("model",)), "model")
    poses = parts_of_state(state, "fsq.", ("gpt.", "cls_model."), file)
    poses = {name: value for name, value in poses.items() if not name.startswith("smpl.")}
    load_strictly(network.poses, poses, file)
    load_strictly(network.gpt, parts_of_state(state, "gpt.", ("fsq.", "cls_model."), file), file)
    _fill(network, "mean", mean)
    _fill(network, "std", std)
    if first:
        motion = read_motion(first[0], "edge")  # by its fields; the numbers are taken as they are, y up
        network.begin_with(torch.from_numpy(motion.rotation), torch.from_numpy(motion.translation))
    else:
        network.begin_with(torch.zeros(_STILL_FRAMES, _JOINTS, 3), torch.zeros(_STILL_FRAMES, 3))
    return Pretrained(network, config, Normaliser.unused(config.features), _info())


def load_classifier(path: Path) -> GenreClassifier:
    """The genre classifier in the authors' folder, in ``eval`` mode; by it they measure how well a genre is met.

    Raises:
        WeightsError: the folder or the classifier in it is not theirs.
    """
    file = _newest(path)
    state = state_of(file, read_parts(file, ("model",)), "model")
    classifier = GenreClassifier()
    load_strictly(classifier, parts_of_state(state, "cls_model.dance_encoder.", ("gpt.", "fsq."), file), file)
    return classifier.eval()


def _newest(folder: Path) -> Path:
    return newest_epoch(
        folder, "output/GPT/N/Model/model.pth", whose="the authors' folder with output and Pretrained in it"
    )


def _fill(network: MegaDance, name: str, path: Path) -> None:
    """Means or deviations of poses and music from the authors' file."""
    content: Mapping[str, Tensor] = read_parts(path, [f"{part}_{name}" for part in _PARTS])
    root, poses, music = (content[f"{part}_{name}"].flatten().float() for part in _PARTS)
    for target, found in ((f"pose_{name}", torch.cat([root, poses])), (f"music_{name}", music)):
        buffer = network.get_buffer(target)
        if found.shape != buffer.shape or not bool(torch.isfinite(found).all()):
            raise WeightsError(
                f"{path}: {target} should be {len(buffer)} finite numbers, got {tuple(found.shape)}"
            )
        buffer.copy_(found)
    if name == "std" and not bool((network.pose_std != 0).all() and (network.music_std != 0).all()):
        raise WeightsError(f"{path}: a deviation is 0")


def make_tiny_megadance(folder: Path, seed: int = 0) -> None:
    """Write a network of random weights as a model folder, for trying out commands and for tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        poses = PoseCodesConfig(levels=(_TINY_CODES, _TINY_CODES), code_width=8, width=8, depth=1)
        config = MegaDanceConfig(
            poses=poses, gpt=GenreGptConfig(codes=poses.codes, width=8, heads=2, layers=1, output=8)
        )
        network = MegaDance(config)
        # Untrained it sways about the rest pose.
        network.pose_mean.copy_(pose_vectors(torch.zeros(2, _JOINTS, 3), torch.zeros(2, 3))[0])
        network.pose_std.fill_(0.1)
        network.pose_std[:_ROOT] = 0.002
    save_model(
        folder, network, config, Normaliser.unused(config.features), _info("tiny-random"), MEGADANCE_KIND.name
    )


def _info(label: str | None = None) -> ModelInfo:
    return ModelInfo(label=label, fps=FPS, layout="megadance-147", genres=GENRES)
