"""A run's progress on standard error: one line on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import time

from mace_dance.training.shared.records import TrainingProgress

__all__ = ["ProgressLine", "is_speaker"]

_LINE_EVERY_S = 30.0
_NO_PARTS = ("loss", "gradient_norm", "learning_rate")


def is_speaker() -> bool:
    """Whether this process is the one that speaks, of those that ``accelerate launch`` started."""
    return os.environ.get("RANK", "0") == "0"


class ProgressLine:
    """Shows where a run stands."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet or not is_speaker()
        self._terminal = sys.stderr.isatty()
        self._last_s = -_LINE_EVERY_S
        self._open = False
        self.judged: dict[str, float | None] = {}
        self.values: dict[str, float | None] = {}

    def show(self, progress: TrainingProgress) -> None:
        """Of a row; what judges samples always gets a line of its own."""
        if progress.judged:
            self.judged = dict(progress.values)
            said = ", ".join(f"{name} {_short(value)}" for name, value in progress.values.items())
            self._write(f"step {progress.step}, samples: {said}", keep=True)
            return
        self.values = dict(progress.values)
        now = time.monotonic()
        last = progress.step == progress.steps
        if self._terminal or last or now - self._last_s >= _LINE_EVERY_S:
            self._last_s = now
            self._write(_line(progress), keep=last or not self._terminal)

    def close(self) -> None:
        """Leave the cursor at the begin of a line."""
        if self._open:
            self._write("", keep=True)

    def _write(self, text: str, *, keep: bool) -> None:
        if self._quiet:
            return
        sys.stderr.write(("\r\x1b[K" if self._terminal else "") + text + ("\n" if keep else ""))
        sys.stderr.flush()
        self._open = not keep


def _line(progress: TrainingProgress) -> str:
    parts = ", ".join(
        f"{name} {_short(value)}" for name, value in progress.values.items() if name not in _NO_PARTS
    )
    loss = _short(progress.values.get("loss"))
    where = f"step {progress.step}/{progress.steps}, epoch {progress.epoch:.1f}"
    speed = f"{progress.samples_per_s:.1f} samples/s, {_clock(progress.left_s)} left"
    return f"{where}: loss {loss}{f' ({parts})' if parts else ''}, {speed}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
