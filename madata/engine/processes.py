"""Worker processes on this machine, one item at a time each.

A worker that dies (a decoder's crash, the out-of-memory killer) costs the item it held, which is reported with the
signal, and is replaced; the rest of the batch goes on. Each worker computes with one thread, so that results do not
depend on how many run beside it. Workers are forked from a process that has imported the heavy packages and done
nothing else: what is imported costs its seconds and its memory once, and nothing of the parent's state reaches them.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

from madata.devices import THREAD_VARIABLES, model_servers
from madata.ending import CLEARS_WITHIN_S, end_with_parent
from madata.engine.work import Outcome, Step
from madata.errors import MadanceError
from madata.files import scratch_folder

__all__ = ["Through", "run", "run_steps"]

Item = TypeVar("Item")
Value = TypeVar("Value")

_LEAVES_WITHIN_S = 10.0
_LONGEST_PLACE = 45
"""Letters of the folder for temporary files: a socket's name has 107 at most, and ours and Python's take 60."""
_SHORT_PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


@dataclass
class _Worker:
    process: Any
    connection: Connection
    index: int | None = None


def run(
    function: Callable[[Item, Callable[[float], None]], Value],
    items: Sequence[Item],
    *,
    jobs: int,
    packages: Sequence[str] = (),
    device: str = "cpu",
    on_progress: Callable[[float], None] = lambda amount: None,
) -> Iterator[Outcome[Item, Value]]:
    """Call ``function(item, report)`` for every item in ``jobs`` processes; yield outcomes as they finish.

    Args:
        function: a module-level function (it is sent to the workers by name). It may call ``report(amount)``.
        packages: what it imports that is slow to import; those not installed are passed over.
        device: where the workers' networks run. On another one than ``cpu`` a model server holds them for all workers
            (:mod:`madata.networks`).
        on_progress: receives every reported amount in this process.
    """
    if not items:
        return
    from madata.networks import serving  # NumPy comes with it, which a word of help need not wait for

    multiprocessing.get_context("forkserver").set_forkserver_preload(["madata.bound", *packages])
    _keep_socket_in_scratch()
    with serving(model_servers(device)):
        yield from _run(function, items, jobs, on_progress)


@functools.cache
def _keep_socket_in_scratch() -> None:
    """The socket of the server that forks the workers goes when this process ends, killed or not.

    Python puts it into a folder of its own, which a killed process leaves for ever; here it lies in one that is swept.
    Where the name of the folder for temporary files is too long for a socket, it lies in a shorter one.
    """
    places = (Path(tempfile.gettempdir()), *_SHORT_PLACES)
    place = next(
        (path for path in places if len(str(path)) <= _LONGEST_PLACE and os.access(path, os.W_OK)), None
    )
    if place is None:
        return
    stack = contextlib.ExitStack()
    folder = stack.enter_context(scratch_folder(place))
    multiprocessing.util.Finalize(None, stack.close, exitpriority=-200)  # Python's own folder goes at -100
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        multiprocessing.util.get_temp_dir()  # made once for a process, and remembered
    finally:
        tempfile.tempdir = before


def _run(
    function: Callable[[Item, Callable[[float], None]], Value],
    items: Sequence[Item],
    jobs: int,
    on_progress: Callable[[float], None],
) -> Iterator[Outcome[Item, Value]]:
    pending = list(range(len(items)))[::-1]
    context = multiprocessing.get_context("forkserver")
    guard = _start(context, _kill_the_deaf)
    workers = [_start(context, partial(_work, function)) for _ in range(min(jobs, len(items)))]
    try:
        guard.connection.send([worker.process.pid for worker in workers])
        for worker in workers:
            _give(worker, pending, items)
        while busy := [worker for worker in workers if worker.index is not None]:
            ready = set(wait([worker.connection for worker in busy]))
            for worker in busy:
                if worker.connection not in ready or worker.index is None:
                    continue
                item = items[worker.index]
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, OSError):
                    yield Outcome(item, error=_death(worker))
                    workers.remove(worker)
                    worker = _start(context, partial(_work, function))
                    workers.append(worker)
                    guard.connection.send([worker.process.pid for worker in workers])
                    _give(worker, pending, items)
                    continue
                if kind == "progress":
                    on_progress(content)
                    continue
                yield (
                    Outcome(item, value=content)
                    if kind == "value"
                    else Outcome(item, error=content, fatal=kind == "fatal")
                )
                _give(worker, pending, items)
    finally:
        for worker in workers:
            worker.connection.close()  # an idle worker leaves by itself, a busy one is told to
            if worker.index is not None:
                worker.process.terminate()
        for worker in workers:
            worker.process.join(timeout=_LEAVES_WITHIN_S)
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join()
        guard.process.kill()
        guard.process.join()


@dataclass(frozen=True)
class Through:
    """All steps of one item, one after the other; the value is that of the last."""

    steps: tuple[Step[Any, Any], ...]

    def __call__(self, item: Any, report: Callable[[float], None]) -> Any:
        """Take an item through."""
        value = None
        for step in self.steps:
            value = step.function(item, report)
        return value


def run_steps(
    steps: Sequence[Step[Item, Any]],
    items: Sequence[Item],
    *,
    jobs: int,
    on_progress: Callable[[float], None] = lambda amount: None,
) -> Iterator[Outcome[Item, Any]]:
    """Take every item through all steps; one process does all of an item. See :func:`run`."""
    packages = tuple(dict.fromkeys(name for step in steps for name in step.packages))
    device = next((step.device for step in steps if step.device != "cpu"), "cpu")
    yield from run(
        Through(tuple(steps)), items, jobs=jobs, packages=packages, device=device, on_progress=on_progress
    )


def _start(context: ForkServerContext, work: Callable[[Connection, dict[str, str]], None]) -> _Worker:
    ours, theirs = context.Pipe()
    with _single_threaded_environment():
        # the server keeps the environment of its start: what was set since then goes along
        process = context.Process(target=work, args=(theirs, dict(os.environ)), daemon=True)
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def _single_threaded_environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _give(worker: _Worker, pending: list[int], items: Sequence[Any]) -> None:
    worker.index = pending.pop() if pending else None
    if worker.index is not None:
        worker.connection.send(items[worker.index])


def _death(worker: _Worker) -> str:
    worker.process.join(timeout=10)
    code = worker.process.exitcode
    if code is not None and code < 0:
        return f"the worker process was ended by {signal.Signals(-code).name}"
    return f"the worker process ended with exit code {code}"


def _leave(number: int, frame: object) -> None:
    """End by an exception, so that what is half written is cleared away."""
    raise SystemExit(128 + number)


def _leave_at_once(unraisable: sys.UnraisableHookArgs) -> None:
    """Asked to leave inside a finaliser, where an exception goes no further and would be printed instead."""
    if isinstance(unraisable.exc_value, SystemExit):
        os._exit(128 + signal.SIGTERM)
    sys.__unraisablehook__(unraisable)


def _work(function: Callable[..., Any], connection: Connection, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    sys.unraisablehook = _leave_at_once
    end_with_parent()
    try:
        _answer(function, connection)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # while the interpreter ends, nothing is half written


def _kill_the_deaf(connection: Connection, environment: dict[str, str]) -> None:
    """End the workers of a verb that was killed, should they not end themselves.

    A worker hears of it in a thread of its own. While a library keeps Python from running, no thread does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    workers: list[int] = []
    with contextlib.suppress(EOFError, OSError):
        while True:
            workers = connection.recv()
    time.sleep(2 * CLEARS_WITHIN_S)
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def _answer(function: Callable[..., Any], connection: Connection) -> None:
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            item = connection.recv()
            try:
                message = ("value", function(item, lambda amount: connection.send(("progress", amount))))
            except (BrokenPipeError, ConnectionResetError):
                return
            except MadanceError as error:
                message = ("fatal", str(error))
            except Exception as error:  # one bad item must not stop the batch; it is reported with its place
                frame = traceback.extract_tb(error.__traceback__)[-1]
                message = ("error", f"{type(error).__name__}: {error} ({frame.name}, line {frame.lineno})")
            connection.send(message)
