"""How a process of ours ends: by a signal as by Ctrl-C, by a fault with a report, and a worker with its parent."""

from __future__ import annotations

import ctypes
import importlib.metadata
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType

__all__ = [
    "CLEARS_WITHIN_S",
    "SAME_WISH_S",
    "Terminated",
    "asked_to_end",
    "bind_to_parent",
    "end_with_parent",
    "fault_report",
    "raise_on_signals",
]

SAME_WISH_S = 1.0
"""Some senders say it twice (``timeout`` to the process and to its group): that is one wish."""
CLEARS_WITHIN_S = 3.0
"""What a worker whose parent died has to clear away what it has half written."""
_FRAMES_SHOWN = 6
_PLACES = Path(__file__).parents[1]


class Terminated(BaseException):
    """A signal asked the process to end: no :class:`Exception`, as ``KeyboardInterrupt`` is none.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def raise_on_signals() -> None:
    """From now on SIGTERM and SIGHUP raise :class:`Terminated`, so that what is half written is cleared away.

    What comes a second later again ends the process at once. A process that was started to outlive its terminal
    (``nohup``) does. Ctrl-C raises ``KeyboardInterrupt``, as it does by itself; :func:`asked_to_end` knows of all.
    """
    for number, before in (
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
        (signal.SIGINT, signal.default_int_handler),
    ):
        if signal.getsignal(number) is before:
            signal.signal(number, _raise)


def asked_to_end() -> int | None:
    """The signal that first asked this process to end since :func:`raise_on_signals`."""
    return _asked[0][0] if _asked else None


_asked: list[tuple[int, float]] = []


def _raise(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    _asked.append((number, now))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if len(_asked) == 1:
        raise Terminated(number)
    if now - _asked[0][1] > SAME_WISH_S:
        os._exit(128 + number)


def end_with_parent() -> None:
    """Let a worker process end with the one that started it, however that one ended and whatever the worker does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)  # its handler clears away what is half written
    time.sleep(CLEARS_WITHIN_S)
    os._exit(128 + signal.SIGTERM)


_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def bind_to_parent() -> None:
    """``preexec_fn`` of a program that is none of ours: on Linux it is ended with the process that started it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def fault_report(error: BaseException) -> str:
    """What is sent to those who mend this package: the error, where it arose, and versions."""
    called = traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]
    places = [f"  {_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in called]
    version = importlib.metadata.version("madance")
    about = f"madance {version}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return "\n".join([about, *places, f"{type(error).__name__}: {str(error)[:500]}"])


def _place(file: str) -> str:
    """A source file as it is called inside its package."""
    path = Path(file)
    for folder in (_PLACES, *map(Path, sys.path)):
        if folder.is_absolute() and path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return path.name
