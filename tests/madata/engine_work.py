"""Functions for the workers of test_engine.py."""

import ctypes
import os
import signal
import time

from madata.errors import MadanceError
from madata.files import atomic_path


class Slow:
    def __del__(self):
        while True:
            time.sleep(0.1)


def work(item, report):
    report(1.0)
    if item == "finaliser":
        Slow()
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "leave":
        os._exit(3)
    if item == "raise":
        raise ValueError("bad item")
    if item == "fatal":
        raise MadanceError("the disk is full")
    return item.upper(), os.environ["OMP_NUM_THREADS"]


def half_a_file(folder, report):
    """Begin a file, say which process does, and never end."""
    with atomic_path(folder / f"clip-{os.getpid()}.mp4") as temporary:
        temporary.write_bytes(b"half")
        (folder / f"pid-{os.getpid()}").touch()
        while True:
            time.sleep(0.05)


def deaf(folder, report):
    """Stay in a library that keeps Python from running any thread, or handler of a signal."""
    (folder / f"pid-{os.getpid()}").touch()
    ctypes.PyDLL(None).sleep(600)
