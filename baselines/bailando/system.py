"""Bailando as a ``motion`` system: codes of dance chosen to the music, 8 frames each at 60 per second.

The authors begin with the codes of the real dance; here a dance begins, as their demo does, with those of a standing
pose. Joint positions become rotations (:func:`madata.motion.motion_of_positions`), with bones as long as the dance has
them on average, and stand on the floor.

Weights: the option ``weights`` (the authors' ``experiments`` folder, or a model folder), else ``bailando`` below a
weights folder. Of the authors' GPTs the one finished by reinforcement learning (``actor_critic``) is taken where it is
there; it was finished on the music of the test set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation.systems import Card, Loaded, Request, fit_motion, system
from mace_dance.motion.system import loaded_from
from madata.devices import on_device
from madata.errors import MadanceError, MediaError, WeightsError

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


@system("bailando", task="motion", fps=60, card=CARD)
class BailandoSystem:
    """See the module."""

    def __init__(self, weights: str | None = None) -> None:
        """See the module for the option."""
        self._given = weights
        self._device = "cpu"
        self._model: Pretrained[Bailando, BailandoConfig] | None = None
        self.loaded: Loaded | None = None

    def setup(self, device: str) -> None:
        """Load the weights.

        Raises:
            WeightsError: there are none, or they are those of another network; the message holds the command.
        """
        from baselines.bailando.model import load_bailando

        path = self._find()
        model = load_bailando(path)
        on_device(model.network, device)
        self._device, self._model = device, model
        self.loaded = loaded_from(path, CARD, model.network, model.info)

    def plan(self, request: Request, device: str) -> list[str]:
        """Which weights, how many codes.

        Raises:
            WeightsError: there are no weights.
        """
        path = self._find()
        if not path.is_dir():
            raise WeightsError(f"{path}: no such folder")
        return [f"weights {path}", f"{_codes(request)} codes of 8 frames for each half of the body"]

    def generate(self, request: Request) -> Motion3D:
        """The dance.

        Raises:
            MediaError: the music cannot be read, or is shorter than the clip.
        """
        import torch

        from baselines.bailando.model import dance_to, motion_of_poses

        if self._model is None:
            raise MadanceError("bailando: setup(device) comes before generate(request)")
        network = self._model.network.to(self._device)
        music = torch.as_tensor(self._music(request)[None], device=self._device)
        poses = dance_to(network, music)[0].cpu().numpy()
        return fit_motion(motion_of_poses(poses), request.fps, request.num_frames)

    def release(self) -> None:
        """Leave the accelerator until the next clip."""
        if self._model is not None:
            self._model.network.to("cpu")

    def _find(self) -> Path:
        from madata.weights import find

        return find("bailando") if self._given is None else Path(self._given).expanduser()

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
