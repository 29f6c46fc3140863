"""Parquet files that nobody vouches for: how much they come to is known before a column is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from madata.errors import MadanceError
from madata.limits import reading_limits

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["open_table", "whole_table"]


def open_table(path: Path) -> pq.ParquetFile:
    """A Parquet file, open; its rows are not read yet.

    Raises:
        MadanceError: it is absent or is no Parquet file.
    """
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise MadanceError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # Arrow's own errors are these
        raise MadanceError(f"{path}: not a readable Parquet file ({error}); copy it again") from error


def whole_table(
    path: Path, columns: Sequence[str] | None = None, *, opened: pq.ParquetFile | None = None
) -> pa.Table:
    """All rows of a Parquet file. What pandas notes in one about an index is not believed.

    Args:
        columns: those wanted.
        opened: the file, where it is open already.

    Raises:
        MadanceError: see :func:`open_table`; or it lacks a column, is damaged, or comes to more than
            :class:`madata.limits.ReadingLimits` allows.
    """
    opened = opened or open_table(path)
    there, meta, limits = opened.schema_arrow.names, opened.metadata, reading_limits()
    wanted = there if columns is None else list(columns)
    if absent := [name for name in wanted if name not in there]:
        raise MadanceError(f"{path}: has no column {absent[0]}")
    size = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
    # a column of one value takes a few bytes, however many rows it has
    if size > limits.unpacked_bytes or meta.num_rows * max(1, len(wanted)) > limits.cells:
        raise MadanceError(
            f"{path}: {meta.num_rows} rows of {len(wanted)} columns, {size >> 20} MiB, are too many "
            "(MADANCE_LIMITS cells, unpacked_bytes)"
        )
    try:
        return opened.read(columns=None if columns is None else wanted)
    except (OSError, ValueError) as error:
        raise MadanceError(f"{path}: damaged ({error}); copy it again") from error
