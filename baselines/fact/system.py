"""FACT as a ``motion`` system: a frame after the other, from a song and 2 s of motion before it.

The authors start from 2 s of the real dance. Here a dance starts with the music: what lies before it is the option
``seed_motion`` (any motion file; its last 2 s are taken), or else somebody who stands still, and for these 2 s the
network hears silence, as it does in the 2 s that it looks ahead of the song's end. So a dance is as long as asked,
needs no truth, and goes on for as long as the music does.

Weights: the option ``weights`` (the authors' folder, a TensorFlow checkpoint in it without ``.index``, or a model
folder), else ``fact`` below a weights folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.motion_system import PretrainedSystem, read_seed_motion, require_music_width
from evaluation.systems import Card, Request, fit_motion, system
from mace_dance.motion.system import music_for

if TYPE_CHECKING:
    from baselines.fact.network import Fact, FactConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import FloatArray, Motion3D

__all__ = ["FactSystem"]

CARD = Card(
    paper="FACT",
    url="https://github.com/google-research/mint",
    licence="Apache-2.0",
    n_parameters=120_406_977,
    training_data=("aist++:train",),
)


@system("fact", task="motion", fps=60, card=CARD, weights=("fact",))
class FactSystem(PretrainedSystem["Fact", "FactConfig"]):
    """See the module."""

    name = "fact"
    card = CARD

    def __init__(self, weights: str | None = None, seed_motion: str | None = None) -> None:
        """See the module for the options."""
        super().__init__(weights)
        self._seed_motion = None if seed_motion is None else Path(seed_motion).expanduser()

    def load(self, path: Path) -> Pretrained[Fact, FactConfig]:
        """From a model folder or a TensorFlow checkpoint; the seed motion is looked at, too.

        Raises:
            WeightsError: see :func:`baselines.fact.network.load_fact`.
            ConfigError: the network hears other music.
            MediaError: the seed motion cannot be read or is too short.
        """
        from baselines.fact.network import load_fact

        model = load_fact(path)
        require_music_width(path, model.config.music_features, 35)
        self._seed(model.config.seed_frames)
        return model

    def authors_files(self, path: Path) -> Sequence[Path]:
        """See :meth:`PretrainedSystem.authors_files`."""
        from baselines.fact.network import fact_checkpoint
        from baselines.fact.tf_checkpoint import checkpoint_files

        return checkpoint_files(fact_checkpoint(path))

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many frames.

        Raises:
            WeightsError: there are no weights.
            MediaError: the seed motion cannot be read.
        """
        self._seed(1)
        return [f"weights {self.found()}", f"{round(request.duration_s * 60)} frames, one pass each"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        import torch

        from baselines.fact.network import FPS, LAYOUT, continue_dance
        from madata.motion import decode

        model = self.on_accelerator()
        network, config = model.network, model.config
        heard = music_for(request, FPS)
        steps, before = len(heard), config.seed_frames
        music = np.zeros(
            (steps - 1 + max(config.music_frames, before + 1), config.music_features), np.float32
        )
        music[before : before + steps] = heard
        vectors = continue_dance(
            network,
            torch.as_tensor(self._seed(before)[None], device=self._device),
            torch.as_tensor(music[None], device=self._device),
            steps,
        )
        source = f"the dance to {request.clip_id}"
        motion = decode(vectors[0].cpu().numpy(), LAYOUT, FPS, source=source)
        return fit_motion(motion, request.fps, request.num_frames)

    def _seed(self, frames: int) -> FloatArray:
        """(S, 225) of what is danced before the music."""
        from baselines.fact.network import FPS, LAYOUT, rest_seed
        from madata.motion import encode

        if self._seed_motion is None:
            return rest_seed(frames)
        return encode(read_seed_motion(self._seed_motion, frames, FPS), LAYOUT)
