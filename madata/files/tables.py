"""Parquet files that nobody vouches for: how much they come to is known before it is held.

A column of texts may be one long text and a million times its number. Texts are read as such numbers, a few thousand
rows at a time, and written out when what they come to is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from madata.errors import MadanceError
from madata.files.special import refuse_special
from madata.limits import reading_limits

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["open_table", "table_batches", "whole_table"]

_ROWS_AT_A_TIME = 4096


def open_table(path: Path, texts: Sequence[str] = ()) -> pq.ParquetFile:
    """A Parquet file, open; its rows are not read yet.

    Args:
        texts: columns to read as numbers of the texts in them.

    Raises:
        MadanceError: it is absent or is no Parquet file.
    """
    import pyarrow.parquet as pq

    try:
        refuse_special(path)
        return pq.ParquetFile(path, read_dictionary=list(texts))
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
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    # a column of one value takes a few bytes, however many rows it has, or values in a row
    values = sum(group.column(number).num_values for group in groups for number in range(meta.num_columns))
    most_values = max(meta.num_rows * max(1, len(wanted)), values if columns is None else 0)
    if size > limits.unpacked_bytes or most_values > limits.cells:
        raise MadanceError(
            f"{path}: {meta.num_rows} rows of {len(wanted)} columns, {size >> 20} MiB, are too many "
            "(MADANCE_LIMITS cells, unpacked_bytes)"
        )
    import pyarrow as pa

    batches = list(table_batches(path, wanted, opened=opened))
    order = [name for name in there if name in wanted]
    return pa.Table.from_batches(batches, pa.schema([opened.schema_arrow.field(name) for name in order]))


def table_batches(
    path: Path,
    columns: Sequence[str],
    rows: int = _ROWS_AT_A_TIME,
    *,
    opened: pq.ParquetFile | None = None,
    together: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, so many rows at a time.

    Args:
        columns: those wanted, all of which are there.
        opened: see :func:`whole_table`.
        together: the caller keeps all batches; else the limit is on each.

    Raises:
        MadanceError: see :func:`open_table`; or it is damaged, or comes to more than
            :class:`madata.limits.ReadingLimits` allows.
    """
    import pyarrow as pa

    schema = (opened or open_table(path)).schema_arrow
    fields = [field for field in schema if field.name in columns]
    texts = [
        field.name for field in fields if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    ]
    most, size = reading_limits().unpacked_bytes, 0
    try:
        with open_table(path, texts) as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                size = (size if together else 0) + sum(map(_written_out_bytes, batch.columns))
                if size > most:
                    raise MadanceError(
                        f"{path}: written out it comes to more than {most >> 20} MiB (MADANCE_LIMITS unpacked_bytes)"
                    )
                yield pa.RecordBatch.from_arrays(
                    [batch.column(field.name).cast(field.type) for field in fields], schema=pa.schema(fields)
                )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MadanceError(f"{path}: damaged ({error}); copy it again") from error


def _written_out_bytes(column: pa.Array) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    return int(pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)
