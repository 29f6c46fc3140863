"""Code of others, run so that it harms nobody: what it raises is named, what it prints stays off the results.

Standard output belongs to results. A system that prints, from Python or from a library below it, writes to standard
error instead, or into a log (:func:`prints_apart`). A system that calls ``sys.exit`` raises an error like any other
(:func:`contained`).
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any

from madata.errors import MadanceError
from madata.extras import absent_package

__all__ = ["contained", "guarded", "line_of", "prints_apart", "runs_foreign_code"]

_OWN_FOLDER = Path(__file__).parents[1]
_STANDARD_OUTPUT = 1  # the file descriptor that libraries below Python write to

_apart = False


@contextmanager
def prints_apart(log: Path | None = None) -> Iterator[None]:
    """Send what is written to standard output, by Python or below it, to ``log``, by default to standard error.

    Inside another such block nothing changes: the outer one has decided.
    """
    global _apart
    if _apart:
        yield
        return
    stream: IO[str] = sys.stderr if log is None else log.open("a", encoding="utf-8", errors="replace")
    _apart = True
    try:
        with redirect_stdout(stream), _descriptor(stream):
            yield
    finally:
        _apart = False
        if log is not None:
            stream.close()


def runs_foreign_code() -> bool:
    """Whether the code that runs now is inside :func:`prints_apart`."""
    return _apart


@contextmanager
def _descriptor(stream: IO[str]) -> Iterator[None]:
    """Descriptor 1 is that of ``stream`` for a while, where both exist."""
    try:
        saved, target = os.dup(_STANDARD_OUTPUT), stream.fileno()
    except (OSError, ValueError):  # standard output is closed, or the stream lives in memory
        yield
        return
    try:
        os.dup2(target, _STANDARD_OUTPUT)
        yield
    finally:
        stream.flush()
        os.dup2(saved, _STANDARD_OUTPUT)
        os.close(saved)


@contextmanager
def contained() -> Iterator[None]:
    """Keep the process as it is: a wish to end it becomes an error, and the working folder stays where it was.

    Raises:
        RuntimeError: the code inside called ``sys.exit``.
    """
    folder = Path.cwd()
    try:
        yield
    except SystemExit as error:
        raise RuntimeError(f"it asked to exit (SystemExit, code {error.code})") from error
    finally:
        os.chdir(folder)


def guarded(name: str, what: str, call: Callable[..., Any], *args: Any) -> Any:
    """Call foreign code; any failure, an exit included, becomes a :class:`MadanceError` that names the system."""
    try:
        with prints_apart(), contained():
            return call(*args)
    except MadanceError as error:
        raise MadanceError(f"{name}: {error}") from error
    except ModuleNotFoundError as error:
        lacking = absent_package(error.name or str(error))
        raise MadanceError(f"{name}: {what} failed: {lacking}{line_of(error)}") from error
    except Exception as error:
        raise MadanceError(
            f"{name}: {what} failed: {type(error).__name__}: {error}{line_of(error)}"
        ) from error


def line_of(error: BaseException) -> str:
    """The last line of foreign code that an error passed through, in brackets; without the folder."""
    origin = error.__cause__ if isinstance(error.__cause__, SystemExit) else error
    frames = inspect.getinnerframes(origin.__traceback__) if origin.__traceback__ else []
    foreign = [frame for frame in frames if _OWN_FOLDER not in Path(frame.filename).parents]
    return f" ({Path(foreign[-1].filename).name}, line {foreign[-1].lineno})" if foreign else ""
