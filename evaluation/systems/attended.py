"""Run a command, and end it with all it has started once the process that waits for its result is gone.

Run as a file, so that it loads the standard library alone and is there at once::

    python attended.py PARENT_PID PROGRAM ARGUMENT ...

Its group of processes is its own. It ends with the exit code of the command, 128 + N where signal N ended that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from types import FrameType

__all__ = ["GRACE_S"]

GRACE_S = 5.0
"""What a command that is asked to end has for it: launchers pass the wish on to processes in groups of their own."""
_LOOK_EVERY_S = 0.5


def _outlive(number: int, frame: FrameType | None) -> None:
    """The command is asked to end with the same signal; that is awaited."""


def _attend(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, _outlive)
    while True:
        try:
            code = child.wait(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if os.getppid() == parent:
                continue
            os.killpg(0, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=GRACE_S)
            os.killpg(0, signal.SIGKILL)
        else:
            return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(_attend(int(sys.argv[1]), sys.argv[2:]))
