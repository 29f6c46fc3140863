"""How a long command says how far it is: one bar where stderr is a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from madata.engine import Watch

__all__ = ["Progress"]

_LINE_EVERY_S = 60.0
_BAR = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}<{remaining}{postfix}]"


class Progress(Watch):
    """Files found, then seconds of video, and a line for each source; with ``--quiet`` only warnings."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._what, self._unit = "", ""
        self._done, self._total = 0.0, 0.0
        self._began_s = self._said_s = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def files(self, what: str, done: int, total: int) -> None:
        """How many of the files found are hashed, probed, ...: ``what``."""
        if what != self._what:
            self._open(what, total, "files")
        self._move(done - self._done)

    def start(self, seconds: float) -> None:
        """There are so many seconds of video to do, as far as files declare them."""
        self._open("video", round(seconds, 1), "s")

    def advance(self, seconds: float) -> None:
        """So many more of them are done."""
        self._move(seconds)

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        self._said_s = time.monotonic()
        if not self._quiet:
            self._show(line)

    def warn(self, line: str) -> None:
        """A line that ``--quiet`` does not hide."""
        self._show(line)

    def _show(self, line: str) -> None:
        if self._bar is None:
            click.echo(line, err=True)
        else:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _open(self, what: str, total: float, unit: str) -> None:
        self.close()
        self._what, self._unit = what, unit
        self._done, self._total = 0.0, float(total)
        self._began_s = self._said_s = time.monotonic()
        if sys.stderr.isatty() and not self._quiet:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=what, unit=unit, bar_format=_BAR, leave=unit == "s")

    def _move(self, amount: float) -> None:
        self._done += amount
        if self._bar is not None:
            self._bar.set_postfix_str(self._speed(), refresh=False)
            self._bar.update(
                min(self._done, self._total) - self._bar.n
            )  # files may be longer than they declare
        elif time.monotonic() - self._said_s > _LINE_EVERY_S:
            left = max(0.0, self._total - self._done) / max(self._rate(), 1e-9)
            hours, minutes = divmod(round(left / 60), 60)
            about = f"{self._done:.0f}/{self._total:.0f} {self._unit}, {self._speed()}"
            self.say(f"{self._what}: {about}, {hours}:{minutes:02d} h left")

    def _rate(self) -> float:
        return self._done / max(time.monotonic() - self._began_s, 1e-9)

    def _speed(self) -> str:
        return f"{self._rate():.2g}x real time" if self._unit == "s" else f"{self._rate():.3g} files/s"
