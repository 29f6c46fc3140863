"""WebDataset shards: ``ma-data-<split>-<000000>.tar``, at most 1000 clips and about 1 GB each.

A sample is ``<clip_id>.mp4`` and ``<clip_id>.json`` (its row), where there are any ``.keypoints.npz`` (``xy`` (N, J, 2)
px, ``score`` (N, J), ``times_s`` (N,), ``size``, ``skeleton``) and ``.music.npz``. ``datasets`` reads shards whose
clips all have the same files, and arrays of one name one type. Headers hold no time and no owner, so that the same
clips give the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madata.dataset.export import Exported, ExportFormat, facts
from madata.files import atomic_path, npz_bytes, read_npz

if TYPE_CHECKING:
    from madata.dataset.clips import ClipTable
    from madata.types import Clip

__all__ = ["EXPORT"]

_MOST_CLIPS, _MOST_BYTES = 1000, 10**9


@dataclass
class _Shard:
    """The shard of a split that is being filled."""

    stack: ExitStack
    archive: tarfile.TarFile
    clips: int = 0
    bytes: int = 0

    @property
    def full(self) -> bool:
        return self.clips >= _MOST_CLIPS or self.bytes >= _MOST_BYTES


def _write(clips: ClipTable, out: Path) -> Exported:
    done = Exported()
    shards: dict[str, _Shard] = {}
    counts: dict[str, int] = {}
    with ExitStack() as every:
        for clip, row in facts(clips):
            if clip.path is None or not clip.path.is_file():
                done.left_out[clip.clip_id] = "its video is not there"
                continue
            shard = shards.get(clip.split)
            if shard is None or shard.full:
                if shard is not None:
                    shard.stack.close()
                number = counts[clip.split] = counts.get(clip.split, -1) + 1
                stack = every.enter_context(ExitStack())
                temporary = stack.enter_context(atomic_path(out / f"ma-data-{clip.split}-{number:06d}.tar"))
                archive = stack.enter_context(tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT))
                shard = shards[clip.split] = _Shard(stack, archive)
            _add(shard, clip, row)
            done.clips += 1
    return done


def _add(shard: _Shard, clip: Clip, row: dict[str, Any]) -> None:
    # WebDataset cuts a name at its first dot
    key = clip.clip_id.replace(".", "-")
    for suffix, data in _members(clip, row):
        info = tarfile.TarInfo(f"{key}.{suffix}")
        info.size, info.mode = len(data), 0o644
        shard.archive.addfile(info, io.BytesIO(data))
        shard.bytes += len(data)
    shard.clips += 1


def _members(clip: Clip, row: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield "json", json.dumps(row, sort_keys=True, allow_nan=False).encode()
    for suffix, path in {"mp4": clip.path, "music.npz": clip.music}.items():
        if path is not None and path.is_file():
            yield suffix, path.read_bytes()
    if clip.keypoints is not None and clip.keypoints.is_file():
        yield "keypoints.npz", _keypoints(read_npz(clip.keypoints))


def _keypoints(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Rows with their times, whether the file has times or a rate."""
    times_s = arrays["times_s"] if "times_s" in arrays else np.arange(len(arrays["xy"])) / arrays["fps"]
    return npz_bytes(
        xy=arrays["xy"].astype(np.float32),
        score=arrays["score"].astype(np.float32),
        times_s=times_s.astype(np.float64),
        size=arrays["size"].astype(np.int64),
        skeleton=arrays["skeleton"],
    )


EXPORT = ExportFormat("tar shards of at most 1000 clips, for webdataset and datasets", _write)
