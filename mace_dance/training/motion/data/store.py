"""The cache folder: what is written, and how it is found again.

``motion.npy`` (N, F) and ``music.npy`` (N, M) hold all takes one after the other; ``windows.npy`` (W, 5) the windows:
first frame, frames, genre, take, 1 where held out; ``normaliser.npz`` scale and shift; ``cache.json``, written last,
the identity, the takes and the report. ``songs/`` keeps the music features by content, ``parts/`` finished takes until
all are.

Legend: N frames, W windows, F features of a motion vector, M music features.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mace_dance.motion.normaliser import Normaliser
from mace_dance.training.motion.data.identity import Identity
from mace_dance.training.motion.data.report import DataReport
from madata.errors import MadanceError, MediaError
from madata.files import atomic_path, read_json, read_npy, read_npz, write_json, write_npz
from madata.types import FloatArray

__all__ = ["CacheFolder", "Content", "StoredTake", "extremes"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StoredTake:
    """A take in the cache: its place, and what is known about it."""

    name: str
    group: str
    side: str
    genre: str
    start: int
    frames: int


@dataclass(frozen=True, eq=False)
class Content:
    """A cache, read. ``windows`` is (W, 5), see the module."""

    motion: FloatArray
    music: FloatArray
    windows: Ints
    normaliser: Normaliser
    takes: tuple[StoredTake, ...]
    report: DataReport
    identity: Identity


class CacheFolder:
    """The files of one cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.songs = folder / "songs"
        self.parts = folder / "parts"
        self._index = folder / "cache.json"

    def identity(self) -> Identity | None:
        """What a finished cache was made of, ``None`` where there is none."""
        if not self._index.exists():
            return None
        return Identity.from_json(read_json(self._index).get("identity", {}), self._index)

    def forget(self) -> None:
        """Make the cache unfinished; songs are kept."""
        self._index.unlink(missing_ok=True)
        shutil.rmtree(self.parts, ignore_errors=True)

    def frames_of(self, part: Path) -> int:
        """Frames of a finished take."""
        return len(read_npz(part)["motion"])

    def write_arrays(self, parts: Sequence[Path], frames: Sequence[int]) -> tuple[int, FloatArray]:
        """Put finished takes of so many frames one after the other.

        Returns:
            Frames cut for want of music; ``motion``, memory-mapped.
        """
        first = read_npz(parts[0])
        for name, width in (("motion", first["motion"].shape[1]), ("music", first["music"].shape[1])):
            # written, not mapped: a mapped file on a full disk ends the process by SIGBUS
            with atomic_path(self.folder / f"{name}.npy") as temporary, temporary.open("wb") as stream:
                header = {"descr": "<f4", "fortran_order": False, "shape": (sum(frames), width)}
                np.lib.format.write_array_header_1_0(stream, header)
                for part, count in zip(parts, frames, strict=True):
                    stream.write(read_npz(part)[name][:count].astype("<f4", "C").tobytes())
        return sum(int(read_npz(part)["cut"]) for part in parts), self._map("motion")

    def finish(
        self,
        windows: Ints,
        normaliser: Normaliser,
        takes: Sequence[StoredTake],
        report: DataReport,
        identity: Identity,
    ) -> None:
        """Write what goes with the arrays; after this the cache is finished."""
        with atomic_path(self.folder / "windows.npy") as temporary:
            np.save(temporary, windows)
        write_npz(self.folder / "normaliser.npz", scale=normaliser.scale, shift=normaliser.shift)
        content = {
            "identity": identity.to_json(),
            "content_id": identity.content_id,
            "takes": [asdict(take) for take in takes],
            "report": report.to_json(),
        }
        write_json(self._index, content)
        shutil.rmtree(self.parts, ignore_errors=True)

    def read(self) -> Content:
        """Open a finished cache.

        Raises:
            MadanceError: a file is absent or damaged.
        """
        index: dict[str, Any] = read_json(self._index)
        takes = tuple(StoredTake(**take) for take in index["takes"])
        motion, music, windows = self._map("motion"), self._map("music"), self._map("windows")
        total = sum(take.frames for take in takes)
        if len(motion) != total or len(music) != total:
            raise MadanceError(
                f"{self.folder}: {len(motion)} frames of motion and {len(music)} of music, the index says {total}: "
                "remove the folder or give another (--cache)"
            )
        stored = read_npz(self.folder / "normaliser.npz")
        return Content(
            motion,
            music,
            np.array(windows),
            Normaliser(stored["scale"], stored["shift"]),
            takes,
            DataReport.from_json(index["report"]),
            Identity.from_json(index["identity"], self._index),
        )

    def _map(self, name: str) -> Any:
        path = self.folder / f"{name}.npy"
        try:
            return read_npy(path, mapped=True)
        except MediaError as error:
            raise MadanceError(
                f"{path}: absent or damaged ({error}): remove the folder or give another (--cache)"
            ) from error


def extremes(motion: FloatArray, spans: Ints, ground: Sequence[int]) -> FloatArray:
    """(2, F) smallest and largest value of each feature over windows.

    Args:
        motion: (N, F).
        spans: (K, 2 or more) first frame and frames of each window.
        ground: columns that count from the first frame of the window.
    """
    low = np.full(motion.shape[1], np.inf, np.float32)
    high = -low
    columns = list(ground)
    for start, length in _covered(spans):
        block = np.asarray(motion[start : start + length])
        low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
    if columns:
        low[columns], high[columns] = np.inf, -np.inf
        for start, length in spans[:, :2]:
            block = np.asarray(motion[start : start + length, columns])
            block = block - block[0]
            low[columns] = np.minimum(low[columns], block.min(0))
            high[columns] = np.maximum(high[columns], block.max(0))
    return np.stack([low, high])


def _covered(spans: Ints) -> list[tuple[int, int]]:
    """Runs of frames that lie in any window, each once; ``spans`` ascend."""
    runs: list[list[int]] = []
    for start, length in spans[:, :2].tolist():
        if runs and start <= runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], start + length)
        else:
            runs.append([start, start + length])
    return [(start, end - start) for start, end in runs]
