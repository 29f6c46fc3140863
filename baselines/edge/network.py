"""EDGE (Tseng et al. 2023, arXiv:2211.10658): music -> 5 s windows of dance by diffusion, stitched to any length.

A Transformer predicts the clean motion of a window (:mod:`baselines.dance_decoder`). Sampling is DDIM with
classifier-free guidance at weight 2, two passes a step. For long music, windows of 5 s begin every 2.5 s and are
sampled as one batch: after each step the first half of a window is replaced by the second half of the one before, and
at the end the halves are blended.

Modules bear the names of the official ``checkpoint.pt`` (Stanford-TML/EDGE), which loads strictly. Motion vectors
are ``edge-151``, normalised; music is 35 features a frame, or 4800 of Jukebox.

Legend: B batch or windows, T frames, F motion features, K music features, M width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from baselines.dance_decoder import (
    GUIDANCE_WEIGHT,
    DanceDecoder,
    DecoderConfig,
    MusicMemory,
    guided,
    predictor,
    rising_weights,
)
from mace_dance.motion.checkpoint import load_strictly, read_checkpoint
from mace_dance.motion.diffusion import NoiseSource, Schedule, ddim, ddim_times
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
    "EdgeConfig",
    "ancestral_step",
    "load_edge",
    "sample_edge",
    "sample_edge_long",
    "stitch",
]

_UNGUIDED_BELOW = 0.1


class EdgeConfig(DecoderConfig):
    """Size of an EDGE network; the defaults are the published ones."""

    features: int = Field(default=151, ge=1)
    frames: int = Field(default=150, ge=1)


EDGE = EdgeConfig()
"""The published size on 35 music features, 47,024,791 parameters."""

EDGE_JUKEBOX = EdgeConfig(music_features=4800)
"""The published size on Jukebox features, 49,464,471 parameters."""


class Edge(DanceDecoder):
    """``x0 = f(z_t, t, music)``; see :class:`baselines.dance_decoder.DanceDecoder`."""


def ancestral_step(
    network: Edge, noisy: Tensor, memory: MusicMemory, time: int, schedule: Schedule
) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the next state in ancestral sampling, which EDGE edits motions with.

    In the last tenth of the times the guidance weight is at most 1.
    """
    late = time < _UNGUIDED_BELOW * schedule.num_times
    times = torch.full((len(noisy),), time, device=noisy.device, dtype=torch.long)
    with torch.no_grad():
        clean = guided(network, noisy, memory, times, min(GUIDANCE_WEIGHT, 1.0) if late else GUIDANCE_WEIGHT)
        return schedule.posterior(clean.clamp(-1, 1), noisy, times)


def sample_edge(
    network: Edge, music: Tensor, draw: NoiseSource, schedule: Schedule, steps: int = 50
) -> Tensor:
    """(B, T, F) normalised dance of one window each: DDIM, eta 1, weight 2.

    Args:
        network: in ``eval`` mode.
        music: (B, T, K).
        draw: source of (B, T, F) noise.
        schedule: as in training.
        steps: 50 as published.
    """
    return ddim(predictor(network, music), draw, schedule, ddim_times(steps, schedule.num_times))


def sample_edge_long(
    network: Edge, music: Tensor, draw: NoiseSource, schedule: Schedule, windows_at_once: int = 32
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
    predict = predictor(network, music, weights.__getitem__, windows_at_once=windows_at_once)

    def agree(noisy: Tensor, time: int) -> Tensor:
        noisy[1:, :half] = noisy[:-1, half:]
        return noisy

    return ddim(predict, draw, schedule, times, after_step=agree)


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
