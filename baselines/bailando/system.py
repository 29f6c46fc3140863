"""Bailando as a ``motion`` system: codes of dance chosen to the music, 8 frames each at 60 per second.

The authors begin with the codes of the real dance; here a dance begins, as their demo does, with those of a standing
pose. Joint positions become rotations (:func:`madata.motion.motion_of_positions`), with bones as long as the dance has
them on average, and stand on the floor.

Weights: the option ``weights`` (the authors' ``experiments`` folder, or a model folder), else ``bailando`` below a
weights folder. Of the authors' GPTs the one finished by reinforcement learning (``actor_critic``) is taken where it is
there; it was finished on the music of the test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.motion_system import PretrainedSystem, require_music_width
from evaluation.systems import Card, Request, fit_motion, system
from madata.errors import MadanceError, MediaError

if TYPE_CHECKING:
    from baselines.bailando.model import Bailando, BailandoConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import FloatArray, Motion3D

__all__ = ["BailandoSystem"]

CARD = Card(
    paper="Bailando",
    url="https://github.com/lisiyao21/Bailando",
    licence="S-Lab License 1.0 (non-commercial)",
    n_parameters=152_101_451,
    training_data=("aist++:train", "aist++:test music"),
)
_HELD_FRAMES = 2


@system("bailando", task="motion", fps=60, card=CARD, weights=("bailando",))
class BailandoSystem(PretrainedSystem["Bailando", "BailandoConfig"]):
    """See the module."""

    name = "bailando"
    card = CARD

    def load(self, path: Path) -> Pretrained[Bailando, BailandoConfig]:
        """From a model folder or the authors' experiments.

        Raises:
            WeightsError: see :func:`baselines.bailando.model.load_bailando`.
            ConfigError: the network hears other music.
        """
        from baselines.bailando.model import load_bailando

        model = load_bailando(path)
        require_music_width(path, model.config.gpt.music_features, 438)
        return model

    def authors_files(self, path: Path) -> Sequence[Path]:
        """See :meth:`PretrainedSystem.authors_files`."""
        from baselines.bailando.model import bailando_files

        return bailando_files(path)

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many codes.

        Raises:
            WeightsError: there are no weights.
        """
        return [f"weights {self.found()}", f"{_codes(request)} codes of 8 frames for each half of the body"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        return self.generate_many([request])[0]

    def generate_many(self, requests: Sequence[Request]) -> list[Motion3D]:
        """The dances to several songs, which share every reading of the weights.

        Raises:
            MediaError: the music of one cannot be read, or is shorter than its clip.
        """
        import torch

        from baselines.bailando.model import dance_to, motion_of_poses

        songs = [torch.as_tensor(self._music(request), device=self._device) for request in requests]
        return [
            fit_motion(motion_of_poses(poses.cpu().numpy()), request.fps, request.num_frames)
            for request, poses in zip(requests, dance_to(self.on_accelerator().network, songs), strict=True)
        ]

    def _music(self, request: Request) -> FloatArray:
        """(N, 438) features at 7.5 frames per second."""
        from baselines.bailando.model import CODES_PER_S
        from madata.music import music_features

        if request.music is None:
            raise MadanceError(f"{request.clip_id}: a dance needs music")
        values = music_features(request.music, "bailando", CODES_PER_S).values
        count = _codes(request)
        if len(values) + _HELD_FRAMES < count:
            raise MediaError(
                f"{request.music}: lasts {len(values) / CODES_PER_S:.2f} s, {request.duration_s:.2f} s are asked for",
                reason="too_short",
            )
        return np.ascontiguousarray(values[np.minimum(np.arange(count), len(values) - 1)])


def _codes(request: Request) -> int:
    return max(1, int(np.ceil(request.duration_s * 7.5 - 1e-6)))
