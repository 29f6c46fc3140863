"""Devices, precision and processes, through ``accelerate``.

One process by itself, or as many as ``accelerate launch`` starts: nothing else changes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, patch_environment

from madata.errors import ConfigError

__all__ = ["main_process_first", "make_accelerator"]

_WAIT = datetime.timedelta(hours=6)


def make_accelerator(precision: str, device: str) -> Accelerator:
    """See the module.

    Args:
        precision: ``"no"``, ``"bf16"`` or ``"fp16"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; with several processes each has its own
            of this kind.

    Raises:
        ConfigError: the device is not there, or cannot compute in this precision.
    """
    import torch

    kind, _, index = device.partition(":")
    _check(kind, index, device)
    # The state is one per process and outlives a run: another run in the same process starts afresh.
    if not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    handlers: list[Any] = [
        # While one process samples the others wait; and which parameters take part depends on the draws.
        InitProcessGroupKwargs(timeout=_WAIT),
        DistributedDataParallelKwargs(find_unused_parameters=True),
    ]
    chosen = {"ACCELERATE_TORCH_DEVICE": device} if alone and kind not in ("auto", "cpu") else {}
    try:
        with patch_environment(**chosen):
            accelerator = Accelerator(cpu=kind == "cpu", mixed_precision=precision, kwargs_handlers=handlers)
    except ValueError as error:
        raise ConfigError(f"precision {precision!r} on device {device!r}: {error}") from error
    if precision == "fp16" and accelerator.scaler is None:
        raise ConfigError(f"precision 'fp16' needs a GPU, the device is {accelerator.device}; use bf16 or no")
    return accelerator


@contextlib.contextmanager
def main_process_first(device: str) -> Iterator[None]:
    """Let the main process run the block before the others do: for what is made once and then read."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    with PartialState(cpu=device == "cpu", timeout=_WAIT).main_process_first():
        yield


def _check(kind: str, index: str, device: str) -> None:
    import torch

    if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
        raise ConfigError(f"there is no device {device!r}; say auto, cpu, cuda, cuda:1 or mps")
    count = torch.cuda.device_count() if kind == "cuda" else 0
    if kind == "cuda" and int(index or 0) >= count:
        raise ConfigError(f"device {device!r} is not there: torch sees {count} CUDA devices")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not there")
