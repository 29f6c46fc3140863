"""The ``videofolder`` of the Hugging Face ``datasets`` library.

    train/metadata.parquet   one row per clip: file_name and the columns of clips.parquet
    train/<ab>/<clip_id>.mp4 a hard link where the file system has them

``<ab>`` are two hex digits by the id, so that no folder holds a hundred thousand files.
``load_dataset("videofolder", data_dir=OUT)`` gives the splits train, validation (here ``val``) and test.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.dataset.export import Exported, ExportFormat, facts
from madata.dataset.folder import FILE_COLUMNS
from madata.files import atomic_path, link_or_copy, sha256_bytes

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable

__all__ = ["EXPORT"]


def _write(clips: ClipTable, out: Path) -> Exported:
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = Exported()
    splits: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for clip, row in facts(clips):
        if clip.path is None or not clip.path.is_file():
            done.left_out[clip.clip_id] = "its video is not there"
            continue
        name = f"{sha256_bytes(clip.clip_id.encode())[:2]}/{clip.clip_id}{clip.path.suffix}"
        link_or_copy(clip.path, out / clip.split / name)
        splits[clip.split].append({"file_name": name, **row})
        done.clips += 1
    schema = pa.schema([pa.field("file_name", pa.string()), *clips.schema(without=FILE_COLUMNS)])
    for split, rows in splits.items():
        with atomic_path(out / split / "metadata.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
    return done


EXPORT = ExportFormat("a folder per split with metadata, for datasets' videofolder", _write)
