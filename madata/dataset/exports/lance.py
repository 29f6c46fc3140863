"""One Lance table: the columns of ``clips.parquet``, the video as a blob that is read when it is asked for.

Thresholds are set anew by a query, without decoding. Needs ``pylance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.dataset.export import Exported, ExportFormat, facts, missing_package
from madata.dataset.folder import FILE_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from madata.dataset.clips import ClipTable

__all__ = ["EXPORT"]

_AT_A_TIME = 64
"""Videos in memory at once, some megabytes each."""


def _write(clips: ClipTable, out: Path) -> Exported:
    try:
        import lance
    except ImportError as error:
        raise missing_package("pylance", "lance") from error
    import pyarrow as pa

    done = Exported()
    schema = clips.schema(without=FILE_COLUMNS)
    for name in ("video", "keypoints", "music"):
        blob = {"lance-encoding:blob": "true"} if name == "video" else None
        schema = schema.append(pa.field(name, pa.large_binary(), metadata=blob))
    reader = pa.RecordBatchReader.from_batches(schema, _batches(clips, schema, done))
    lance.write_dataset(reader, str(out / "clips.lance"))
    return done


def _batches(clips: ClipTable, schema: pa.Schema, done: Exported) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    def rows() -> Iterator[dict[str, Any]]:
        for clip, row in facts(clips):
            if clip.path is None or not clip.path.is_file():
                done.left_out[clip.clip_id] = "its video is not there"
                continue
            files = {"video": clip.path, "keypoints": clip.keypoints, "music": clip.music}
            done.clips += 1
            yield row | {
                name: path.read_bytes() if path is not None and path.is_file() else None
                for name, path in files.items()
            }

    remaining = rows()
    while group := list(islice(remaining, _AT_A_TIME)):
        yield pa.RecordBatch.from_pylist(group, schema=schema)


EXPORT = ExportFormat("one table with the videos in it, for queries (pylance)", _write)
