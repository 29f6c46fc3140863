"""Where a system writes: the scratch folder of a request, its ``keep`` folder and caches are its own, the rest is not.

Seen is what Python opens, makes, moves or removes while foreign code runs; libraries below it that write by
themselves are not seen.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from evaluation.systems.foreign import runs_foreign_code

__all__ = ["stray_writes", "watch_writes"]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_CACHES = ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "MADANCE_CACHE", "TRITON_CACHE_DIR", "MPLCONFIGDIR")

_written: dict[str, None] = {}


def watch_writes() -> None:
    """Begin to watch; an audit hook lasts as long as the process."""
    homes = [tempfile.gettempdir(), "/dev", "/proc", str(Path.home() / ".cache")]
    homes += [os.environ[name] for name in _CACHES if os.environ.get(name)]
    own = tuple(os.path.realpath(home) + os.sep for home in homes)

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if not runs_foreign_code():
            return
        is_open = event == "open" and len(args) == 3 and isinstance(args[2], int) and bool(args[2] & _WRITING)
        if not (is_open or event in _CHANGES) or not isinstance(args[0], (str, bytes, os.PathLike)):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        if event == "os.mkdir" and any(home.startswith(path + os.sep) for home in own):
            return  # the way to a cache, made or there already
        if not path.startswith(own) and f"{os.sep}__pycache__" not in path:
            _written.setdefault(path)

    sys.addaudithook(hear)


def stray_writes() -> list[str]:
    """Files and folders that were changed and are not the system's own, in the order of the first change."""
    return list(_written)
