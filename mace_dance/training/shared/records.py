"""What a run tells of itself: rows of tables, TensorBoard, progress.

The tables go on at a checkpoint, to the row. TensorBoard is written to without accelerate's tracker: where the package
is absent, that leaves it out and says nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mace_dance.training.shared.settings import LoopSettings
from mace_dance.training.shared.tables import CsvLog
from madata.errors import MissingDependencyError

__all__ = ["TrainingProgress", "TrainingRecords"]


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run stands, once for every row of ``metrics.csv`` and of ``samples.csv``.

    Attributes:
        step: steps done, of ``steps``.
        epoch: epochs done, with a fraction.
        values: of the row: the loss, its parts and so on, or what the task says of its samples.
        samples_per_s: over the steps since the last row, wall time.
        left_s: wall time to the end at the mean rate of this start.
        judged: it is a row of ``samples.csv``.
    """

    step: int
    steps: int
    epoch: float
    values: Mapping[str, float | None]
    samples_per_s: float
    left_s: float
    judged: bool = False


class TrainingRecords:
    """Rows since the checkpoint a run goes on from.

    Args:
        out: the run folder.
        step: of that checkpoint.
        steps: of the whole run.
        per_epoch: steps of an epoch.
        settings: how often, and whether to TensorBoard.
        under_way: :meth:`state` at that checkpoint.
        on_progress: told of every row.

    Raises:
        MissingDependencyError: TensorBoard is asked for and not installed.
    """

    def __init__(
        self,
        out: Path,
        step: int,
        steps: int,
        per_epoch: int,
        settings: LoopSettings,
        under_way: Mapping[str, Any],
        on_progress: Callable[[TrainingProgress], None],
    ) -> None:
        self._steps, self._per_epoch, self._settings = steps, per_epoch, settings
        self._metrics = CsvLog(out / "metrics.csv", step)
        self._samples = CsvLog(out / "samples.csv", step)
        self._sums: dict[str, tuple[float, int]] = {
            name: (total, count) for name, (total, count) in under_way.get("sums", {}).items()
        }
        self._on_progress = on_progress
        self._events = _events(out / "events", step) if settings.tensorboard else None
        self._begin_step, self._seen = step, 0
        self._begin_s = self._last_s = time.monotonic()
        self._rate = 0.0

    def state(self) -> dict[str, Any]:
        """The row under way, as JSON values."""
        return {"sums": self._sums}

    def add(self, step: int, values: Mapping[str, float], rate: float, samples: int) -> None:
        """Values of a step, its learning rate and the samples it took.

        Every ``log_every`` steps, and at the last, the means of the values are a row. The gradient of a step that
        loss scaling leaves out is not finite, and not counted.
        """
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1) if math.isfinite(value) else (total, count)
        self._seen += samples
        if step % self._settings.log_every and step != self._steps:
            return
        now = time.monotonic()
        self._rate = self._seen / max(now - self._last_s, 1e-9)
        self._seen, self._last_s = 0, now
        row = {name: total / count if count else None for name, (total, count) in self._sums.items()}
        row["learning_rate"] = rate
        self._sums = {}
        self._metrics.append(step, {"epoch": step / self._per_epoch, **row, "samples_per_s": self._rate})
        self._tell(step, row, "train", judged=False)

    def has_samples(self, step: int) -> bool:
        """Whether the samples of a step are judged already."""
        return self._samples.last_step == step

    def add_samples(self, step: int, values: Mapping[str, float | None]) -> None:
        """What the task says of its samples at a step."""
        self._samples.append(step, {"epoch": step / self._per_epoch, **values})
        self._tell(step, values, "samples", judged=True)

    def close(self) -> None:
        """Write out what TensorBoard still holds back."""
        if self._events is not None:
            self._events.close()

    def _tell(self, step: int, values: Mapping[str, float | None], group: str, *, judged: bool) -> None:
        done = max(1, step - self._begin_step)
        left_s = (time.monotonic() - self._begin_s) / done * (self._steps - step)
        epoch = step / self._per_epoch
        self._on_progress(TrainingProgress(step, self._steps, epoch, values, self._rate, left_s, judged))
        if self._events is not None:
            for name, value in values.items():
                if value is not None:
                    self._events.add_scalar(f"{group}/{name}", value, step)
            self._events.flush()


def _events(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "tensorboard = true needs the package: pip install tensorboard (metrics.csv is written without it)"
        ) from error
    return SummaryWriter(str(folder), purge_step=step + 1)
