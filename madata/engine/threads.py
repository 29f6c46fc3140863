"""Threads of this process, for what reads and hashes: there they give way to one another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

__all__ = ["threads"]


@contextlib.contextmanager
def threads(count: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that ends with the block, however that ends.

    What has not begun by then never does: a signal would else be answered when every file has been read.

    Args:
        count: how many; by default as Python has it.
    """
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
