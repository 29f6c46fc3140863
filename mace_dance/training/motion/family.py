"""Families of motion networks that one trainer trains: the Motion Expert with its ablations, and baselines.

A family is an entry point of the group ``madance.trainers``: what the trainer (:mod:`mace_dance.training.motion.task`)
has to know of a network, or of one stage of its training. Baselines register theirs without being imported from here.
:func:`diffusion_family` makes those that predict clean motion from a noisy one.

Legend: B batch, T frames, F motion features, K music features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from mace_dance.motion.config import Choices, MotionExpertConfig, NetworkConfig
from mace_dance.motion.diffusion import NoiseSource, Schedule, cosine_schedule, ddim_times, seeded_noise
from mace_dance.motion.guidance import draw_training, sample_motion, training_prediction
from mace_dance.motion.losses import LossWeights, motion_losses
from mace_dance.motion.model import MotionExpert
from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import MOTION_EXPERT, Kind
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.settings import DanceSampleSettings, LossSettings
from madata.errors import ConfigError, did_you_mean
from madata.plugins import refuse_foreign

__all__ = ["GROUP", "Critic", "Lesson", "MotionFamily", "diffusion_family", "find_family", "motion_expert"]

GROUP = "madance.trainers"

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=NetworkConfig)


@dataclass(frozen=True)
class Lesson:
    """What of a run losses and samples may depend on.

    Attributes:
        losses, samples: its settings.
        vector: layout of the motion vectors.
        normaliser: of the training motions.
    """

    losses: LossSettings
    samples: DanceSampleSettings
    vector: str
    normaliser: Normaliser


def _whole(network: nn.Module) -> Sequence[nn.Module]:
    return [network]


def _the_same(network: Any, config: Config, windows: WindowBatch) -> Config:
    return config


@dataclass(frozen=True)
class Critic(Generic[Network]):
    """What trains against a network, each after the other at every step.

    Attributes:
        module: (network) -> the part of it that judges.
        loss: as that of :class:`MotionFamily`; what it minimises.
    """

    module: Callable[[Network], nn.Module]
    loss: Callable[[Network, Lesson, WindowBatch, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class MotionFamily(Generic[Network, Config]):
    """What the trainer knows of a kind of network, or of a stage of its training.

    Attributes:
        kind: its name, settings and constructor. The settings have ``features``.
        loss: (network in training mode, lesson, windows, generator) -> the scalar to minimise, and parts to log.
            Everything random comes from the generator, or from torch's global one.
        sample: (network in ``eval`` mode, lesson, windows) -> (B, T - given, F) motion vectors to their music; of
            their motion, ``given`` frames may be looked at. ``None`` where ``measure`` stands for it.
        genres: labels the network knows; ``None`` for one without labels.
        window_problem: (settings, frames of a window) -> what is wrong with that length, ``None`` where nothing is.
        vector: the layout of motion vectors that it needs, ``None`` for any.
        layout: of the model's vectors, where they are not those of the windows.
        normalised: it takes motion in -1..1, and not as it is.
        given: (settings) -> frames at the begin of a window from which a sample goes on.
        trains: the modules a run trains; everything else is frozen.
        critic: what trains against these.
        begins_with: the preset whose model this stage begins with; empty for none.
        new: what of the network that model need not have, as prefixes of tensor names.
        fit: (network, training windows spread over all) -> before a run that begins with no model: statistics.
        finish: (trained network, settings, the first window of every take) -> settings of the model; it may
            set buffers.
        music_width: (settings) -> K; ``None`` for a network that hears nothing.
        measure: (network in ``eval`` mode, lesson, windows) -> (B,) numbers by name, of a network that does not dance;
            their means over held-out windows judge it.
    """

    kind: Kind[Network, Config]
    loss: Callable[[Network, Lesson, WindowBatch, torch.Generator], tuple[Tensor, dict[str, Tensor]]]
    sample: Callable[[Network, Lesson, WindowBatch], Tensor] | None
    music_width: Callable[[Config], int | None]
    window_problem: Callable[[Config, int], str | None] = lambda config, frames: None
    genres: Callable[[Config], int | None] = lambda config: None
    vector: str | None = None
    layout: str | None = None
    normalised: bool = True
    given: Callable[[Config], int] = lambda config: 0
    trains: Callable[[Network], Sequence[nn.Module]] = _whole
    critic: Critic[Network] | None = None
    begins_with: str = ""
    new: tuple[str, ...] = ()
    fit: Callable[[Network, WindowBatch], None] | None = None
    finish: Callable[[Network, Config, WindowBatch], Config] = _the_same
    measure: Callable[[Network, Lesson, WindowBatch], dict[str, Tensor]] | None = None


def diffusion_family(
    kind: Kind[Network, Config],
    predict: Callable[[Network, Schedule, Tensor, Tensor, Tensor, torch.Generator], Tensor],
    sample: Callable[[Network, Tensor, Tensor, NoiseSource, Schedule, DanceSampleSettings], Tensor],
    *,
    music_width: Callable[[Config], int],
    choices: Callable[[Config], Choices] = lambda config: Choices(),
    genres: Callable[[Config], int | None] = lambda config: None,
    window_problem: Callable[[Config, int], str | None] = lambda config, frames: None,
) -> MotionFamily[Network, Config]:
    """A network that is trained on the losses of equation 5.

    Args:
        kind, music_width, genres, window_problem: see :class:`MotionFamily`.
        predict: (network, schedule, clean (B, T, F), music (B, T, K), genre (B,), generator) -> (B, T, F), what the
            losses compare with ``clean``; draws times, noise and guidance from the generator.
        sample: (network in ``eval`` mode, music, genre, noise, schedule, settings) -> (B, T, F) normalised motion.
        choices: how the losses are read. The network's settings are its attribute ``config``.
    """

    def loss(
        network: Network, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        device = batch.motion.device
        schedule = _schedule(device)
        predicted = predict(network, schedule, batch.motion, batch.music, batch.genre, generator)
        config: Config = network.config  # type: ignore[assignment]
        with torch.autocast(device.type, enabled=False):  # the losses themselves in float32
            found = motion_losses(
                predicted.float(),
                batch.motion,
                lesson.vector,
                LossWeights(**lesson.losses.model_dump()),
                choices(config),
                lesson.normaliser,
            )
        parts = ("reconstruction", "velocity", "joints", "foot")
        return found.total, {part: getattr(found, part) for part in parts}

    def dance(network: Network, lesson: Lesson, batch: WindowBatch) -> Tensor:
        device = batch.motion.device
        seeds = [lesson.samples.seed + int(index) for index in batch.window]
        draw = seeded_noise(seeds, batch.motion.shape[1], batch.motion.shape[2], device)
        made = sample(network, batch.music, batch.genre, draw, _schedule(device), lesson.samples)
        return lesson.normaliser.unnormalise(made)

    return MotionFamily(
        kind=kind,
        loss=loss,
        sample=dance,
        music_width=music_width,
        genres=genres,
        window_problem=window_problem,
    )


@cache
def _schedule(device: torch.device) -> Schedule:
    return cosine_schedule().to(device)


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


motion_expert: MotionFamily[MotionExpert, MotionExpertConfig] = diffusion_family(
    MOTION_EXPERT,
    _predict,
    _sample,
    music_width=lambda config: config.music_features,
    choices=lambda config: config.choices,
    genres=lambda config: config.genres if config.choices.genre == "on" else None,
)
"""The Motion Expert; its ablations are settings of the network."""
