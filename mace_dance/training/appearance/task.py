"""A stage as the shared loop trains it: :class:`AppearanceTask`."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mace_dance.appearance.adapter import load_adapter
from mace_dance.appearance.schedules import training_schedule
from mace_dance.training.appearance.activations import activations_on_host, recompute
from mace_dance.training.appearance.backbone import Backbone
from mace_dance.training.appearance.clips import TrainingWindow
from mace_dance.training.appearance.distribution import TrainedPart, divide
from mace_dance.training.appearance.layout import known_latents
from mace_dance.training.appearance.loss import ClipBatch, flow_loss, without_controls
from mace_dance.training.appearance.outputs import OUTPUTS, write_adapter, write_lora
from mace_dance.training.appearance.samples import generate_samples
from mace_dance.training.appearance.selection import Selection, select
from mace_dance.training.appearance.settings import AppearanceTraining
from mace_dance.training.appearance.store import LatentStore
from mace_dance.training.shared.draws import seed_globally, shuffled_batches
from mace_dance.training.shared.ending import Trained
from mace_dance.training.shared.loop import run_training
from mace_dance.training.shared.records import TrainingProgress
from madata.cache import remembered_sha256
from madata.config import refuse_differences, to_toml
from madata.errors import ConfigError
from madata.files import link_or_copy, read_json, scratch_folder, sha256_bytes

__all__ = ["AppearanceTask", "Basis", "deciding_facts", "refuse_another_run", "train_appearance"]


@dataclass(frozen=True)
class Basis:
    """What a stage starts from.

    Attributes:
        backbone: the pipeline.
        adapter: Body Adapter of the Kinematic stage, ``None`` for the backbone's own.
        data: what the outputs say they were trained on.
    """

    backbone: Backbone
    adapter: Path | None
    data: str

    def facts(self) -> dict[str, Any]:
        """Its content, as JSON values."""
        return {
            "label": self.backbone.label,
            "transformer": self.backbone.identity("transformer"),
            "adapter": None if self.adapter is None else remembered_sha256(self.adapter),
        }


class AppearanceTask:
    """A :class:`mace_dance.training.shared.task.TrainingTask`; loads the transformer.

    Attributes:
        network: the trained parameters, which are all that the loop has to know.
        transformer: whose they are.
        selection: which they are.

    Args:
        settings: of the run.
        basis: what it starts from.
        store: prepared.
        windows: all samples of the data; those that the store does not hold were found to be of no use.

    Raises:
        ConfigError: no sample is left.
        WeightsError: the transformer or the adapter cannot be loaded, or is of another model.
    """

    def __init__(
        self,
        settings: AppearanceTraining,
        basis: Basis,
        store: LatentStore,
        windows: Sequence[TrainingWindow],
    ) -> None:
        self._facts = deciding_facts(settings, basis, store, windows)
        self._windows = [window for window in windows if store.has(store.key(window))]
        if not self._windows:
            raise ConfigError("there is no training sample that can be used; see what was left out")
        self.settings, self._basis, self._store = settings, basis, store
        network = basis.backbone.transformer(store.dtype)
        if basis.adapter is not None:
            load_adapter(network, basis.adapter)
        seed_globally(settings.loop.seed)
        self.selection: Selection = select(network, settings)
        if settings.checkpointing:
            recompute(network)
        self.transformer: Any = network
        self.network: nn.Module = TrainedPart(network)
        self._empty = store.empty()
        self._schedule = training_schedule(shift=settings.flow.shift, rounding=settings.rounding)
        self._vae: Any = None
        self._judged: dict[str, float | None] = {}

    @property
    def name(self) -> str:
        """Of the stage."""
        return f"appearance-{self.settings.stage}"

    def turns(self) -> dict[str, nn.Module]:
        """One: nothing trains against it."""
        return {"network": self.network}

    def epoch_batches(self, epoch: int, batch_size: int, seed: int) -> Sequence[Sequence[int]]:
        """All samples are of one shape."""
        return shuffled_batches(len(self._windows), batch_size, epoch, seed)

    def sample_name(self, index: int) -> str:
        """Clip and first frame."""
        return self._windows[index].name

    def facts(self) -> dict[str, Any]:
        """Stage, layout, loss, data and what it starts from."""
        return self._facts

    def prepare(self, device: torch.device) -> None:
        """Bring the transformer to its device, or its share of it."""
        if self.settings.shard and torch.distributed.is_initialized():
            divide(self.transformer, device)
        self.transformer.to(device)

    def batch(self, indices: Sequence[int], rng: np.random.Generator) -> ClipBatch:
        """Samples as they are kept; nothing is drawn."""
        kept = [self._store.read(self._store.key(self._windows[index])) for index in indices]
        faces = [each["face"] for each in kept]
        count = max(len(face) for face in faces)
        return ClipBatch(
            target=torch.stack([each["target"] for each in kept]),
            known=torch.stack([known_latents(each, self._empty) for each in kept]),
            pose=torch.stack([each["pose"] for each in kept]),
            face=torch.stack([face.expand(count, -1, -1, -1) for face in faces]),
            text=torch.stack([self._store.text(self._windows[index].clip.prompt) for index in indices]),
            picture=torch.stack([each["picture"] for each in kept]),
        )

    def loss(
        self, batch: ClipBatch, generator: torch.Generator, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The flow-matching loss; it has no parts."""
        flow = self.settings.flow
        with contextlib.ExitStack() as stack:
            if not self.settings.pose:
                stack.enter_context(without_controls(self.transformer))
            if self.settings.offload:
                stack.enter_context(activations_on_host(self.transformer))
            loss = flow_loss(
                self.transformer,
                batch,
                self._schedule,
                generator,
                weighted=flow.weighting == "bell",
                reference_slot=flow.reference_slot,
            )
        return loss, {}

    def sample(self, step: int, out: Path) -> dict[str, float | None]:
        """Generate a few training clips again; nothing where none is asked for."""
        count = min(self.settings.samples.clips, len(self._windows))
        if not count:
            return {}
        if self._vae is None:
            self._vae = self._basis.backbone.vae()
        places = np.linspace(0, len(self._windows) - 1, count).round().astype(int)
        chosen = [self._windows[place] for place in places]
        folder = out / f"step-{step:08d}"
        psnr = generate_samples(self.transformer, self._vae, chosen, self._store, self.settings, folder)
        self._judged = {"psnr_db": psnr}
        return self._judged

    def export(self, folder: Path, step: int) -> None:
        """Write the file of the stage, and a second name for it beside ``folder``."""
        name = OUTPUTS[self.settings.stage]
        path, record = folder / name, self._record(step)
        if self.settings.stage == "kinematic":
            write_adapter(path, self.transformer, record)
        else:
            write_lora(path, self.transformer, self.settings.lora, record)
        _second_name(path, folder.parent / name)

    def _record(self, step: int) -> dict[str, Any]:
        return {
            "stage": self.settings.stage,
            "step": step,
            "base": self._basis.facts(),
            "data": self._basis.data,
            "settings": self.settings.model_dump(mode="json"),
            "facts": self._facts,
            "samples_used": len(self._windows),
            "selection": {**asdict(self.selection), "names": len(self.selection.names)},
            "samples": self._judged,
            "versions": {
                **{library: version(library) for library in ("madance", "torch", "diffusers", "peft")},
                "python": platform.python_version(),
            },
        }


def deciding_facts(
    settings: AppearanceTraining, basis: Basis, store: LatentStore, windows: Sequence[TrainingWindow]
) -> dict[str, Any]:
    """What, besides the loop's settings, decides the numbers of a run, as JSON values.

    Args:
        windows: all samples of the data.
    """
    keys = sorted(f"{store.key(window)} {window.clip.prompt}" for window in windows)
    return {
        "stage": settings.stage,
        "layout": settings.layout,
        "pose": settings.pose,
        "flow": {**settings.flow.model_dump(mode="json"), "rounding": settings.rounding},
        "lora": {"rank": settings.lora.rank, "alpha": settings.lora.scale}
        if settings.stage == "aesthetic"
        else None,
        "base": basis.facts(),
        "data": {
            **settings.data.model_dump(mode="json"),
            "windows_found": len(windows),
            "content_id": sha256_bytes("\n".join(keys).encode()),
        },
    }


def refuse_another_run(out: Path, facts: Mapping[str, Any], settings: AppearanceTraining) -> None:
    """Compare with the run that ``out`` holds, before hours are spent on its data.

    Raises:
        ConfigError: it was begun with other settings; each difference is named.
        MadanceError: it has no readable ``run.json``.
    """
    now = {"task": f"appearance-{settings.stage}", **facts, "loop": settings.loop.deciding()}
    before = read_json(out / "run.json")
    refuse_differences(out, {name: before.get(name) for name in now}, now)


def train_appearance(
    task: AppearanceTask,
    out: Path,
    device: str = "auto",
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
) -> Trained:
    """Train, from the newest checkpoint in ``out``; see :func:`mace_dance.training.shared.loop.run_training`."""
    settings = task.settings
    per_epoch = len(task.epoch_batches(0, settings.loop.batch_size, settings.loop.seed))
    # The loop counts epochs between samples; an exact fraction of one is a number of steps.
    every = Fraction(settings.samples.every_steps, per_epoch)
    loop = settings.loop.model_copy(update={"sample_every": every})
    return run_training(task, loop, out, device, on_progress, to_toml(settings))


def _second_name(path: Path, name: Path) -> None:
    """The same file under a second name: a hard link, a copy where the disk knows none."""
    with scratch_folder(name.parent) as scratch:
        link_or_copy(path, scratch / name.name)
        (scratch / name.name).replace(name)
