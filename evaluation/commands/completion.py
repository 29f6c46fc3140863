"""What the shell offers for a system or a protocol; read when a key asks for it, not when a verb is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points

from madata.commands.options import offering

__all__ = ["protocols", "systems"]


def _systems() -> Iterable[str]:
    return entry_points(group="madance.systems").names


def _protocols() -> Iterable[str]:
    from evaluation.protocol import protocol_names

    return protocol_names()


systems = offering(_systems)
protocols = offering(_protocols)
