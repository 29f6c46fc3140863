"""What the ``motion`` systems with weights have in common: finding them, loading them, holding the accelerator.

A method says its ``name`` (of the system and of its weights), its ``card`` and how a path is loaded; see
:mod:`baselines.fact.system` for a short one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from evaluation.systems import Card, Loaded
from mace_dance.motion.system import loaded_from
from madata.devices import on_device
from madata.errors import ConfigError, MadanceError, MediaError, WeightsError

if TYPE_CHECKING:
    from torch import nn

    from mace_dance.motion.config import NetworkConfig
    from mace_dance.motion.pretrained import Pretrained
    from madata.types import Motion3D

__all__ = ["PretrainedSystem", "read_seed_motion", "require_music_width"]

Network = TypeVar("Network", bound="nn.Module")
Config = TypeVar("Config", bound="NetworkConfig")


class PretrainedSystem(ABC, Generic[Network, Config]):
    """A network that is loaded once and comes to the accelerator for a clip.

    Attributes:
        loaded: what ``setup`` has loaded.

    Args:
        weights: path of the weights; by default what ``madance weights`` knows under the method's name.
    """

    name: ClassVar[str]
    card: ClassVar[Card]

    def __init__(self, weights: str | None = None) -> None:
        self._given = weights
        self._device = "cpu"
        self._model: Pretrained[Network, Config] | None = None
        self.loaded: Loaded | None = None

    @abstractmethod
    def load(self, path: Path) -> Pretrained[Network, Config]:
        """The model of a path that may hold it.

        Raises:
            WeightsError: it does not; the message says what it holds.
        """

    def setup(self, device: str) -> None:
        """Load the weights.

        Raises:
            WeightsError: there are none, or they are those of another network; the message holds the command.
            ConfigError: the model takes what there is not, or the device cannot be used.
        """
        path = self.find()
        model = self.load(path)
        on_device(model.network, device)
        self._device, self._model = device, model
        self.loaded = loaded_from(self.files(path), self.card, model.network, model.info)

    def find(self) -> Path:
        """Where the weights should be; for a checkpoint of several files, their name without suffixes.

        Raises:
            WeightsError: none are named, and none are installed.
        """
        from madata.weights import find_weights

        return find_weights(self.name) if self._given is None else Path(self._given).expanduser()

    def found(self) -> Path:
        """Where the weights are: a model folder of this method, or every file of the authors; for ``plan``.

        Raises:
            WeightsError: they are neither.
        """
        from mace_dance.motion.pretrained import check_kind

        path = self.find()
        self.files(path)
        check_kind(path, self.name)
        return path

    def files(self, path: Path) -> Sequence[Path]:
        """What ``load`` reads of a path: the path itself where it is a model folder, else the files of the authors.

        Raises:
            WeightsError: one is not there; the message names it.
        """
        from mace_dance.motion.pretrained import CONFIG_FILE

        return [path] if (path / CONFIG_FILE).is_file() else self.authors_files(path)

    def authors_files(self, path: Path) -> Sequence[Path]:
        """The files of the authors; of a method that says nothing else it is one.

        Raises:
            WeightsError: one is not there; the message names it.
        """
        if path.is_dir():
            raise WeightsError(f"{path}: is no model folder, it has no config.json")
        if not path.exists():
            raise WeightsError(f"{path}: no such checkpoint or model folder")
        return [path]

    def on_accelerator(self) -> Pretrained[Network, Config]:
        """The model, its network on the device; for ``generate``.

        Raises:
            MadanceError: ``setup`` was not called.
        """
        if self._model is None:
            raise MadanceError(f"{self.name}: setup(device) comes before generate(request)")
        self._model.network.to(self._device)
        return self._model

    def release(self) -> None:
        """Leave the accelerator until the next clip."""
        if self._model is not None:
            self._model.network.to("cpu")


def read_seed_motion(path: Path, frames: int, fps: float) -> Motion3D:
    """The last ``frames`` of a motion file, at ``fps``: what is danced before the music.

    A file ends with its last frame: 2 s at 30 per second are 119 frames at 60. What its own rate leaves open is held.

    Raises:
        MediaError: it cannot be read, or is too short.
    """
    import numpy as np

    from madata.motion import read_motion, resample

    given = read_motion(path)
    motion = resample(given, fps)
    lacking = frames - len(motion.rotation)
    if lacking >= max(1.0, fps / given.fps):
        raise MediaError(
            f"{path}: lasts {len(given.rotation) / given.fps:.2f} s, a seed motion {frames / fps:.2f} s",
            reason="too_short",
        )
    rows = np.maximum(np.arange(-lacking, frames - lacking), 0)
    return replace(motion, rotation=motion.rotation[rows], translation=motion.translation[rows])


def require_music_width(path: Path, found: int, computed: int) -> None:
    """Refuse a network that hears other music features than are computed for its method.

    Args:
        path: of the weights.
        found: features of a frame that the network takes.
        computed: that there are.

    Raises:
        ConfigError: they differ.
    """
    if found != computed:
        raise ConfigError(f"{path}: takes {found} music features a frame, its method computes {computed}")
