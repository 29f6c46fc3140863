"""Lodge as three families for ``madance train motion``, one for each stage of its training.

| preset | trains | on |
|---|---|---|
| ``lodge-local`` | the network of the slices, and its critic | windows of a slice |
| ``lodge-fine-tuning`` | the same, on other losses | the same, the first and last 4 frames given as they are |
| ``lodge-global`` | the network of the primitives | primitives of windows of four slices |

The last model holds both networks. Losses are those of :mod:`baselines.lodge.losses`; music is left out of a quarter of
the samples. Beside them the local network is moved by what its critic says of the dance as one of its genre, by the
distance of two noises over that of their styles, and by what the critic says of the same dance as one of its own and of
another genre, which is to tell genres apart, yet raises both judgements, as published.

Primitives are cut about the beats of the dance and about the borders of the slices. Published code looks for beats
among joints of normalised vectors, and cuts the inner borders at a quarter of their places: here joints are in metres
and borders where slices meet.

Held-out slices are danced to freely, without hints; held-out windows as the system dances.

Legend: B batch, T frames, F motion features, K music features.
"""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.dance_decoder import DanceDecoder
from baselines.genre_transformer import NOISE_WIDTH, hinge_loss
from baselines.lodge.losses import FINE_TUNING, GLOBAL, LOCAL, LodgeLosses, lodge_losses
from baselines.lodge.model import LODGE_KIND, Lodge, LodgeConfig, dance_coarse_to_fine, sample_held
from baselines.lodge.primitives import PRIMITIVE, SLICES, Hints, primitives_of_windows
from mace_dance.motion.diffusion import Schedule, cosine_schedule, seeded_noise
from mace_dance.motion.pretrained import ModelInfo, Pretrained
from mace_dance.training.motion.data import WindowBatch
from mace_dance.training.motion.family import Critic, Lesson, MotionFamily
from madata.seeds import seed_of

__all__ = ["fine_tuning", "global_", "local"]

_VECTOR = "lodge-139"
_CONDITION_DROP = 0.25
_ADVERSARIAL, _CRITIC = 0.01, 0.1
_HELD = PRIMITIVE // 2
_MOST_SHIFT = 2

Loss = tuple[Tensor, dict[str, Tensor]]


@cache
def _schedule(device: torch.device) -> Schedule:
    return cosine_schedule().to(device)


def _denoised(
    decoder: DanceDecoder,
    clean: Tensor,
    music: Tensor,
    generator: torch.Generator,
    style: Tensor | None = None,
    *,
    held: bool = False,
) -> Tensor:
    """(B, T, F) what the network makes of clean motion at a time drawn, with noise and music drawn."""
    schedule, batch = _schedule(clean.device), len(clean)
    times = torch.randint(schedule.num_times, (batch,), generator=generator).to(clean.device)
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    keep = (torch.rand(batch, generator=generator) >= _CONDITION_DROP).to(clean.device)
    noisy = schedule.add_noise(clean, times, noise)
    if held:
        noisy = torch.cat([clean[:, :_HELD], noisy[:, _HELD:-_HELD], clean[:, -_HELD:]], dim=1)
    out: Tensor = decoder(noisy, music, times, keep, style)
    return out


def _noise(batch: WindowBatch, generator: torch.Generator) -> Tensor:
    return torch.randn(len(batch.motion), NOISE_WIDTH, generator=generator).to(batch.motion)


def _slice(network: Lodge, batch: WindowBatch, generator: torch.Generator, *, held: bool) -> Tensor:
    style = network.fine.mapping(_noise(batch, generator), batch.genre)
    return _denoised(network.fine, batch.motion, batch.music, generator, style, held=held)


def _local_loss(
    weights: LodgeLosses, network: Lodge, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
) -> Loss:
    found = _slice(network, batch, generator, held=weights is FINE_TUNING)
    with torch.autocast(found.device.type, enabled=False):  # the losses themselves in float32
        parts = lodge_losses(found.float(), batch.motion, lesson.normaliser, weights)
    one, another = (_noise(batch, generator) for _ in range(2))
    mapping, genres = network.fine.mapping, network.config.fine.genres
    apart = F.l1_loss(mapping(one, batch.genre), mapping(another, batch.genre))
    away = torch.randint(1, max(2, genres), (len(found),), generator=generator).to(batch.genre)
    own, other = network.critic(found, batch.music, batch.genre, (batch.genre + away) % genres)
    as_own = hinge_loss(own, real=True, critic=False)
    parts |= {
        "adversarial": _ADVERSARIAL * as_own,
        "diversity": _ADVERSARIAL * F.l1_loss(one, another) / apart,
        "genre": _ADVERSARIAL * (as_own + hinge_loss(other, real=False, critic=False)) / 2,
    }
    return torch.stack(list(parts.values())).sum(), parts


def _critic_loss(
    weights: LodgeLosses, network: Lodge, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
) -> Loss:
    with torch.no_grad():
        found = _slice(network, batch, generator, held=weights is FINE_TUNING)
    real, fake = (
        hinge_loss(*network.critic(motion, batch.music, batch.genre), real=is_real, critic=True)
        for motion, is_real in ((batch.motion, True), (found, False))
    )
    return _CRITIC * (real + fake) / 2, {"real": real, "fake": fake}


def _global_loss(network: Lodge, lesson: Lesson, batch: WindowBatch, generator: torch.Generator) -> Loss:
    span = 2 * _MOST_SHIFT + 1
    shifts = torch.randint(span, (len(batch.motion),), generator=generator) - _MOST_SHIFT
    clean = primitives_of_windows(batch.motion, lesson.normaliser, shifts.tolist())
    found = _denoised(network.coarse, clean, batch.music, generator)
    with torch.autocast(found.device.type, enabled=False):
        parts = lodge_losses(found.float(), clean, lesson.normaliser, GLOBAL)
    return torch.stack(list(parts.values())).sum(), parts


def _local_sample(network: Lodge, lesson: Lesson, batch: WindowBatch) -> Tensor:
    motion, device = batch.motion, batch.motion.device
    _, frames, features = motion.shape
    seeds = [lesson.samples.seed + int(index) for index in batch.window]
    styles = seeded_noise([seed_of(seed, "style") for seed in seeds], 1, NOISE_WIDTH, device)
    free = Hints(torch.zeros_like(motion), torch.zeros_like(motion, dtype=torch.bool))
    made = sample_held(
        network.fine,
        batch.music,
        free,
        seeded_noise(seeds, frames, features, device),
        _schedule(device),
        batch.genre,
        lambda: styles().transpose(0, 1),
        steps=lesson.samples.steps,
    )
    return lesson.normaliser.unnormalise(made)


def _global_sample(network: Lodge, lesson: Lesson, batch: WindowBatch) -> Tensor:
    model = Pretrained(network, network.config, lesson.normaliser, ModelInfo())
    danced = [
        dance_coarse_to_fine(
            model, music, len(music), int(genre), lesson.samples.seed + int(index), steps=lesson.samples.steps
        )
        for music, genre, index in zip(batch.music, batch.genre, batch.window, strict=True)
    ]
    return torch.stack([torch.from_numpy(vectors) for vectors in danced])


def _local_problem(config: LodgeConfig, frames: int) -> str | None:
    if not config.critic_layers:
        return "the settings have no critic: --set model.critic_layers=4"
    if frames == config.fine.frames:
        return None
    return f"the local network takes {config.fine.frames}: set data.window_frames and model.fine.frames alike"


def _global_problem(config: LodgeConfig, frames: int) -> str | None:
    if frames == config.coarse.frames:
        return None
    return (
        f"the global network takes {config.coarse.frames}, {SLICES} slices: set data.window_frames and "
        "model.coarse.frames alike"
    )


_stage = partial(
    MotionFamily[Lodge, LodgeConfig],
    kind=LODGE_KIND,
    music_width=lambda config: config.coarse.music_features,
    genres=lambda config: config.fine.genres,
    vector=_VECTOR,
)

local: MotionFamily[Lodge, LodgeConfig] = _stage(
    loss=partial(_local_loss, LOCAL),
    sample=_local_sample,
    window_problem=_local_problem,
    trains=lambda network: [network.fine],
    critic=Critic(lambda network: network.critic, partial(_critic_loss, LOCAL)),
)
"""The first stage."""

fine_tuning: MotionFamily[Lodge, LodgeConfig] = _stage(
    loss=partial(_local_loss, FINE_TUNING),
    sample=_local_sample,
    window_problem=_local_problem,
    trains=lambda network: [network.fine],
    critic=Critic(lambda network: network.critic, partial(_critic_loss, FINE_TUNING)),
    begins_with="lodge-local",
    new=("critic.",),
)
"""The second stage."""

global_: MotionFamily[Lodge, LodgeConfig] = _stage(
    loss=_global_loss,
    sample=_global_sample,
    window_problem=_global_problem,
    trains=lambda network: [network.coarse],
    begins_with="lodge-fine-tuning",
)
"""The last stage: from here on a model dances coarse to fine."""
