"""Where a run stands, in one line on standard error: rewritten on a terminal, a new one now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.generate import Progress

__all__ = ["StatusLine"]

_LINE_EVERY_S = 30.0


class StatusLine:
    """Shows the clips of a split, or what is being done to one clip; silent when ``quiet``."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._start = self._begin = self._last = time.monotonic()
        self._open = False
        self._stage, self._from = "", 0.0
        self._cautioned: set[str] = set()

    def clip(self, progress: Progress) -> None:
        """A clip of a split is done, or has failed."""
        if self._quiet or progress.total == 0:
            return
        last = progress.done == progress.total
        if not self._due(last or progress.error is not None):
            return
        rate = progress.frames / progress.generate_s if progress.generate_s else 0.0
        left = self._left(progress.done / progress.total, self._start)
        if progress.error:
            self._write(f"{progress.clip_id} failed: {progress.error}", keep=True)
        self._write(
            f"{progress.done}/{progress.total} clips, {rate:.1f} frames/s, {left} left",
            keep=not self._terminal,
        )

    def plan(self, lines: list[str]) -> None:
        """What one clip will take."""
        for text in lines if not self._quiet else ():
            self._write(text, keep=True)

    def deviations(self, clip_id: str, lines: list[str]) -> None:
        """In what a clip of a split is not what the system was trained on; each once."""
        for text in lines if not self._quiet else ():
            if text not in self._cautioned:
                self._cautioned.add(text)
                self._write(f"{clip_id} deviates: {text}", keep=True)

    def report(self, doing: str, share: float) -> None:
        """What is being done to one clip, and the share of it that is done, 0..1."""
        stage = doing.rpartition(":")[0] or doing
        changed = stage != self._stage
        if changed:
            self._stage, self._begin, self._from = stage, time.monotonic(), share
        if self._quiet or not self._due(changed):
            return
        made = share - self._from  # of this stage, by this process: what was found finished took no time
        left = f", {self._left(made / (1 - self._from), self._begin)} left" if made > 0 else ""
        self._write(f"{doing} ({share:.0%}{left})", keep=not self._terminal)

    def report_in_split(self, doing: str, share: float) -> None:
        """What is being done to a clip of a split: for who watches a terminal, too much for a log."""
        if self._terminal:
            self.report(doing, share)

    def close(self) -> None:
        """End the line."""
        if self._open:
            sys.stderr.write("\n")

    def _due(self, important: bool) -> bool:
        now = time.monotonic()
        if not (self._terminal or important or now - self._last >= _LINE_EVERY_S):
            return False
        self._last = now
        return True

    @staticmethod
    def _left(share: float, begin: float) -> str:
        return _clock((time.monotonic() - begin) * (1 - share) / share)

    def _write(self, text: str, *, keep: bool) -> None:
        stream: Any = sys.stderr
        stream.write(("\r\x1b[K" if self._terminal else "") + text + ("\n" if keep else ""))
        stream.flush()
        self._open = not keep


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
