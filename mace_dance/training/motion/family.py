"""Families of motion networks that one trainer trains: the Motion Expert with its ablations, and EDGE.

A family is an entry point of the group ``madance.trainers``: what the trainer (:mod:`mace_dance.training.motion.task`)
has to know of a network. Baselines register theirs without being imported from here.

Legend: B batch, T frames, F motion features, K music features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from mace_dance.motion.config import Choices, MotionExpertConfig, NetworkConfig
from mace_dance.motion.diffusion import NoiseSource, Schedule, ddim_times
from mace_dance.motion.guidance import draw_training, sample_motion, training_prediction
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.pretrained import MOTION_EXPERT, Kind
from mace_dance.training.motion.settings import DanceSampleSettings
from madata.errors import ConfigError, did_you_mean
from madata.plugins import refuse_foreign

__all__ = ["GROUP", "MotionFamily", "find_family", "motion_expert"]

GROUP = "madance.trainers"

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=NetworkConfig)


@dataclass(frozen=True)
class MotionFamily(Generic[Network, Config]):
    """What the trainer knows of a kind of network.

    Attributes:
        kind: its name, settings and constructor. The settings have ``features`` and ``music_features``.
        predict: (network, schedule, clean (B, T, F), music (B, T, K), genre (B,), generator) -> (B, T, F), what the
            losses compare with ``clean``; draws times, noise and guidance from the generator.
        sample: (network in ``eval`` mode, music, genre, noise, schedule, settings) -> (B, T, F) normalised motion.
        choices: how the losses are read.
        genres: labels the network knows; ``None`` for one without labels.
        window_frames: the only length it takes; ``None`` for any.
    """

    kind: Kind[Network, Config]
    predict: Callable[[Network, Schedule, Tensor, Tensor, Tensor, torch.Generator], Tensor]
    sample: Callable[[Network, Tensor, Tensor, NoiseSource, Schedule, DanceSampleSettings], Tensor]
    choices: Callable[[Config], Choices]
    genres: Callable[[Config], int | None]
    window_frames: Callable[[Config], int | None]


def find_family(name: str) -> MotionFamily[Any, Any]:
    """The family of this name.

    Raises:
        ConfigError: there is none, or it cannot be loaded.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise ConfigError(
            f"there is no family of motion networks {name!r}{did_you_mean(name, sorted(found))}"
        )
    try:
        family = found[name].load()
    except (ImportError, AttributeError) as error:
        refuse_foreign(found[name].module.partition(".")[0])  # where that is why, it says so
        raise ConfigError(f"the family {name!r} ({found[name].value}) cannot be loaded: {error}") from error
    if not isinstance(family, MotionFamily):
        raise ConfigError(f"{found[name].value} is a {type(family).__name__}, not a MotionFamily")
    return family


def _genre(network: MotionExpert, genre: Tensor) -> Tensor | None:
    return genre if network.config.choices.genre == "on" else None


def _predict(
    network: MotionExpert,
    schedule: Schedule,
    clean: Tensor,
    music: Tensor,
    genre: Tensor,
    generator: torch.Generator,
) -> Tensor:
    draws = draw_training(network.config, schedule, clean, generator)
    return training_prediction(network, schedule, clean, music, _genre(network, genre), draws)


def _sample(
    network: MotionExpert,
    music: Tensor,
    genre: Tensor,
    draw: NoiseSource,
    schedule: Schedule,
    settings: DanceSampleSettings,
) -> Tensor:
    times = ddim_times(settings.steps, schedule.num_times)
    return sample_motion(network, music, _genre(network, genre), draw, schedule, settings.beta, times)


motion_expert: MotionFamily[MotionExpert, MotionExpertConfig] = MotionFamily(
    kind=MOTION_EXPERT,
    predict=_predict,
    sample=_sample,
    choices=lambda config: config.choices,
    genres=lambda config: config.genres if config.choices.genre == "on" else None,
    window_frames=lambda config: None,
)
"""The Motion Expert; its ablations are settings of the network."""
