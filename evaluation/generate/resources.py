"""Time and memory of one call, and random generators that start from the clip's seed.

On a GPU work runs on after the call returns; the clock waits for it.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

__all__ = ["peak_gpu_mib", "peak_rss_mib", "seed_everything", "timed"]

Value = TypeVar("Value")


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (where loaded), for systems that use them."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


def timed(call: Callable[[], Value]) -> tuple[Value, float]:
    """The value of a call and the seconds it took, work on the GPU included."""
    _wait_for_gpu()
    begin = time.perf_counter()
    value = call()
    _wait_for_gpu()
    return value, time.perf_counter() - begin


def _cuda() -> Any:
    """``torch.cuda`` where it is in use."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return cuda if cuda is not None and cuda.is_available() and cuda.is_initialized() else None


def _wait_for_gpu() -> None:
    cuda = _cuda()
    if cuda is not None:
        cuda.synchronize()


def peak_gpu_mib() -> float | None:
    """Most memory torch has held on all GPUs together since the process began, MiB."""
    cuda = _cuda()
    if cuda is None:
        return None
    return float(sum(cuda.max_memory_allocated(index) for index in range(cuda.device_count())) / 2**20)


def peak_rss_mib() -> float:
    """Most memory this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
