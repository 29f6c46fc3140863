"""What there is to compute with: the device networks run on, in one line where it cannot be used, and cores."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from madata.errors import ConfigError
from madata.extras import is_there

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "THREAD_VARIABLES",
    "model_servers",
    "on_device",
    "resolve_device",
    "take_threads",
    "unusable",
    "usable_cores",
]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What torch, NumPy and SciPy take their number of threads from when they are imported."""

_DRIVERS = ("nvidia[0-9]*", "dxg", "kfd")
"""Device files of NVIDIA, of NVIDIA below Windows, of AMD: without any there is nothing to ask torch about, whose
import takes seconds that a verb without networks need not spend."""


def resolve_device(device: str) -> str:
    """``device`` itself, or for ``"auto"`` what is there: ``"cuda"``, else ``"cpu"``."""
    if device != "auto":
        return device
    if not is_there("torch") or not any(any(Path("/dev").glob(name)) for name in _DRIVERS):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def model_servers(device: str) -> tuple[str, ...]:
    """The devices that a run on ``device`` has a model server for: none on the CPU, every GPU for ``"cuda"``.

    Raises:
        ConfigError: there is no GPU.
    """
    if device == "cpu":
        return ()
    if device != "cuda":
        return (device,)
    import torch

    count = torch.cuda.device_count()
    if not count:
        raise ConfigError("the device 'cuda' cannot be used: there is no GPU that torch can see")
    return tuple(f"cuda:{number}" for number in range(count))


def on_device(network: nn.Module, device: str) -> None:
    """Move ``network``.

    Raises:
        ConfigError: there is no such device, or it has no room.
    """
    try:
        network.to(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise unusable(device, error) from error


def unusable(device: str, error: Exception) -> ConfigError:
    """What torch says of a device, as one line."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ConfigError(f"the device {device!r} cannot be used: {reason}")


def usable_cores(root: Path = Path("/")) -> int:
    """Cores this process may use: those it is bound to, or fewer where its container has a quota of their time.

    A share of a core counts as one: 2.5 are 3.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    return max(1, min([_bound_to(), *map(math.ceil, _quotas(root))]))


def take_threads() -> None:
    """Let libraries that are imported from now on compute with no more threads than :func:`usable_cores`.

    They count the cores they see; of 64 a container may have the time of two, and 64 threads would wait for each other.
    Nothing is changed without a quota, nor where the user has set a number.
    """
    cores = usable_cores()
    if cores < _bound_to():
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, str(cores))


def _bound_to() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Cores that each control group of this process grants; a group has no more than those above it.

    ``cpu.max`` of cgroup v2 holds "quota period" in microseconds, or "max period"; v1 has a file for each, and -1. In a
    container the path may be that of the host, where its own group is mounted as the root: every part is tried.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = root / "sys/fs/cgroup" / controllers
        own = mounted / path.lstrip("/")
        for group in (own, *own.parents):
            yield from _quota(group)
            if group == mounted:
                break


def _quota(group: Path) -> Iterator[float]:
    names = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    for files in names:
        try:
            quota, period = " ".join((group / name).read_text() for name in files).split()
            if quota not in ("max", "-1"):
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
