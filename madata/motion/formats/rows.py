"""Rows of numbers in a ``.npy``: the layouts of :mod:`madata.motion.vectors`, told by their width.

A leading axis of one (FACT's (1, T, 225)) is dropped. A ``.npy`` may also be a pickled dictionary (Bailando), which is
parsed as data (:mod:`madata.pickles`).
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.files import MAX_UNPACKED_BYTES
from madata.motion.formats.fields import Hints, array
from madata.motion.vectors import LAYOUTS, decode, layout, layout_of_width
from madata.pickles import NotPlainError, load_plain
from madata.types import Motion3D

__all__ = ["load", "read"]


def load(path: Path) -> Any:
    """The array of a ``.npy``, or the pickled value in it.

    Raises:
        MediaError: the file is absent, damaged, too large, or holds what is no plain data.
    """
    try:
        if path.stat().st_size > MAX_UNPACKED_BYTES:
            raise MediaError(
                f"{path}: larger than {MAX_UNPACKED_BYTES >> 20} MiB; cut it first", reason="too_large"
            )
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            reader = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = reader(stream)
            if not dtype.hasobject:
                return np.load(path, allow_pickle=False)
            data = stream.read()
        value = load_plain(io.BytesIO(data), len(data))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except NotPlainError as error:
        raise MediaError(
            f"{path}: refused, only plain data is read from a .npy: {error}", reason="unsafe_pickle"
        ) from None
    except MediaError:
        raise
    except Exception as error:  # numpy raises ValueError, EOFError, SyntaxError, ...
        raise MediaError(
            f"{path}: not a readable .npy of plain numbers ({error})", reason="not_npy"
        ) from error
    return value if shape == () else np.asarray(value, object)


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
