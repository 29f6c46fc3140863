"""``librosa``, imported so that processes that begin at once do each other no harm.

Importing it compiles some twenty functions, which takes a minute of a slow core, and numba keeps the machine code: of a
function over arrays in two files, one of which calls the other by a name that depends on what else the process has
compiled. Two processes that compile at once may leave halves of two kinds, and whoever loads them ends with SIGSEGV
(numba's issue 10128). Here the code lies in a folder of its own for each version of what made it, which one process
fills while the others wait; once it is complete nobody waits.

This module is what music is computed with, and what workers that need it import ahead (``packages`` of
:func:`madata.engine.run`): nothing else imports librosa.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import multiprocessing.util
import os
import sys
from pathlib import Path

from madata.cache import user_cache
from madata.files import filled_by_one, scratch_folder

__all__ = ["librosa"]

_PARTS = ("beat", "effects", "feature", "onset", "util")


def _code_folder() -> Path:
    """Where numba keeps the code: below ``$NUMBA_CACHE_DIR`` or the user's cache, else for this process alone."""
    binding = importlib.import_module("llvmlite.binding")
    found = importlib.util.find_spec("librosa")
    made_by = (
        *(f"{name} {importlib.metadata.version(name)}" for name in ("librosa", "numba", "llvmlite")),
        str(sys.implementation.cache_tag),
        str(found.origin if found else None),
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
    )
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(chosen) if chosen else user_cache() / "madance" / "numba"
    folder = base / hashlib.sha256("\n".join(made_by).encode()).hexdigest()[:16]
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    stack = contextlib.ExitStack()
    multiprocessing.util.Finalize(None, stack.close, exitpriority=-200)
    return stack.enter_context(scratch_folder())


_code = _code_folder()
importlib.import_module("numba").config.CACHE_DIR = str(_code)
with filled_by_one(_code):
    librosa = importlib.import_module("librosa")
    for _part in _PARTS:
        importlib.import_module(f"librosa.{_part}")
