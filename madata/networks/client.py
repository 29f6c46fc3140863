"""The side of the workers: a network of this process, or rows sent to the server that holds it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy.typing as npt

from madata.errors import MadanceError

__all__ = ["SERVERS", "Array", "BatchNetwork", "Loader", "is_served", "open_network"]

SERVERS = "MADANCE_MODEL_SERVERS"
"""Environment variable of a process and its workers: the sockets of the model servers, one a device."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class BatchNetwork:
    """Rows in, rows out.

    Attributes:
        function: arrays of B rows each -> arrays of B rows each. What comes out for a row depends on that row alone.
        about: what else there is to know of it: a few names and numbers.
    """

    function: Callable[..., tuple[Array, ...]]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *rows: Array) -> tuple[Array, ...]:
        """Take rows through the network."""
        return self.function(*rows)


class Loader(Protocol):
    """Loads a network onto a device: a module-level function, or a ``partial`` of one with picklable arguments."""

    def __call__(self, device: str, /) -> BatchNetwork:
        """Load it."""
        ...


def open_network(load: Loader, device: str) -> BatchNetwork:
    """The network that ``load`` loads: that of a model server where there are some, else one of this process.

    Args:
        device: torch name of the device; a server has its own.

    Raises:
        MadanceError: it cannot be loaded there, or the server has ended.
    """
    servers = os.environ.get(SERVERS)
    if not servers:
        return load(device)
    paths = servers.split(os.pathsep)
    remote = _Remote(paths[os.getpid() % len(paths)], load)
    return BatchNetwork(remote, remote.about)


def is_served() -> bool:
    """Whether there are model servers for this process."""
    return bool(os.environ.get(SERVERS))


class _Remote:
    """A network of a model server."""

    def __init__(self, path: str, load: Loader) -> None:
        with _told():
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            self._connection = Connection(client.detach())
        self.about: Mapping[str, Any] = self._ask(load)

    def __call__(self, *rows: Array) -> tuple[Array, ...]:
        answer: tuple[Array, ...] = self._ask(rows)
        return answer

    def _ask(self, what: Any) -> Any:
        with _told():
            self._connection.send(what)
            kind, answer = self._connection.recv()
        if kind == "value":
            return answer
        raise (MadanceError if kind == "fatal" else RuntimeError)(answer)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise MadanceError(
            "the process that holds the networks has ended (out of memory?): run the same command again, it goes on"
        ) from error
