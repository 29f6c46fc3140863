"""MNET as a family of motion networks for ``madance train motion --preset mnet``: a generator and its critic.

A sample is 2 s of music from anywhere in a window, the first second of the dance to it, and the half second after that.
The generator is moved by five losses, the critic after it by how well it tells its dances from real ones:

| loss of the generator | weight |
|---|---|
| what the critic says of its dance | 1 |
| squares, of what it dances and what was danced | 1 |
| distance of two noises over that of their styles | 0.5 |
| what the critic says of a dance in another genre: as one of that genre, and as one of its own | 1 |

Kept as published: the last is to tell genres apart, yet raises both judgements. Left out: a fifth loss that is computed
without gradient, of the vertices of SMPL. Published code lets its rates fall after 400 and 1000 steps, where its
settings speak of epochs; here they are shares of the run.

Held-out music is danced to from the first second of the real dance on.

Legend: B batch, T frames, S, A and P frames of seed, music and a step.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.genre_transformer import NOISE_WIDTH, hinge_loss
from baselines.mnet.network import MNET_KIND, Mnet, MnetConfig, dance_in_steps, to_rot6d
from mace_dance.motion.diffusion import seeded_noise
from mace_dance.training.motion.data import WindowBatch, frames_from
from mace_dance.training.motion.family import Critic, Lesson, MotionFamily

__all__ = ["mnet"]

_DIVERSITY = 0.5

Loss = tuple[Tensor, dict[str, Tensor]]


def _least_frames(config: MnetConfig) -> int:
    return max(config.music_frames, config.seed_frames + config.step_frames)


def _drawn(network: Mnet, batch: WindowBatch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Seed (B, S, 75), what follows (B, P, 147), music (B, A, K)."""
    config = network.config
    latest = batch.motion.shape[1] - _least_frames(config)
    first = torch.randint(latest + 1, (len(batch.motion),), generator=generator)
    seed = frames_from(batch.motion, first, config.seed_frames)
    following = frames_from(batch.motion, first + config.seed_frames, config.step_frames)
    return seed, to_rot6d(following), frames_from(batch.music, first, config.music_frames)


def _noise(batch: WindowBatch, generator: torch.Generator) -> Tensor:
    return torch.randn(len(batch.motion), NOISE_WIDTH, generator=generator).to(batch.motion)


def _loss(network: Mnet, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    seed, following, music = _drawn(network, batch, generator)
    noise, genres = _noise(batch, generator), network.config.genres
    away = torch.randint(1, max(2, genres), (len(noise),), generator=generator).to(batch.genre)
    other = (batch.genre + away) % genres
    danced = network(seed, music, noise, batch.genre)
    (judged,) = network.critic(danced, music, batch.genre)
    as_other, as_own = network.critic(network(seed, music, noise, other), music, other, batch.genre)
    one, another = (_noise(batch, generator) for _ in range(2))
    styles_apart = F.l1_loss(network.mapping(one, batch.genre), network.mapping(another, batch.genre))
    parts = {
        "adversarial": hinge_loss(judged, real=True, critic=False),
        "reconstruction": F.mse_loss(danced, following),
        "diversity": _DIVERSITY * F.l1_loss(one, another) / styles_apart,
        "genre": hinge_loss(as_other, real=True, critic=False) + hinge_loss(as_own, real=False, critic=False),
    }
    return torch.stack(list(parts.values())).sum(), parts


def _critic_loss(network: Mnet, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    seed, following, music = _drawn(network, batch, generator)
    with torch.no_grad():
        danced = network(seed, music, _noise(batch, generator), batch.genre)
    real, fake = (
        hinge_loss(*network.critic(motion, music, batch.genre), real=is_real, critic=True)
        for motion, is_real in ((following, True), (danced, False))
    )
    return (real + fake) / 2, {"real": real, "fake": fake}


def _sample(network: Mnet, lesson: Lesson, batch: WindowBatch) -> Tensor:
    config, frames = network.config, batch.motion.shape[1]
    wanted = frames - config.seed_frames
    steps = -(-wanted // config.step_frames)
    silence = max(0, (steps - 1) * config.step_frames + config.music_frames - frames)
    seeds = [lesson.samples.seed + int(index) for index in batch.window]
    noise = seeded_noise(seeds, 1, NOISE_WIDTH, batch.motion.device)()[:, 0]
    music = F.pad(batch.music, (0, 0, 0, silence))
    seed = batch.motion[:, : config.seed_frames]
    return dance_in_steps(network, seed, music, noise, batch.genre)[:, :wanted]


def _window_problem(config: MnetConfig, frames: int) -> str | None:
    if not config.critic_layers:
        return "the settings have no critic: --set model.critic_layers=4"
    least = _least_frames(config)
    return None if frames >= least else f"a training sample takes {least}: set data.window_frames"


mnet: MotionFamily[Mnet, MnetConfig] = MotionFamily(
    kind=MNET_KIND,
    loss=_loss,
    sample=_sample,
    music_width=lambda config: config.music_features,
    genres=lambda config: config.genres,
    window_problem=_window_problem,
    vector="mnet-75",
    layout="mnet-147",
    normalised=False,
    given=lambda config: config.seed_frames,
    trains=lambda network: [network.mapping, network.mlp_a, network.mlp_m, network.mlp_l, network.tr_block],
    critic=Critic(lambda network: network.critic, _critic_loss),
)
"""The family."""
