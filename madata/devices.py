"""Where networks run: which device that is, and one line where it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from madata.errors import ConfigError
from madata.extras import is_there

if TYPE_CHECKING:
    from torch import nn

__all__ = ["model_servers", "on_device", "resolve_device", "unusable"]

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
