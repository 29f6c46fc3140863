"""Keeping what long work has, on its way and however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["kept_on_the_way"]

_LEAST, _SHARE = 100, 0.1


@contextlib.contextmanager
def kept_on_the_way(write: Callable[[], object]) -> Iterator[Callable[[int], None]]:
    """Write a table whenever a tenth more is in it, and when the block ends, an interruption included.

    The whole is written each time, so that smaller steps would add up.

    Args:
        write: writes all there is.

    Yields:
        To be called after every piece of work, with the number of pieces there are by then.
    """
    since = 0

    def note(there: int) -> None:
        nonlocal since
        since += 1
        if since > max(_LEAST, _SHARE * there):
            write()
            since = 0

    try:
        yield note
    finally:
        write()
