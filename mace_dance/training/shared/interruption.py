"""Ctrl-C and the termination signal of a batch system, as a wish to stop after the step under way."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import click

from madata.ending import SAME_WISH_S

__all__ = ["leave_interrupted", "stop_wished"]

_stopped_by: list[int] = []


@contextlib.contextmanager
def stop_wished() -> Iterator[Callable[[], bool]]:
    """Within the block the first SIGINT or SIGTERM only makes the yielded function true; a later one acts."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in watched}
    came: list[float] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(time.monotonic())
        if came[-1] - came[0] <= SAME_WISH_S:
            _stopped_by.append(number)
            return
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.raise_signal(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_interrupted(step: int, steps: int) -> NoReturn:
    """End the command of a run that was stopped: say how far it came, and exit as a shell counts signals."""
    click.echo(
        f"interrupted at step {step} of {steps}, which is saved; the same command goes on there", err=True
    )
    click.get_current_context().exit(128 + (_stopped_by[0] if _stopped_by else signal.SIGINT))
