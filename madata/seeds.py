"""The one rule of randomness: a seed is a function of the run's seed and of what it is for, and of nothing else.

So neither the order in which things are done, nor which process does them, nor what else is in the run changes a draw.
Functions that draw take an ``rng`` or a ``seed``; nobody reads a clock or a global generator.
:func:`madata.windows.window_seed` keeps a wider hash of its own: data sets that are there were drawn with it.
"""

from __future__ import annotations

import hashlib

__all__ = ["seed_of"]


def seed_of(seed: int, *names: str) -> int:
    """The seed, 0 .. 2**32 - 1, of the thing called ``names`` in a run with ``seed``.

    Example:
        >>> seed_of(0, "clip_01"), seed_of(1, "clip_01"), seed_of(0, "look", "clip_01")
        (1854767733, 2471964388, 3676833453)
    """
    text = "/".join((str(seed), *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
