"""Ctrl-C and the termination signal of a batch system, as a wish to stop after the step under way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["stop_wished"]


@contextlib.contextmanager
def stop_wished() -> Iterator[Callable[[], bool]]:
    """Within the block the first SIGINT or SIGTERM only makes the yielded function true; the second acts."""
    came = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in watched}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
