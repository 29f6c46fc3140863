"""The tables of a data set: their columns, how they are written, and the split rule.

``sources.parquet`` has a row for every file given, ``clips.parquet`` for every clip kept, ``dropped.parquet`` for
every rejected segment with the stage, the reason, the measured value and the threshold it met, ``shots.parquet`` for
every shot with the probabilities of the boundary it begins with, ``signatures.parquet`` what a clip is recognised by,
``duplicates.parquet`` every pair of clips that show the same. Spans are frame
indices of the source in presentation order, [start, end), and seconds of the source's own timeline. What the filters
measure is added to the clips and the dropped: see :mod:`madata.curation.decide`. ``docs/dataset.md`` shows the folder.

Columns that are about where a source comes from are null where nothing says it. None holds a name of a person.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from madata.errors import MadanceError
from madata.files import atomic_path, open_table, table_batches, whole_table
from madata.types import Span

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "CLIP_COLUMNS",
    "DROPPED_COLUMNS",
    "DUPLICATE_COLUMNS",
    "PROVENANCE_COLUMNS",
    "SHOT_COLUMNS",
    "SIGNATURE_COLUMNS",
    "SOURCE_COLUMNS",
    "SPLITS",
    "Column",
    "TableWriter",
    "clip_columns",
    "dropped_columns",
    "iterate_rows",
    "read_columns",
    "read_rows",
    "read_table",
    "span_columns",
    "span_row",
    "split_of",
    "table_columns",
    "write_table",
]


_ROW_GROUP = 20_000
_ROWS_AT_A_TIME = 1_000
_VERSION = 2
"""Of the tables. 1 had no groups, provenance or signatures; its tables are read, and what they lack is null."""


class Column(NamedTuple):
    """A column of a table: its Arrow type, and what it says, which the file holds too."""

    kind: str
    meaning: str


Columns = Mapping[str, str | Column]

SPLITS = ("train", "val", "test", "held")
"""``held``: clips of the groups that the test clips come from; they are neither trained on nor scored."""

PROVENANCE_COLUMNS: dict[str, Column] = {
    "platform": Column("string", "where it was published, e.g. youtube"),
    "url": Column("string", "where it can be downloaded"),
    "title": Column("string", "as published"),
    "uploader_hash": Column("string", "salted hash of the account that published it; never its name"),
    "upload_date": Column("string", "day of publication, YYYY-MM-DD"),
    "retrieved_at": Column("string", "day of the download, YYYY-MM-DD"),
    "likes": Column("int64", "when it was retrieved"),
    "views": Column("int64", "when it was retrieved"),
    "licence": Column("string", "as the platform or the list states it"),
    "performance_id": Column("string", "the captured performance it shows; two recordings of one share it"),
    "song": Column("string", "the music, as the list names it"),
    "genre": Column("string", "of the dance"),
    "genre_source": Column("string", "who says so: list, label file or the name of a labeller"),
}
"""What crawl lists, sidecars of downloaders and label files say about a source."""

SOURCE_COLUMNS: dict[str, Column] = {
    "source_id": Column("string", "name and content of the file, unique in the data set"),
    "file": Column("string", "name of the file as found, relative to the folder given"),
    "sha256": Column("string", "of the file"),
    "status": Column("string", "done, partial (only a part could be used), failed, duplicate or removed"),
    "reason": Column("string", "why it is not done"),
    "message": Column("string", "the reason in words"),
    "codec": Column("string", "of the video"),
    "width": Column("int32", "px as shown: turned upright, square pixels"),
    "height": Column("int32", "px as shown: turned upright, square pixels"),
    "rotation": Column("int32", "degrees the stored picture is turned counter-clockwise to be shown"),
    "fps": Column("float64", "average frame rate, as declared"),
    "duration_s": Column("float64", "from the first frame to the end of the last, as decoded"),
    "frames_declared": Column("int64", "number of frames the file declares"),
    "frames": Column("int64", "number of frames decoded"),
    "damaged_frames": Column("int64", "frames that the decoder cannot vouch for"),
    "audio_codec": Column("string", "of the sound; null where there is none"),
    "audio_rate_hz": Column("int32", "sample rate of the sound"),
    "shots": Column("int32", "number of shots"),
    "segments": Column("int32", "number of stretches judged"),
    "clips": Column("int32", "number of clips kept"),
    "clips_s": Column("float64", "seconds of clips kept"),
    "group_id": Column("string", "split unit: the smallest id of the sources it is joined with"),
    "removed_at": Column("string", "day of its removal, YYYY-MM-DD"),
    **PROVENANCE_COLUMNS,
}

_SPAN: dict[str, Column] = {
    "start_frame": Column("int64", "first frame, in presentation order"),
    "end_frame": Column("int64", "the frame after the last"),
    "start_s": Column("float64", "time at which the first frame appears in the source"),
    "end_s": Column("float64", "time at which the last frame disappears"),
}

_SEGMENT: dict[str, Column] = {
    "segment_start_frame": Column("int64", "first frame of the stretch of a shot that it is a part of"),
    "segment_end_frame": Column("int64", "the frame after the last of that stretch"),
    "segment_s": Column("float64", "length of that stretch"),
}


def span_columns() -> dict[str, Column]:
    """The columns that say where a span lies in its source, see :func:`span_row`."""
    return dict(_SPAN)


def clip_columns(measured: Mapping[str, Column]) -> dict[str, Column]:
    """Columns of ``clips.parquet``, with those of the filters."""
    return {
        "clip_id": Column("string", "unique in the data set; the name of its files"),
        "source_id": Column("string", "the source it was cut from"),
        **_SPAN,
        "fps": Column("float64", "of the clip, constant"),
        "num_frames": Column("int64", "of the clip"),
        "duration_s": Column("float64", "of the clip"),
        "width": Column("int32", "px"),
        "height": Column("int32", "px"),
        "has_audio": Column("bool", "whether the clip has a sound track"),
        "split": Column("string", "train, val, test or held; clips of one group never part"),
        "group_id": Column("string", "split unit, as in the table of sources"),
        "subset": Column("string", "wild or rendered"),
        "genre": Column("string", "of the dance, where it is known"),
        "genre_source": Column("string", "who says so: list, label file or the name of a labeller"),
        "caption": Column("string", "the dance in words, where a labeller gave them"),
        "music_id": Column("string", "smallest id of the clips with the same music, by their sound"),
        "tempo_bpm": Column("float64", "of the music; null without a beat"),
        "num_beats": Column("int32", "beats of the music inside the clip"),
        **_SEGMENT,
        **measured,
        "path": Column("string", "the clip, relative to the folder"),
        "keypoints": Column("string", "the performer's keypoints, relative to the folder"),
        "thumbnail": Column("string", "three of its frames side by side, relative to the folder"),
        "music": Column("string", "music features, 35 a frame at 30 fps, and beats, relative to the folder"),
        "bytes": Column("int64", "size of the clip's file"),
        "sha256": Column("string", "of the clip"),
    }


def dropped_columns(measured: Mapping[str, Column]) -> dict[str, Column]:
    """Columns of ``dropped.parquet``, with those of the filters."""
    return {
        "source_id": Column("string", "the source it lies in"),
        **_SPAN,
        "stage": Column(
            "string", "what dropped it: the section of the filter's settings, windows, decode or cut"
        ),
        "reason": Column("string", "why, in a word"),
        "value": Column("float64", "the measured value that decided"),
        "threshold": Column("float64", "what the value was held against"),
        "message": Column("string", "the reason in words"),
        **_SEGMENT,
        **measured,
        "thumbnail": Column("string", "three of its frames side by side, relative to the folder"),
    }


CLIP_COLUMNS = clip_columns({})
DROPPED_COLUMNS = dropped_columns({})

SHOT_COLUMNS: dict[str, Column] = {
    "source_id": Column("string", "the source it lies in"),
    **_SPAN,
    "begins_with": Column(
        "string",
        "start (of the source), cut, gradual, jump (inside one scene), wipe (or push), whip (pan or zoom) or geometry "
        "(another shape of the picture)",
    ),
    "single": Column("float64", "highest probability of TransNet V2's single-frame head at its beginning"),
    "many_hot": Column("float64", "the same of the head that marks every frame of a transition"),
    "value": Column(
        "float64",
        "what was measured of a jump, wipe or whip, as in shots.jump_above, sweep_below, whip_above",
    ),
}

SIGNATURE_COLUMNS: dict[str, Column] = {
    "clip_id": Column("string", "the clip"),
    "rate_hz": Column("float64", "rows of the sequences per second"),
    "motion": Column("binary", "float16 (T, 9), little-endian: where and how much the picture moves"),
    "sound": Column("binary", "float16 (T, 12), little-endian: level of 12 bands, dB; empty without sound"),
    "song": Column("binary", "uint32 (T,), little-endian: 64 fingerprints of the music a second"),
    "sha256": Column("string", "of the clip that it was taken of"),
}
"""What a clip is recognised by when it comes again: see :mod:`madata.dataset.signatures`."""

DUPLICATE_COLUMNS: dict[str, Column] = {
    "clip_a": Column("string", "the clip whose id is smaller"),
    "clip_b": Column("string", "the clip that shows the same"),
    "source_a": Column("string", "source of clip_a"),
    "source_b": Column("string", "source of clip_b"),
    "score": Column("float64", "how sure that is, standard deviations above chance"),
    "shift_s": Column("float64", "time in clip_a of the beginning of clip_b"),
    "rate": Column("float64", "seconds of clip_a that a second of clip_b shows"),
    "mirrored": Column("bool", "whether left and right are exchanged"),
    "same_sound": Column("bool", "whether they sound the same there; null where one is mute"),
}


def span_row(span: Span) -> dict[str, Any]:
    """The columns of a table that say where a span lies in its source."""
    return {
        "start_frame": span.start,
        "end_frame": span.end,
        "start_s": span.start_s,
        "end_s": span.end_s,
    }


def split_of(source_id: str, *, val_share: float, test_share: float) -> str:
    """Split of everything that comes from one source, by a hash of its id: clips of a source never part."""
    number = int.from_bytes(hashlib.sha256(source_id.encode()).digest()[:8], "big") / 2**64
    if number < test_share:
        return "test"
    return "val" if number < test_share + val_share else "train"


class TableWriter:
    """Writes a table as Parquet while its rows come; no more of them wait than one row group holds.

    The file appears when the block ends without an error; equal rows give equal bytes. A missing key is null; a key
    that is no column is an error of the caller. What a column means is stored in the file, as metadata of its field.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns
        self._stack = contextlib.ExitStack()
        self._waiting: dict[str, list[Any]] = {name: [] for name in columns}
        self._count = 0

    def __enter__(self) -> TableWriter:
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [_field(name, column) for name, column in self._columns.items()]
        self._schema = pa.schema(fields, metadata={"madance_tables": str(_VERSION)})
        temporary = self._stack.enter_context(atomic_path(self._path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(temporary, self._schema))
        self._stack.push(self._write_rest)
        return self

    def __exit__(self, *failure: Any) -> None:
        self._stack.__exit__(*failure)

    def _write_rest(self, *failure: Any) -> None:
        if failure[0] is None and self._count:
            self._flush()

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        for row in rows:
            if unknown := set(row) - set(self._columns):
                raise KeyError(f"{self._path.name} has no column {sorted(unknown)}")
            for name, values in self._waiting.items():
                values.append(row.get(name))
            self._count += 1
            if self._count == _ROW_GROUP:
                self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [_column(values, self._schema.field(name).type) for name, values in self._waiting.items()]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting = {name: [] for name in self._columns}
        self._count = 0


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """What ``pa.array`` makes of values of one of our kinds, without importing pandas, as that one does."""
    import pyarrow as pa

    is_known = np.array([value is not None for value in values])
    nulls = len(values) - int(is_known.sum())
    buffers = [pa.py_buffer(np.packbits(is_known, bitorder="little")) if nulls else None]
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        encode: Any = str.encode if pa.types.is_string(kind) else b"".__add__
        parts = [b"" if value is None else encode(value) for value in values]
        ends = np.cumsum([0, *map(len, parts)]).astype(np.int32)
        buffers += [pa.py_buffer(ends), pa.py_buffer(b"".join(parts))]
    elif pa.types.is_boolean(kind):
        buffers.append(pa.py_buffer(np.packbits([bool(value) for value in values], bitorder="little")))
    else:
        as_number: Any = operator.index if pa.types.is_integer(kind) else float
        numbers = [as_number(0 if value is None else value) for value in values]
        buffers.append(pa.py_buffer(np.array(numbers, kind.to_pandas_dtype())))
    return pa.Array.from_buffers(kind, len(values), buffers, nulls)


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], columns: Columns) -> None:
    """Write rows as Parquet, atomically: see :class:`TableWriter`."""
    with TableWriter(path, columns) as table:
        table.write(rows)


def _field(name: str, column: str | Column) -> pa.Field:
    import pyarrow as pa

    if isinstance(column, str):
        return pa.field(name, _arrow_type(column))
    return pa.field(name, _arrow_type(column.kind), metadata={"meaning": column.meaning})


_KINDS = ("string", "int32", "int64", "float64", "bool", "binary")


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return pa.type_for_alias(kind)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of this module into a data frame.

    Raises:
        MadanceError: the file is absent or is no Parquet file.
    """
    found: pd.DataFrame = whole_table(path).to_pandas(ignore_metadata=True)
    return found


def iterate_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table of this module, a thousand of them in memory at a time.

    Args:
        columns: those wanted, where the table has them.

    Raises:
        MadanceError: the file is absent or is no Parquet file.
    """
    opened = open_table(path)
    there = opened.schema_arrow.names
    wanted = there if columns is None else [name for name in columns if name in there]
    for batch in table_batches(path, wanted, _ROWS_AT_A_TIME, opened=opened, together=False):
        yield from batch.to_pylist()


def read_columns(path: Path, needed: Sequence[str], optional: Sequence[str] | None = ()) -> pa.Table:
    """Read some columns of a table of this module.

    Args:
        needed: must be there.
        optional: read where they are there; ``None`` is all there are.

    Raises:
        MadanceError: the file is absent, is no Parquet file, is of a newer version, or lacks a column.
    """
    opened = _opened(path)
    there = set(opened.schema_arrow.names)
    if absent := [name for name in needed if name not in there]:
        raise MadanceError(f"{path}: has no column {absent[0]}; it is no table of this version")
    wanted = (
        None if optional is None else [name for name in dict.fromkeys([*needed, *optional]) if name in there]
    )
    return whole_table(path, wanted, opened=opened)


def read_rows(
    path: Path, columns: Columns | None = None, *, only: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of a table as plain values, ``None`` where there is none.

    Args:
        columns: what the table must have; a column that it lacks is null, one of another type is an error.
        only: columns wanted.

    Raises:
        MadanceError: the file is absent, is no Parquet file, is of a newer version, or is another table.
    """
    import pyarrow as pa

    opened = _opened(path)
    wanted = None if only is None else [name for name in only if name in opened.schema_arrow.names]
    table = whole_table(path, wanted, opened=opened)
    for name, column in (columns or {}).items():
        if name not in table.column_names:
            if only is None or name in only:
                table = table.append_column(_field(name, column), pa.nulls(table.num_rows, _kind_of(column)))
        elif table.schema.field(name).type not in (_kind_of(column), pa.null()):
            found = table.schema.field(name).type
            raise MadanceError(
                f"{path}: column {name} is {found}, where a table of this kind has {_kind_of(column)}"
            )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def table_columns(path: Path) -> dict[str, Column]:
    """The columns that a table has, with their meanings, as far as they are of a type of ours.

    Raises:
        MadanceError: as for :func:`read_rows`.
    """
    kinds = {_arrow_type(kind): kind for kind in _KINDS}
    return {
        field.name: Column(
            kinds[field.type], ((field.metadata or {}).get(b"meaning") or b"").decode("utf-8", "replace")
        )
        for field in _opened(path).schema_arrow
        if field.type in kinds
    }


def _opened(path: Path) -> pq.ParquetFile:
    opened = open_table(path)
    version = (opened.schema_arrow.metadata or {}).get(b"madance_tables", b"1")
    if not version.isdigit() or int(version) > _VERSION:
        raise MadanceError(
            f"{path}: a table of version {version.decode('utf-8', 'replace')[:20]}, made by a newer madance; this one "
            f"reads up to {_VERSION}: update it"
        )
    return opened


def _kind_of(column: str | Column) -> pa.DataType:
    return _arrow_type(column if isinstance(column, str) else column.kind)
