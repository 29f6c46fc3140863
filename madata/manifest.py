"""The tables of a data set: their columns, how they are written, and the split rule.

``sources.parquet`` has a row for every file given, ``clips.parquet`` for every clip kept, ``dropped.parquet`` for
every rejected segment with the stage, the reason, the measured value and the threshold it met, ``shots.parquet`` for
every shot with the probabilities of the boundary it begins with. Spans are frame
indices of the source in presentation order, [start, end), and seconds of the source's own timeline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MadanceError
from madata.files import atomic_path
from madata.types import Span

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "CLIP_COLUMNS",
    "DROPPED_COLUMNS",
    "SHOT_COLUMNS",
    "SOURCE_COLUMNS",
    "read_table",
    "span_row",
    "split_of",
    "write_table",
]

Columns = Mapping[str, str]

SOURCE_COLUMNS: Columns = {
    "source_id": "string",
    "file": "string",
    "sha256": "string",
    "status": "string",
    "reason": "string",
    "message": "string",
    "codec": "string",
    "width": "int32",
    "height": "int32",
    "rotation": "int32",
    "fps": "float64",
    "duration_s": "float64",
    "frames_declared": "int64",
    "frames": "int64",
    "damaged_frames": "int64",
    "audio_codec": "string",
    "audio_rate_hz": "int32",
    "shots": "int32",
    "segments": "int32",
    "clips": "int32",
    "clips_s": "float64",
}

_SPAN: Columns = {
    "start_frame": "int64",
    "end_frame": "int64",
    "start_s": "float64",
    "end_s": "float64",
}

# medians over pairs, % of a diagonal per second (madata.flow); shares of the samples (madata.people)
_MEASURED: Columns = {
    "flow": "float64",
    "flow_whole": "float64",
    "flow_residual": "float64",
    "flow_person": "float64",
    "flow_camera": "float64",
    "share_two_or_more": "float64",
    "share_none": "float64",
    "samples": "int32",
}

CLIP_COLUMNS: Columns = {
    "clip_id": "string",
    "source_id": "string",
    **_SPAN,
    "fps": "float64",
    "num_frames": "int64",
    "duration_s": "float64",
    "width": "int32",
    "height": "int32",
    "has_audio": "bool",
    "split": "string",
    "subset": "string",
    "genre": "string",
    "segment_start_frame": "int64",
    "segment_end_frame": "int64",
    "segment_s": "float64",
    **_MEASURED,
    "path": "string",
    "keypoints": "string",
    "thumbnail": "string",
    "sha256": "string",
}

DROPPED_COLUMNS: Columns = {
    "source_id": "string",
    **_SPAN,
    "stage": "string",
    "reason": "string",
    "value": "float64",
    "threshold": "float64",
    "message": "string",
    **_MEASURED,
    "thumbnail": "string",
}


SHOT_COLUMNS: Columns = {
    "source_id": "string",
    **_SPAN,
    "begins_with": "string",
    "single": "float64",
    "many_hot": "float64",
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


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """Write rows as Parquet, atomically; equal rows give equal bytes.

    A missing key is null; a key that is no column is an error of the caller.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for row in rows:
        if unknown := set(row) - set(columns):
            raise KeyError(f"{path.name} has no column {sorted(unknown)}")
    schema = pa.schema([(name, _arrow_type(kind)) for name, kind in columns.items()])
    arrays = [pa.array([row.get(name) for row in rows], type=schema.field(name).type) for name in columns]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), temporary)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
    }[kind]


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of this module into a data frame.

    Raises:
        MadanceError: the file is absent or is no Parquet file.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise MadanceError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise MadanceError(f"{path}: not a readable Parquet file ({error})") from error
