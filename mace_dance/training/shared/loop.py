"""The training loop; see :mod:`mace_dance.training`.

A step: the samples of the step (:mod:`~mace_dance.training.shared.draws`), the loss of each part under the precision
asked for, the mean gradient over parts, cut to the longest allowed, one move of the optimiser at the learning rate
of the step, one move of the average. Sums over processes decide whether the loss is finite and whether to stop, so
that all processes decide alike. Nothing has moved yet when a loss or a gradient turns out not to be finite.

Parts of a network that train against each other, a generator and its critic, move in turn: each by an optimiser of its
own, on its own loss, of the same samples and with new draws, while the others stand still.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mace_dance.training.shared.acceleration import make_accelerator
from mace_dance.training.shared.average import Average, load_trained, trained_parameters, trained_state
from mace_dance.training.shared.checkpoints import (
    TrainingState,
    prune_checkpoints,
    read_newest,
    write_checkpoint,
)
from mace_dance.training.shared.draws import Part, part_of_batch, parts_of_step, seed_globally
from mace_dance.training.shared.ending import Trained
from mace_dance.training.shared.interruption import stop_wished
from mace_dance.training.shared.rates import build_optimizer, learning_rate, set_learning_rate
from mace_dance.training.shared.records import TrainingProgress, TrainingRecords
from mace_dance.training.shared.run_folder import settle_training
from mace_dance.training.shared.settings import LoopSettings
from mace_dance.training.shared.task import TrainingTask
from madata.config import to_toml
from madata.errors import ConfigError, MadanceError
from madata.files import hold_folder, read_json, write_json, write_text

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["TrainingProgress", "run_training"]

_SMALLEST_SCALE = 2.0**-14
_NAMED_SAMPLES = 5


def run_training(
    task: TrainingTask,
    settings: LoopSettings,
    out: Path,
    device: str = "auto",
    on_progress: Callable[[TrainingProgress], None] = lambda progress: None,
    config: str = "",
) -> Trained:
    """Train to the end, from the newest checkpoint in ``out`` where there is one.

    Below ``out``: ``run.json`` (settings and facts), ``config.toml``, ``checkpoints/step-XXXXXXXX/``, ``metrics.csv``,
    ``samples.csv`` and ``samples/`` (from ``task.sample``), ``model/`` (from ``task.export``). The first SIGINT or
    SIGTERM ends the run after the step under way, with a checkpoint.

    Args:
        task: what is trained.
        settings: how.
        out: the run folder.
        device: see :func:`mace_dance.training.shared.acceleration.make_accelerator`.
        on_progress: called on the main process for every row that is logged.
        config: all that was resolved from files and flags, as TOML, to be kept in ``config.toml``.

    Raises:
        ConfigError: the settings or facts differ from those of the run in ``out`` (each difference is named), the
            batch does not divide, or there is nothing to train or to train on.
        MadanceError: the loss or a gradient is not finite, or the disk is full; checkpoints stay as they are.
    """
    accelerator = make_accelerator(settings.precision, device)
    parts = parts_of_step(settings.batch_size, settings.accumulate, accelerator.num_processes)
    lock = hold_folder(out) if accelerator.is_main_process else contextlib.nullcontext()
    with lock, stop_wished() as stop:
        if accelerator.is_main_process:
            deciding = {
                "task": task.name,
                "processes": accelerator.num_processes,
                "loop": settings.deciding(),
                **task.facts(),
            }
            settle_training(out, deciding)
            write_text(out / "config.toml", config or to_toml(settings))
        return _Run(task, settings, out, accelerator, parts).to_the_end(stop, on_progress)


class _Objective(nn.Module):
    """The task's loss as a module: what ``accelerate`` wraps to share gradients between processes."""

    def __init__(self, task: TrainingTask) -> None:
        super().__init__()
        self.network = task.network
        self._task = task

    def forward(self, batch: Any, generator: torch.Generator, turn: int) -> tuple[Tensor, dict[str, Tensor]]:
        loss, parts = self._task.loss(batch, generator, turn)
        return loss, {name: value.detach() for name, value in parts.items()}


@dataclass(frozen=True, eq=False)
class _Turn:
    """What moves together.

    Attributes:
        number: of the turn within a step.
        prefix: of its numbers in the log; the first has none.
        parameters: that it moves.
        optimizer: by which.
    """

    number: int
    prefix: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer


class _Run:
    """Everything that changes from step to step; made from the newest checkpoint, or from the task as it is."""

    def __init__(
        self, task: TrainingTask, settings: LoopSettings, out: Path, accelerator: Accelerator, parts: int
    ) -> None:
        self.task, self.settings = task, settings
        self.out, self.checkpoints = out, out / "checkpoints"
        self.accelerator, self.parts = accelerator, parts
        self.epoch, self.batches = 0, self._epoch(0)
        self.per_epoch = len(self.batches)
        self.steps = settings.total_steps(self.per_epoch)
        network = task.network.to(accelerator.device)
        task.prepare(accelerator.device)
        self.turns = _turns(task, settings)
        self.average = Average(network, settings.average_decay)
        found = read_newest(self.checkpoints)
        accelerator.wait_for_everyone()
        self.step = self.begun_at = found.step if found else 0
        self.under_way = found.progress if found else {}
        if found:
            self._restore(found)
        self.objective = accelerator.prepare_model(_Objective(task))
        self.records: TrainingRecords | None = None

    def _restore(self, found: TrainingState) -> None:
        load_trained(self.task.network, found.weights)
        self.average.load(found.average)
        for turn in self.turns:
            turn.optimizer.load_state_dict(found.optimizer[f"{turn.prefix}optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(found.optimizer["scaler"])

    def to_the_end(
        self, stop: Callable[[], bool], on_progress: Callable[[TrainingProgress], None]
    ) -> Trained:
        """Train; see :func:`run_training`."""
        if self.accelerator.is_main_process:
            self.records = TrainingRecords(
                self.out,
                self.begun_at,
                self.steps,
                self.per_epoch,
                self.settings,
                self.under_way,
                on_progress,
            )
        try:
            stopped = self._train(stop)
            if stopped:
                return Trained(False, self.step, self.steps, self.begun_at, None)
            return Trained(True, self.step, self.steps, self.begun_at, self._finish())
        finally:
            if self.records is not None:
                self.records.close()

    def _train(self, stop: Callable[[], bool]) -> bool:
        """Whether it was stopped before the last step."""
        with ThreadPoolExecutor(1, "batches") as ahead:
            coming = self._prepare_step(ahead, self.step) if self.step < self.steps else []
            while self.step < self.steps:
                now = coming
                coming = self._prepare_step(ahead, self.step + 1) if self.step + 1 < self.steps else []
                stopped = self._move(now, stop)
                self.step += 1
                last = self.step == self.steps
                if not (last or stopped) and self._is_due(self.settings.sample_every * self.per_epoch):
                    self._judge()
                if last or stopped or self._is_due(self.settings.checkpoint_every):
                    self._save()
                if stopped and not last:
                    return True
        return False

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _epoch(self, epoch: int) -> Sequence[Sequence[int]]:
        batches = self.task.epoch_batches(epoch, self.settings.batch_size, self.settings.seed)
        if not batches or not all(len(batch) for batch in batches):
            raise ConfigError(f"{self.task.name}: there are no training samples")
        return batches

    def _prepare_step(self, ahead: ThreadPoolExecutor, step: int) -> list[tuple[Part, Future[Any]]]:
        """Have the batches of this process made, in another thread."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, self._epoch(epoch)
        batch = self.batches[within]
        made = []
        for micro in range(self.settings.accumulate):
            number = micro * self.accelerator.num_processes + self.accelerator.process_index
            indices = part_of_batch(batch, self.parts, number)
            part = Part(indices, step, number, self.settings.seed)
            made.append((part, ahead.submit(self.task.batch, part.indices, part.batch_rng())))
        return made

    def _move(self, coming: Sequence[tuple[Part, Future[Any]]], stop: Callable[[], bool]) -> bool:
        """One step; whether a process wishes to stop."""
        rate = learning_rate(self.settings, self.step, self.steps)
        means: dict[str, float] = {}
        stopped = False
        for turn in self.turns:
            with _alone(turn, self.turns):
                found, wishes = self._take(turn, coming, rate, stop)
            means.update({f"{turn.prefix}{name}": value for name, value in found.items()})
            stopped = stopped or wishes
        self.average.update()
        if self.records is not None:
            samples = self.accelerator.num_processes * sum(len(part.indices) for part, _ in coming)
            self.records.add(self.step + 1, means, rate, samples)
        return stopped

    def _take(
        self, turn: _Turn, coming: Sequence[tuple[Part, Future[Any]]], rate: float, stop: Callable[[], bool]
    ) -> tuple[dict[str, float], bool]:
        """One turn of a step: what is to be logged, and whether a process wishes to stop."""
        self.task.network.train()
        turn.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for number, (part, batch) in enumerate(coming, start=1):
            last = number == len(coming)
            share = contextlib.nullcontext() if last else self.accelerator.no_sync(self.objective)
            with share:
                for name, value in self._backward(part, batch.result(), turn.number).items():
                    sums[name] = sums[name] + value if name in sums else value
        means, stopped = self._agree(sums, stop())
        scaler = self.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(turn.optimizer)
        gradients = [value.grad for value in turn.parameters if value.grad is not None]
        means["gradient_norm"] = norm = float(torch.nn.utils.get_total_norm(gradients))
        self._refuse_not_finite(means, [index for part, _ in coming for index in part.indices])
        set_learning_rate(turn.optimizer, rate)
        if self.settings.clip_norm and math.isfinite(norm):
            total = torch.tensor(norm, device=self.accelerator.device)
            torch.nn.utils.clip_grads_with_norm_(turn.parameters, self.settings.clip_norm, total)
        if scaler is not None:
            scaler.step(turn.optimizer)
            scaler.update()
        else:
            turn.optimizer.step()
        return means, stopped

    def _backward(self, part: Part, batch: Any, turn: int) -> dict[str, Tensor]:
        """Add the gradient of one part; the loss and its parts."""
        from accelerate.utils import send_to_device

        part.seed_globally(turn)
        on_device = send_to_device(batch, self.accelerator.device)
        loss, parts = self.objective(on_device, part.loss_generator(turn), turn)
        self.accelerator.backward(loss / self.settings.accumulate)
        return {"loss": loss.detach(), **parts}

    def _agree(self, sums: Mapping[str, Tensor], stop: bool) -> tuple[dict[str, float], bool]:
        """Means over parts and processes, and whether any process wishes to stop."""
        values = [value.float() / self.settings.accumulate for value in sums.values()]
        flag = torch.tensor(float(stop), device=self.accelerator.device)
        *means, wish = self.accelerator.reduce(torch.stack([*values, flag]), "mean").tolist()
        return dict(zip(sums, means, strict=True)), wish > 0

    def _refuse_not_finite(self, means: Mapping[str, float], indices: Sequence[int]) -> None:
        scaler = self.accelerator.scaler
        # Loss scaling tries a scale that is too large from time to time; the step is then left out.
        overflow = scaler is not None and scaler.get_scale() > _SMALLEST_SCALE
        bad = {
            name: value
            for name, value in means.items()
            if not math.isfinite(value) and not (overflow and name == "gradient_norm")
        }
        if not bad:
            return
        named = ", ".join(self.task.sample_name(index) for index in indices[:_NAMED_SAMPLES])
        more = f" and {len(indices) - _NAMED_SAMPLES} more" if len(indices) > _NAMED_SAMPLES else ""
        found = read_newest(self.checkpoints)
        kept = f"the last checkpoint is that of step {found.step}" if found else "there is no checkpoint yet"
        raise MadanceError(
            f"step {self.step + 1} (epoch {self.step // self.per_epoch + 1}): not finite: "
            f"{', '.join(f'{name} {value}' for name, value in bad.items())}; the batch was {named}{more}; {kept}. "
            "Nothing of this step is kept; look at these samples, or lower the learning rate in a new run"
        )

    def _save(self) -> None:
        if self.records is not None:
            scaler = self.accelerator.scaler
            state = {
                **{f"{turn.prefix}optimizer": turn.optimizer.state_dict() for turn in self.turns},
                "scaler": scaler.state_dict() if scaler is not None else {},
            }
            weights, average = trained_state(self.task.network), self.average.state()
            write_checkpoint(
                self.checkpoints, TrainingState(self.step, weights, average, state, self.records.state())
            )
            prune_checkpoints(self.checkpoints, self.settings.keep_last, self.settings.keep_every)
        self.accelerator.wait_for_everyone()

    def _judge(self) -> None:
        """Have the task sample with the averaged weights, unless an earlier call did at this step."""
        if self.records is not None and not self.records.has_samples(self.step):
            with self._as_it_would_be_used():
                values = self.task.sample(self.step, self.out / "samples")
            if values:
                self.records.add_samples(self.step, values)
        self.accelerator.wait_for_everyone()

    def _finish(self) -> Path:
        """Judge and export the last step, unless an earlier call did."""
        model, done = self.out / "model", self.out / "finished.json"
        self._judge()
        if self.records is not None and not (
            model.is_dir() and done.is_file() and read_json(done) == {"step": self.step}
        ):
            done.unlink(missing_ok=True)
            with self._as_it_would_be_used():
                self.task.export(model, self.step)
            write_json(done, {"step": self.step})
        self.accelerator.wait_for_everyone()
        return model

    @contextlib.contextmanager
    def _as_it_would_be_used(self) -> Iterator[None]:
        seed_globally(self.settings.seed)
        with self.average.in_place():
            self.task.network.eval()
            yield
        self.task.network.train()


def _turns(task: TrainingTask, settings: LoopSettings) -> list[_Turn]:
    """An optimiser for each part of the network that moves by itself."""
    turns = []
    for number, (name, module) in enumerate(task.turns().items()):
        parameters = list(trained_parameters(module).values())
        if not parameters:
            raise ConfigError(f"{task.name}: no parameter is to be trained")
        prefix = f"{name}_" if number else ""
        turns.append(_Turn(number, prefix, parameters, build_optimizer(settings, parameters)))
    return turns


@contextlib.contextmanager
def _alone(turn: _Turn, turns: Sequence[_Turn]) -> Iterator[None]:
    """Within the block only what moves in this turn collects gradients."""
    others = [value for other in turns if other is not turn for value in other.parameters]
    for value in others:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in others:
            value.requires_grad_(True)
