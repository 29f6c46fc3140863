"""The side of a device: one process that holds the networks and takes the rows of all workers through them.

A worker has one question at a time, so that no more rows wait than there are workers. While a batch is computed, the
next questions arrive and make the next batch: nobody waits for others to ask. Batches are filled up to one size, which
keeps what comes out for a row from depending on how many rows there were beside it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MadanceError
from madata.files import scratch_folder
from madata.networks.client import SERVERS, Array, BatchNetwork, Loader

__all__ = ["BATCH", "serving"]

BATCH = 16
"""Rows: windows of 100 thumbnails take 3 GB of a GPU, pictures and crops less."""
_LEAVES_WITHIN_S = 10.0

_Answer = tuple[str, Any]
"""``value`` and what was asked for, or a message: ``fatal`` of the place, ``error`` of these rows alone."""


@contextlib.contextmanager
def serving(devices: Sequence[str], *, batch: int = BATCH) -> Iterator[None]:
    """While this lasts, :func:`madata.networks.open_network` of this process and its workers asks these devices.

    Without devices nothing is served. Workers share the servers evenly. A server whose parent dies ends by itself.

    Args:
        devices: torch names, one server each.
        batch: rows that a network takes at once.
    """
    if not devices:
        yield
        return
    with scratch_folder() as folder:
        yield from _serving(folder, devices, batch)


def _serving(folder: Path, devices: Sequence[str], batch: int) -> Iterator[None]:
    context = multiprocessing.get_context("forkserver")
    paths = [str(folder / str(number)) for number in range(len(devices))]
    parents: list[Connection] = []
    servers = []
    before = os.environ.get(SERVERS)
    try:
        for path, device in zip(paths, devices, strict=True):
            ours, theirs = context.Pipe()
            server = context.Process(
                target=_serve, args=(path, device, batch, theirs, dict(os.environ)), daemon=True
            )
            server.start()
            theirs.close()
            parents.append(ours)
            servers.append(server)
        for ours, device in zip(parents, devices, strict=True):
            _await(ours, device)
        os.environ[SERVERS] = os.pathsep.join(paths)
        yield
    finally:
        os.environ.pop(SERVERS, None)
        if before is not None:
            os.environ[SERVERS] = before
        for ours in parents:
            ours.close()
        for server in servers:
            server.join(timeout=_LEAVES_WITHIN_S)
            if server.is_alive():  # it computes, and nobody is there any more to hear the answer
                server.terminate()
                server.join()


def _await(ours: Connection, device: str) -> None:
    try:
        ours.recv()
    except EOFError:
        raise MadanceError(f"the model server of {device} did not start") from None


def _serve(path: str, device: str, batch: int, parent: Connection, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and closes
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(socket.SOMAXCONN)
            parent.send("ready")
            _Server(device, batch).run(listener, parent)
    finally:
        shutil.rmtree(Path(path).parent, ignore_errors=True)  # a parent that was killed leaves it


@dataclass(frozen=True)
class _Rows:
    """A worker's question: the rows of some arrays for one network."""

    asker: Connection
    network: bytes
    arrays: tuple[Array, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Rows of one kind go through together."""
        return self.network, *((one.shape[1:], one.dtype.str) for one in self.arrays)


class _Server:
    """Networks of one device and the workers that use them."""

    def __init__(self, device: str, batch: int) -> None:
        self._device = device
        self._batch = batch
        self._networks: dict[bytes, BatchNetwork] = {}
        self._used_by: dict[Connection, bytes] = {}
        self._idle: set[Connection] = set()
        self._waiting: list[_Rows] = []

    def run(self, listener: socket.socket, parent: Connection) -> None:
        """Answer until the parent leaves."""
        while True:
            ready = wait([listener, parent, *self._idle], timeout=0 if self._waiting else None)
            if parent in ready:
                return
            for one in ready:
                if one is listener:
                    self._idle.add(Connection(listener.accept()[0].detach()))
                elif isinstance(one, Connection):
                    self._hear(one)
            if self._waiting:
                self._compute()

    def _hear(self, asker: Connection) -> None:
        self._idle.discard(asker)
        try:
            asked = asker.recv()
        except (EOFError, OSError):  # a worker that is done, or dead
            self._used_by.pop(asker, None)
            asker.close()
            return
        if isinstance(asked, tuple):
            self._waiting.append(_Rows(asker, self._used_by[asker], asked))
        else:
            self._answer(asker, self._open(asker, asked))

    def _open(self, asker: Connection, load: Loader) -> _Answer:
        name = bytes(ForkingPickler.dumps(load))
        try:
            if name not in self._networks:
                self._networks[name] = load(self._device)
        except Exception as error:
            return _failure(error, self._device)
        self._used_by[asker] = name
        return "value", dict(self._networks[name].about)

    def _compute(self) -> None:
        """Take all rows that wait for the network of the first one through it."""
        kind = self._waiting[0].kind
        together = [one for one in self._waiting if one.kind == kind]
        self._waiting = [one for one in self._waiting if one.kind != kind]
        try:
            answers = self._through(together)
        except Exception:  # whose rows they were is found out one by one
            answers = [self._alone(one) for one in together]
        for one, answer in zip(together, answers, strict=True):
            self._answer(one.asker, answer)

    def _through(self, together: Sequence[_Rows]) -> list[_Answer]:
        network = self._networks[together[0].network]
        columns = [np.concatenate(column) for column in zip(*(one.arrays for one in together), strict=True)]
        parts = [
            network(*(_filled_up(column[start : start + self._batch], self._batch) for column in columns))
            for start in range(0, len(columns[0]), self._batch)
        ]
        # only the last batch is filled up, so that the rows asked for are the first ones
        results = [np.concatenate(part) for part in zip(*parts, strict=True)]
        ends = np.cumsum([len(one.arrays[0]) for one in together]).tolist()
        return [
            ("value", tuple(result[start:end] for result in results))
            for start, end in zip([0, *ends], ends, strict=False)
        ]

    def _alone(self, one: _Rows) -> _Answer:
        try:
            return self._through([one])[0]
        except Exception as error:
            return _failure(error, self._device)

    def _answer(self, asker: Connection, answer: _Answer) -> None:
        try:
            asker.send(answer)
        except OSError:  # it died meanwhile
            self._used_by.pop(asker, None)
            asker.close()
            return
        self._idle.add(asker)


def _filled_up(rows: Array, batch: int) -> Array:
    if len(rows) == batch:
        return rows
    return np.concatenate([rows, np.zeros((batch - len(rows), *rows.shape[1:]), rows.dtype)])


def _failure(error: Exception, device: str) -> _Answer:
    if isinstance(error, MadanceError):
        return "fatal", str(error)
    message = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "fatal", f"{device} has no room for the networks ({message}): choose another one with --device"
    return "error", message
