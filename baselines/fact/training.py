"""FACT as a family of motion networks for ``madance train motion --preset fact``.

A sample is 4 s of music that begin somewhere in a window, the first 2 s of the dance to it, and the 20 frames after
these. Held-out music is danced to from the first 2 s of the real dance on, into silence at the end of a window.

Legend: B batch, T frames, S frames of seed, A frames of music, F motion features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.fact.network import (
    FACT_KIND,
    LAYOUT,
    Fact,
    FactConfig,
    continue_dance,
    fact_loss,
)
from mace_dance.training.motion.data import WindowBatch, frames_from
from mace_dance.training.motion.family import Lesson, MotionFamily
from madata.motion import decode, encode

__all__ = ["fact"]


def _least_frames(config: FactConfig) -> int:
    return max(config.music_frames, config.seed_frames + config.target_frames)


def _loss(
    network: Fact, lesson: Lesson, batch: WindowBatch, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    config, frames = network.config, batch.motion.shape[1]
    latest = frames - _least_frames(config)
    first = torch.randint(latest + 1, (len(batch.motion),), generator=generator)
    seed, target, music = (
        frames_from(values, first + begin, count)
        for values, begin, count in (
            (batch.motion, 0, config.seed_frames),
            (batch.motion, config.seed_frames, config.target_frames),
            (batch.music, 0, config.music_frames),
        )
    )
    return fact_loss(network(seed, music, first=config.target_frames), target), {}


def _sample(network: Fact, lesson: Lesson, batch: WindowBatch) -> Tensor:
    config = network.config
    seed = batch.motion[:, : config.seed_frames]
    wanted = batch.motion.shape[1] - config.seed_frames
    silence = max(0, wanted + config.music_frames - 1 - batch.music.shape[1])
    danced = continue_dance(network, seed, F.pad(batch.music, (0, 0, 0, silence)), wanted)
    # The network's matrices are none of rotations; what is judged is what its motion would be.
    vectors = [encode(decode(each, LAYOUT), LAYOUT) for each in danced.cpu().numpy()]
    return torch.from_numpy(np.stack(vectors))


def _window_problem(config: FactConfig, frames: int) -> str | None:
    least = _least_frames(config)
    if frames >= least:
        return None
    return f"a training sample takes {least}: set data.window_frames"


fact: MotionFamily[Fact, FactConfig] = MotionFamily(
    kind=FACT_KIND,
    loss=_loss,
    sample=_sample,
    music_width=lambda config: config.music_features,
    window_problem=_window_problem,
    vector=LAYOUT,
    normalised=False,
    given=lambda config: config.seed_frames,
)
"""The family."""
