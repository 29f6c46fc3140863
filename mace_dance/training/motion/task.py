"""Training of motion networks: the Motion Expert by guidance-free training (equations 3 to 5), and its relatives.

The network of a family (:mod:`mace_dance.training.motion.family`) is trained on windows of dance and music
(:mod:`mace_dance.training.motion.data`) by the loop of :mod:`mace_dance.training`, judged on held-out music on the way
(:mod:`mace_dance.training.motion.judge`), and written as a model folder (:mod:`mace_dance.motion.pretrained`) with its
averaged weights.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mace_dance.motion.normaliser import Normaliser
from mace_dance.motion.pretrained import CONFIG_FILE, WEIGHTS_FILE, ModelInfo, read_model, save_model
from mace_dance.training.motion.data import MotionWindows, PreparedDances, WindowBatch
from mace_dance.training.motion.family import Lesson, MotionFamily, find_family
from mace_dance.training.motion.judge import judge_dances
from mace_dance.training.motion.settings import MotionTraining
from mace_dance.training.shared.draws import seed_globally
from mace_dance.training.shared.ending import Trained
from mace_dance.training.shared.loop import run_training
from mace_dance.training.shared.records import TrainingProgress
from madata.cache import remembered_sha256
from madata.config import to_toml, validated
from madata.errors import ConfigError, MediaError, WeightsError
from madata.motion import decode, layout, write_motion
from madata.types import FloatArray

__all__ = ["MotionTask", "check_start", "resolve_training", "train_motion"]

_FIT_WINDOWS = 1024
"""Windows whose statistics a network takes."""


def resolve_training(values: Mapping[str, Any]) -> tuple[MotionTraining[Any], MotionFamily[Any, Any]]:
    """Merged layers (:func:`mace_dance.training.motion.settings.settings_layers`) as settings, and their family.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """
    name = values.get("family", MotionTraining.model_fields["family"].default)
    if not isinstance(name, str):
        raise ConfigError(f"setting family: a name, not {name!r}")
    family = find_family(name)
    return validated(MotionTraining[family.kind.config], values), family  # type: ignore[name-defined]


def train_motion(
    task: MotionTask,
    out: Path,
    device: str = "auto",
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
) -> Trained:
    """Train, from the newest checkpoint in ``out``; see :func:`mace_dance.training.shared.loop.run_training`."""
    return run_training(task, task.settings.loop, out, device, on_progress, to_toml(task.settings))


class MotionTask:
    """A :class:`mace_dance.training.shared.task.TrainingTask`.

    Args:
        settings: of the run.
        family: of the network.
        prepared: the windows.
        data_name: what the model says it was trained on.

    Raises:
        ConfigError: the network does not fit the data; the message says which setting makes it.
    """

    def __init__(
        self,
        settings: MotionTraining[Any],
        family: MotionFamily[Any, Any],
        prepared: PreparedDances,
        data_name: str,
    ) -> None:
        _check_fit(settings, family, prepared)
        self.settings, self._family, self._prepared, self._data_name = settings, family, prepared, data_name
        seed_globally(settings.loop.seed)
        self.network: nn.Module = family.kind.build(settings.model)
        _begin(self.network, settings, family)
        if settings.start is None and family.fit is not None:
            family.fit(self.network, self._spread_windows())
        self._rivals: dict[str, nn.Module] = {}
        if family.critic is not None:
            self._rivals = {
                "network": nn.ModuleList(family.trains(self.network)),
                "critic": family.critic.module(self.network),
            }
        modules = [*family.trains(self.network), *self._rivals.values()]
        trained = {id(value) for module in modules for value in module.parameters()}
        for value in self.network.parameters():
            value.requires_grad_(id(value) in trained)
        self._device = torch.device("cpu")
        self._lesson = Lesson(settings.losses, settings.samples, prepared.vector, prepared.normaliser)
        self._judged: dict[str, float | None] = {}

    @property
    def name(self) -> str:
        """Of the family."""
        return self.settings.family

    def turns(self) -> dict[str, nn.Module]:
        """The network, and its critic where there is one."""
        return self._rivals or {"network": self.network}

    def windows(self) -> dict[str, Any]:
        """How much there is to train on, for a plan."""
        report = self._prepared.report
        return {
            "windows": len(self._prepared.train),
            "seconds": report.seconds,
            "held_out_windows": len(self._prepared.held_out),
            "held_out_seconds": report.held_out_seconds,
            "music_source": self._prepared.music_source,
        }

    def epoch_batches(self, epoch: int, batch_size: int, seed: int) -> Sequence[Sequence[int]]:
        """Windows of one length in each batch."""
        return [batch.tolist() for batch in self._prepared.train.batches(epoch, batch_size, seed)]

    def sample_name(self, index: int) -> str:
        """Take and seconds of a window."""
        windows = self._prepared.train
        take = int(windows.takes[index])
        first = int(windows.starts[windows.takes == take].min())
        start_s = (int(windows.starts[index]) - first) / self._prepared.fps
        return f"{windows.take_names[take]} at {start_s:.1f} s"

    def facts(self) -> dict[str, Any]:
        """Network, what it began with, losses and data."""
        start = self.settings.start
        return {
            **({"start": remembered_sha256(start / WEIGHTS_FILE)} if start else {}),
            "model": self.settings.model.model_dump(mode="json"),
            "losses": self.settings.losses.model_dump(mode="json"),
            "data": {
                "content_id": self._prepared.content_id,
                "vector": self._prepared.vector,
                "windows": len(self._prepared.train),
                "music_source": self._prepared.music_source,
            },
        }

    def prepare(self, device: torch.device) -> None:
        """Remember the device."""
        self._device = device

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> WindowBatch:
        """Windows as they are; nothing is drawn."""
        return self._prepared.train.batch(indices, self._family.normalised)

    def loss(
        self, batch: WindowBatch, generator: torch.Generator, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the family minimises, or its critic."""
        critic = self._family.critic
        loss = critic.loss if critic is not None and turn else self._family.loss
        return loss(self.network, self._lesson, batch, generator)

    def sample(self, step: int, out: Path) -> dict[str, float | None]:
        """Dance to held-out music and judge; nothing where nothing is held out."""
        held_out = self._prepared.held_out
        if not len(held_out):
            return {}
        count = min(self.settings.samples.clips, len(held_out))
        chosen = np.linspace(0, len(held_out) - 1, count).round().astype(int).tolist()
        if self._family.measure is not None:
            self._judged = self._measured(self._family.measure, held_out, chosen)
            return self._judged
        danced = self._danced(held_out, chosen)
        for index in chosen[: self.settings.samples.keep]:
            self._keep(out / f"step-{step:08d}", held_out, index, danced[index])
        given = self._family.given(self.settings.model)
        self._judged = judge_dances(
            [danced[index] for index in chosen],
            [held_out.raw(index)[given:] for index in chosen],
            [held_out.heard(index)[given:] for index in chosen],
            self._prepared.vector,
            beat_column=self._prepared.beat_column,
        )
        return self._judged

    def _danced(self, windows: MotionWindows, chosen: Sequence[int]) -> dict[int, FloatArray]:
        """(T - given, F) unnormalised motion vectors to the music of each window."""
        danced: dict[int, FloatArray] = {}
        for batch in self._on_device(windows, chosen):
            with torch.no_grad():
                vectors = self._family.sample(self.network, self._lesson, batch)  # type: ignore[misc]
            danced.update(zip(batch.window.tolist(), vectors.cpu().numpy(), strict=True))
        return danced

    def _measured(
        self,
        measure: Callable[[nn.Module, Lesson, WindowBatch], dict[str, Tensor]],
        windows: MotionWindows,
        chosen: Sequence[int],
    ) -> dict[str, float | None]:
        """Means over windows of what a network that does not dance is measured by."""
        found: dict[str, list[float]] = {}
        for batch in self._on_device(windows, chosen):
            with torch.no_grad():
                for name, values in measure(self.network, self._lesson, batch).items():
                    found.setdefault(name, []).extend(values.tolist())
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _on_device(self, windows: MotionWindows, chosen: Sequence[int]) -> Iterator[WindowBatch]:
        """The windows in batches of one length each."""
        for length in np.unique(windows.lengths[chosen]):
            alike = [index for index in chosen if windows.lengths[index] == length]
            size = max(1, self.settings.samples.batch_frames // int(length))
            for first in range(0, len(alike), size):
                batch = windows.batch(alike[first : first + size], self._family.normalised)
                yield WindowBatch(*(part.to(self._device) for part in batch))

    def _keep(self, folder: Path, windows: MotionWindows, index: int, vectors: FloatArray) -> None:
        try:
            motion = decode(vectors, self._prepared.vector)
        except MediaError:
            return  # judge_dances() counts what is no motion
        folder.mkdir(parents=True, exist_ok=True)
        take = Path(windows.take_names[int(windows.takes[index])]).name
        write_motion(folder / f"{take}-{index}.npz", motion)

    def export(self, folder: Path, step: int) -> None:
        """A model folder."""
        info = ModelInfo(
            label=self.settings.label or None,
            fps=float(self._prepared.fps),
            layout=self._family.layout or self._prepared.vector,
            genres=self._prepared.genres,
            training_data=(self._data_name,),
            provenance=self._provenance(step),
        )
        features = self.settings.model.features
        normaliser = self._prepared.normaliser if self._family.normalised else Normaliser.unused(features)
        windows = self._prepared.train.batch(self._first_windows(), self._family.normalised)
        with torch.no_grad():
            config = self._family.finish(
                self.network, self.settings.model, WindowBatch(*(part.to(self._device) for part in windows))
            )
        save_model(folder, self.network, config, normaliser, info, self._family.kind.name)

    def _spread_windows(self) -> WindowBatch:
        """Training windows of the commonest length, evenly over all of them."""
        windows = self._prepared.train
        lengths, counts = np.unique(windows.lengths, return_counts=True)
        alike = np.flatnonzero(windows.lengths == lengths[counts.argmax()])
        count = min(_FIT_WINDOWS, len(alike))
        chosen = alike[np.linspace(0, len(alike) - 1, count).round().astype(int)]
        return windows.batch(chosen, self._family.normalised)

    def _first_windows(self) -> list[int]:
        """Of every training take its first window, of those that have the commonest length."""
        windows = self._prepared.train
        lengths, counts = np.unique(windows.lengths, return_counts=True)
        alike = np.flatnonzero(windows.lengths == lengths[counts.argmax()])
        _, first = np.unique(windows.takes[alike], return_index=True)
        return [int(index) for index in alike[first]]

    def _provenance(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "music_source": self._prepared.music_source,
            "data": {"content_id": self._prepared.content_id, **self._prepared.report.to_json()},
            "loop": self.settings.loop.model_dump(mode="json"),
            "losses": self.settings.losses.model_dump(mode="json"),
            "held_out": self._judged,
            "versions": {
                "madance": version("madance"),
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }


def check_start(settings: MotionTraining[Any], family: MotionFamily[Any, Any]) -> None:
    """Whether a stage has the model that it goes on from, before data is read for it.

    Raises:
        ConfigError: it needs one and none is named.
        WeightsError: what is named is no model folder.
    """
    if settings.start is None:
        if family.begins_with:
            raise ConfigError(
                f"{settings.family} goes on from the model of --preset {family.begins_with}: "
                "--set start=RUN/model names it"
            )
    elif not (settings.start / CONFIG_FILE).is_file():
        raise WeightsError(f"{settings.start}: is no model folder, it has no {CONFIG_FILE}: start=RUN/model")


def _begin(network: nn.Module, settings: MotionTraining[Any], family: MotionFamily[Any, Any]) -> None:
    """Have the network begin with the model of an earlier run or stage.

    Raises:
        ConfigError: see :func:`check_start`; or its network is another.
        WeightsError: it is no model folder of this kind.
    """
    check_start(settings, family)
    if settings.start is None:
        return
    begun = read_model(settings.start, family.kind).network.state_dict()
    own = network.state_dict()
    for name, value in own.items():
        if name in begun and begun[name].shape == value.shape:
            value.copy_(begun[name])
        elif not name.startswith(family.new or ("\0",)):
            has = tuple(begun[name].shape) if name in begun else "absent"
            raise ConfigError(
                f"{settings.start}: {name} is {has}, this network has {tuple(value.shape)}: "
                "give the settings model.* of that run"
            )


def _check_fit(
    settings: MotionTraining[Any], family: MotionFamily[Any, Any], prepared: PreparedDances
) -> None:
    model, windows = settings.model, prepared.train
    if not len(windows):
        raise ConfigError(
            "the data has no training window: see its report, or choose a smaller data.window_frames"
        )
    if family.vector not in (None, prepared.vector):
        raise ConfigError(
            f"the data has the vector {prepared.vector}, {settings.family} needs {family.vector}: "
            f"--set data.vector={family.vector}, in another --cache"
        )
    width, heard = layout(prepared.vector).width, windows.music.shape[-1]
    if family.normalised and model.features != width:
        raise ConfigError(
            f"the data has {width} features, the network {model.features}: --set model.features={width}"
        )
    if family.music_width(model) not in (None, heard):
        raise ConfigError(
            f"the data has {heard} music_features, the network {family.music_width(model)}: "
            f"--set model.music_features={heard}, or data.music_layout of the network's"
        )
    labels = family.genres(model)
    if labels is not None and labels < len(prepared.genres):
        raise ConfigError(
            f"the data has {len(prepared.genres)} genres, the network knows {labels}: "
            f"--set model.genres={len(prepared.genres)}"
        )
    lengths = np.unique(np.concatenate([windows.lengths, prepared.held_out.lengths]))
    for frames in map(int, lengths):
        if problem := family.window_problem(model, frames):
            raise ConfigError(f"the data has windows of {frames} frames; {problem}")
