"""Both networks of Lodge as one model, and dancing with it: coarse to fine, to music of any length.

Sampling is DDIM, 50 steps, guidance 2. The global network dances the primitives of all windows of 1024 frames as one
batch; the local one all slices of 256 frames as another, held to their hints at every step, its guidance weight rising
as in EDGE's long dances, its style drawn anew for every pass. Music is heard once more from its beginning where it ends
before its last slice does, or before a first window is full.

The authors' files: two checkpoints of PyTorch Lightning below ``exp``, and ``data/Normalizer.pth`` of their repository.
Weights are those in training, not their moving average, as the published code takes them. Published slices are set side
by side as they are, each of them beginning at the origin; here each goes on where the one before it ended.

Legend: N frames of music, S slices, F motion features, K music features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.dance_decoder import DanceDecoder, predictor, rising_weights
from baselines.genre_transformer import NOISE_WIDTH
from baselines.lightning import parts_of_state, read_lightning
from baselines.lodge.network import (
    FEATURES,
    GENRES,
    ROOT,
    ROTATIONS,
    GlobalConfig,
    LocalConfig,
    LocalDecoder,
    lodge_discriminator,
)
from baselines.lodge.primitives import SLICES, Hints, hints_of, shared_out, window_starts
from mace_dance.motion.checkpoint import load_strictly, read_normaliser
from mace_dance.motion.config import NetworkConfig
from mace_dance.motion.diffusion import (
    NoiseSource,
    Schedule,
    cosine_schedule,
    ddim,
    ddim_times,
    seeded_noise,
)
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
from madata.motion import encode, floor_height_m, joint_positions
from madata.rotations import matrix_to_rot6d, rot6d_to_matrix
from madata.seeds import seed_of
from madata.skeletons import skeleton
from madata.types import FloatArray, Motion3D

__all__ = [
    "FPS",
    "LODGE_KIND",
    "Lodge",
    "LodgeConfig",
    "dance_coarse_to_fine",
    "dance_primitives",
    "joined",
    "load_lodge",
    "lodge_files",
    "make_tiny_lodge",
    "sample_held",
]

FPS = 30
_LAYOUT = "lodge-139"

_PREFIX, _BESIDE = "DanceDecoder.", ("dis_model.", "diffusion.")
_COPIES = ("diffusion.model.", "diffusion.master_model.")
_NORMALISERS = ("Normalizer.pth", "data/Normalizer.pth", "../Normalizer.pth", "../data/Normalizer.pth")
_SOFT_STEPS = 50


class LodgeConfig(NetworkConfig):
    """Sizes of both networks.

    Attributes:
        critic_layers: of the discriminator, which only training needs; 0 for none. The published one has 4.
    """

    features: int = Field(default=FEATURES, ge=FEATURES, le=FEATURES)
    coarse: GlobalConfig = GlobalConfig()
    fine: LocalConfig = LocalConfig()
    critic_layers: int = Field(default=0, ge=0)


class Lodge(nn.Module):
    """The network of the primitives and that of the slices."""

    def __init__(self, config: LodgeConfig) -> None:
        super().__init__()
        if config.coarse.frames != SLICES * config.fine.frames:
            raise ConfigError(
                f"a global window is {SLICES} slices long, got {config.coarse.frames} frames and slices of "
                f"{config.fine.frames}"
            )
        widths = {(part.features, part.music_features) for part in (config.coarse, config.fine)}
        if widths != {(FEATURES, config.coarse.music_features)}:
            raise ConfigError(
                f"both networks take {FEATURES} numbers of motion and the same music, got {widths}"
            )
        self.config = config
        self.coarse = DanceDecoder(config.coarse)
        self.fine = LocalDecoder(config.fine)
        if config.critic_layers:
            self.critic = lodge_discriminator(config.fine, config.critic_layers)


LODGE_KIND: Kind[Lodge, LodgeConfig] = Kind("lodge", LodgeConfig, Lodge)

Model = Pretrained[Lodge, LodgeConfig]


@torch.no_grad()
def dance_coarse_to_fine(
    model: Model, music: Tensor, frames: int, genre: int, seed: int, soft: float = 1.0, steps: int = 50
) -> FloatArray:
    """(``frames``, 139) unnormalised motion vectors.

    Args:
        model: its network in ``eval`` mode, on the device of ``music``.
        music: (N, K) features at 30 frames per second.
        frames: wanted; any number.
        genre: label.
        seed: of the noise.
        soft: share of sampling, 0..1, that hints inside a slice hold for.
        steps: of sampling, 50 as published.

    Raises:
        ConfigError: there is no music, or it has another width.
    """
    network, config = model.network, model.config
    if music.ndim != 2 or not len(music) or music.shape[1] != config.coarse.music_features:
        raise ConfigError(f"music is (N, {config.coarse.music_features}), got {tuple(music.shape)}")
    slices = -(-frames // config.fine.frames)
    heard = torch.arange(config.fine.frames * max(slices, SLICES), device=music.device) % len(music)
    in_slices = music[heard].reshape(-1, config.fine.frames, music.shape[1])
    windows = torch.stack([in_slices[at : at + SLICES].flatten(0, 1) for at in window_starts(slices)])
    primitives = shared_out(dance_primitives(model, windows, seed, steps), slices)
    hints = hints_of(model.normaliser.normalise(primitives), config.fine.frames)
    in_slices = in_slices[:slices]
    normalised = sample_held(
        network.fine,
        in_slices,
        hints,
        _noise(in_slices, config.fine, seed_of(seed, "slices")),
        cosine_schedule().to(music.device),
        torch.full((slices,), genre, device=music.device),
        seeded_noise([seed_of(seed, "style")], slices, NOISE_WIDTH, music.device),
        soft,
        steps,
    )
    vectors = model.normaliser.unnormalise(normalised)
    return joined(vectors)[:frames].cpu().numpy()


@torch.no_grad()
def dance_primitives(model: Model, windows: Tensor, seed: int, steps: int = 50) -> Tensor:
    """(W, 104, 139) unnormalised primitives, their rotations orthonormal: what the global network dances.

    Args:
        model: its network in ``eval`` mode, on the device of ``windows``.
        windows: (W, 1024, K) of music.
        seed: of the noise.
        steps: of sampling, 50 as published.
    """
    network, config = model.network.coarse, model.config.coarse
    schedule = cosine_schedule().to(windows.device)
    times = ddim_times(steps, schedule.num_times)
    primitives = ddim(predictor(network, windows), _noise(windows, config, seed), schedule, times)
    return _proper(model.normaliser.unnormalise(primitives))


def _proper(vectors: Tensor) -> Tensor:
    """The same (..., F) unnormalised motion vectors, their 6D rotations orthonormal."""
    turned = vectors[..., ROTATIONS].reshape(*vectors.shape[:-1], -1, 6)
    return torch.cat(
        [vectors[..., : ROTATIONS.start], matrix_to_rot6d(rot6d_to_matrix(turned)).flatten(-2)], -1
    )


def _noise(music: Tensor, config: GlobalConfig | LocalConfig, seed: int) -> NoiseSource:
    """Noise of a batch of windows, from one generator."""
    frames = config.motion_frames or config.frames
    draw = seeded_noise([seed], len(music) * frames, config.features, music.device)
    return lambda: draw().reshape(len(music), frames, config.features)


def sample_held(
    network: DanceDecoder,
    music: Tensor,
    hints: Hints,
    draw: NoiseSource,
    schedule: Schedule,
    genre: Tensor | None = None,
    draw_style: NoiseSource | None = None,
    soft: float = 1.0,
    steps: int = 50,
) -> Tensor:
    """(S, 256, F) normalised motion of slices that is held to hints (LODGE ``inpaint_soft_ddim``).

    The first and last 4 frames are held at every step but the last, hints between them while the diffusion time is
    above ``50 (1 - soft)``: published code means the step there, and compares the time.

    Args:
        network: in ``eval`` mode.
        music: (S, 256, K).
        hints: of the slices.
        draw: source of (S, 256, F) noise.
        schedule: as in training.
        genre: (S,) labels, for a network with styles.
        draw_style: source of (1, S, :data:`~baselines.genre_transformer.NOISE_WIDTH`) noise, asked twice a step.
        soft: 0..1.
        steps: of sampling, 50 as published.
    """
    times = ddim_times(steps, schedule.num_times)
    weights = dict(zip(times, rising_weights(len(times)), strict=True))
    border = hints.mask & hints.border()

    def styles() -> tuple[Tensor, Tensor] | None:
        if genre is None or draw_style is None or not isinstance(network, LocalDecoder):
            return None
        return network.mapping(draw_style()[0], genre), network.mapping(draw_style()[0], genre)

    def hold(noisy: Tensor, time: int) -> Tensor:
        held = hints.mask if time > _SOFT_STEPS * (1 - soft) else border
        return torch.where(held, hints.value, noisy)

    with torch.no_grad():
        predict = predictor(network, music, weights.__getitem__, styles)
        return ddim(predict, draw, schedule, times, after_step=hold)


def joined(slices: Tensor) -> Tensor:
    """(S 256, F) one dance of unnormalised slices (S, 256, F): each root goes on where the one before leads."""
    out = slices.clone()
    across = [ROOT.start, ROOT.start + 2]
    for index in range(1, len(out)):
        last, before = out[index - 1, -1, across], out[index - 1, -2, across]
        out[index, :, across] += 2 * last - before - out[index, 0, across]
    return out.flatten(0, 1)


def lodge_files(folder: Path) -> tuple[Path, Path, Path]:
    """Checkpoints of the global and of the local network, and the normaliser, in the authors' ``exp`` folder.

    Raises:
        WeightsError: one is not there.
    """
    coarse, fine = (
        newest_epoch(folder, f"{part}_Module/*/checkpoints/epoch=N.ckpt", whose="the authors' folder exp")
        for part in ("Global", "Local")
    )
    normaliser = next((folder / name for name in _NORMALISERS if (folder / name).is_file()), None)
    if normaliser is None:
        raise WeightsError(
            f"{folder}: there is no Normalizer.pth in it or beside it; it is the file data/Normalizer.pth of the "
            "repository li-ronghui/LODGE"
        )
    return coarse, fine, normaliser


def load_lodge(path: Path) -> Model:
    """Lodge from a model folder, or from the authors' ``exp`` folder with ``Normalizer.pth`` in it or beside it.

    Raises:
        WeightsError: it is neither, or a file holds another network.
    """
    if (path / CONFIG_FILE).is_file():
        return read_model(path, LODGE_KIND)
    coarse, fine, constants = lodge_files(path)
    normaliser = _normaliser(constants)
    config = LodgeConfig()
    network = Lodge(config)
    load_strictly(
        network.coarse, parts_of_state(read_lightning(coarse), _PREFIX, _BESIDE, coarse, _COPIES), coarse
    )
    state = parts_of_state(read_lightning(fine), _PREFIX, _BESIDE, fine, _COPIES)
    empty = state.get("null_cond_embed")
    if empty is not None and empty.ndim == 3:
        # The published settings of the fine-tuning name 1024 frames; slices have 256, and those are what is sampled.
        state["null_cond_embed"] = empty[:, : config.fine.frames]
    load_strictly(network.fine, state, fine)
    return Pretrained(network.eval(), config, normaliser, _info())


def _normaliser(path: Path) -> Normaliser:
    normaliser = read_normaliser(path)
    if len(normaliser.scale) != FEATURES:
        raise WeightsError(f"{path}: is for {len(normaliser.scale)} features, not {FEATURES}")
    return normaliser


def make_tiny_lodge(folder: Path, seed: int = 0) -> None:
    """Write networks of random weights as a model folder, for trying out commands and for tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LodgeConfig(
            coarse=GlobalConfig(latent=8, feed_forward=8, layers=1, heads=1),
            fine=LocalConfig(latent=8, feed_forward=8, layers=1, heads=1),
        )
        network = Lodge(config)
        nn.init.zeros_(network.fine.refine_final_layer1.weight)
        for part in (network.coarse, network.fine):
            # Untrained they sway about the rest pose.
            nn.init.normal_(part.final_layer.weight, std=0.05)
            nn.init.zeros_(part.final_layer.bias)
    save_model(folder, network, config, _around_rest(), _info("tiny-random"), LODGE_KIND.name)


def _around_rest() -> Normaliser:
    """A range of motion around somebody who stands still on the floor."""
    body = skeleton("smplx-22")
    still = Motion3D(
        np.zeros((1, body.num_joints, 3), np.float32),
        np.zeros((1, 3), np.float32),
        float(FPS),
        "y",
        "smplx-22",
    )
    middle = encode(still, _LAYOUT)[0]
    middle[ROOT.start + 1] -= floor_height_m(joint_positions(still), "y", "first_frame")
    return Normaliser(np.full(FEATURES, 2.0, np.float32), -2.0 * middle)


def _info(label: str | None = None) -> ModelInfo:
    return ModelInfo(label=label, fps=FPS, layout=_LAYOUT, genres=GENRES)
