"""Rows of numbers in a ``.npy``: the layouts of :mod:`madata.motion.vectors`, told by their width.

A leading axis of one (FACT's (1, T, 225)) is dropped. A ``.npy`` may also be a pickled dictionary (Bailando), which is
parsed as data (:mod:`madata.pickles`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.motion.formats.fields import Hints, array
from madata.motion.vectors import LAYOUTS, decode, layout, layout_of_width
from madata.types import Motion3D

__all__ = ["read"]


def read(path: Path, values: Any, hints: Hints, name: str | None) -> Motion3D:
    """The motion in rows of a known layout.

    Args:
        values: (T, D), or (1, T, D).
        name: the layout; told by D where it is ``None``.

    Raises:
        MediaError: the width is of no layout, or not of the one named.
    """
    values = np.asarray(values)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    rows = array(path, values, "the array", (None, None))
    found = layout(name) if name else layout_of_width(rows.shape[1])
    if found is None or found.width != rows.shape[1]:
        known = ", ".join(f"{entry.width} ({entry.name})" for entry in LAYOUTS.values())
        wanted = f"{found.width} ({found.name})" if found else f"one of {known}"
        raise MediaError(f"{path}: {rows.shape[1]} columns, expected {wanted}", reason="bad_shape")
    motion = decode(rows, found.name, hints.fps, str(path))
    return motion if hints.up is None else replace(motion, up=hints.up)
