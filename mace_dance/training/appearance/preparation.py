"""From a folder of clips and a pipeline to a task that can train, refusing what would fail hours later.

The order is that of cost: the folder of the pipeline, the adapter and the selection are judged on a network without
weights, the clips by their tables and containers, the run folder by its record; then samples are encoded, and last the
transformer is loaded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from mace_dance.appearance.adapter import load_adapter
from mace_dance.training.appearance.backbone import Backbone
from mace_dance.training.appearance.clips import (
    DroppedSample,
    TrainingWindow,
    find_training_clips,
    training_windows,
)
from mace_dance.training.appearance.outputs import OUTPUTS
from mace_dance.training.appearance.plan import TrainingPlan, plan_training
from mace_dance.training.appearance.selection import Selection, select
from mace_dance.training.appearance.settings import AppearanceTraining
from mace_dance.training.appearance.store import LatentStore, OnSample
from mace_dance.training.appearance.task import AppearanceTask, Basis, deciding_facts, refuse_another_run
from mace_dance.training.shared.acceleration import main_process_first, make_accelerator
from mace_dance.training.shared.draws import parts_of_step
from madata.errors import ConfigError, WeightsError

__all__ = ["PreparedRun", "prepare_training"]


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A run whose inputs were found good; no weights are loaded yet.

    Attributes:
        settings: of the run.
        out: the run folder.
        basis: what it starts from.
        selection: what will be trained.
        store: where samples are kept.
        windows: all samples of the data.
        unfit: clips of which nothing can be used.
    """

    settings: AppearanceTraining
    out: Path
    basis: Basis
    selection: Selection
    store: LatentStore
    windows: tuple[TrainingWindow, ...]
    unfit: tuple[DroppedSample, ...]

    def drops(self) -> list[DroppedSample]:
        """Clips and samples left out, as far as is known by now."""
        found = (self.store.drop(self.store.key(window), window.name) for window in self.windows)
        return [*self.unfit, *(drop for drop in found if drop is not None)]

    def plan(self) -> TrainingPlan:
        """What the run would take."""
        folder = self.basis.backbone.folder
        return plan_training(self.settings, folder, self.selection, self.store, self.windows, _processes())

    def task(
        self, device: str = "auto", on_progress: OnSample = lambda done, of, name: None
    ) -> AppearanceTask:
        """Encode what is not on the disk yet, and load the transformer.

        Args:
            device: see :func:`mace_dance.training.shared.acceleration.make_accelerator`.
            on_progress: told of every sample that is encoded.

        Raises:
            MadanceError: the disk is full; what was encoded stays.
            ConfigError: the device is not there, or no sample can be used.
        """
        chosen = make_accelerator(self.settings.loop.precision, device).device
        with main_process_first(device):
            self.store.prepare(self.windows, str(chosen), on_progress)
        return AppearanceTask(self.settings, self.basis, self.store, self.windows)


def prepare_training(
    settings: AppearanceTraining,
    data: Path,
    model: Path,
    out: Path,
    *,
    adapter: Path | None = None,
    cache: Path | None = None,
) -> PreparedRun:
    """Judge everything that can be judged without loading weights or decoding a video.

    Args:
        settings: of the run.
        data: see :mod:`mace_dance.training.appearance.clips`.
        model: folder of the pipeline.
        out: the run folder.
        adapter: Body Adapter of the Kinematic stage: its file, or the run folder.
        cache: where samples are kept; ``out/encoded`` by default.

    Raises:
        WeightsError: a file of the pipeline or the adapter is missing, damaged or of another model.
        ConfigError: there is nothing to train on, or ``out`` holds another run.
    """
    backbone = Backbone.find(model)
    parts_of_step(settings.loop.batch_size, settings.loop.accumulate, _processes())
    empty = backbone.empty_transformer()
    file = None if adapter is None else _adapter_file(adapter)
    if file is not None:
        load_adapter(empty, file)
    with torch.device("meta"):
        selection = select(empty, settings)
    clips, unfit = find_training_clips(data, settings)
    windows, short = training_windows(clips, settings)
    drops = [*unfit, *short]
    if not windows:
        told = f"; the first of {len(drops)} left out is {drops[0].message}" if drops else ""
        raise ConfigError(f"{data}: holds no clip that can be trained on{told}")
    store = LatentStore(cache or out / "encoded", backbone, settings)
    basis = Basis(backbone, file, data.resolve().name)
    if (out / "run.json").is_file():
        refuse_another_run(out, deciding_facts(settings, basis, store, windows), settings)
    return PreparedRun(settings, out, basis, selection, store, tuple(windows), tuple(drops))


def _adapter_file(path: Path) -> Path:
    file = path / OUTPUTS["kinematic"] if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(f"{file}: no such file; madance train kinematic makes one")
    return file


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
