"""Bringing networks onto a device, with one line where that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from madata.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["on_device", "unusable"]


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
