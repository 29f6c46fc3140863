"""Music features, beats and tempo of every clip with sound: ``features/music/<clip_id>.npz``.

    values (T, 35) float32 at ``fps`` 30 (layout ``edge`` of :mod:`madata.music`), beats_s (K,), tempo_bpm,
    sha256 of the clip they were taken of

A file that is there is not made again unless its clip has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from madata.dataset.folder import Row, hold_data_set, read_folder, write_folder
from madata.dataset.sums import SUMS, write_sums
from madata.engine import SILENT, Watch, run
from madata.errors import MadanceError, MediaError
from madata.files import read_npz, write_npz

__all__ = ["add_music_features", "features_path", "music_columns"]

_FPS = 30.0


def features_path(clip_id: str) -> Path:
    """Where the features of a clip lie, relative to the folder of its data set."""
    return Path("features") / "music" / f"{clip_id}.npz"


def add_music_features(folder: Path, *, jobs: int = 1, watch: Watch = SILENT) -> tuple[int, dict[str, str]]:
    """Measure the music of every clip of ``folder`` that has sound; how many have features, and why others have none.

    Raises:
        MadanceError: ``folder`` is no data set, or librosa is not installed.
    """
    failed: dict[str, str] = {}
    with hold_data_set(folder):
        tables = read_folder(folder)
        heard = [row for row in tables.clips if row["has_audio"]]
        missing = [row for row in heard if not _is_there(folder, row)]
        for number, outcome in enumerate(run(partial(_measure, folder=folder), missing, jobs=jobs), start=1):
            if outcome.fatal:
                raise MadanceError(outcome.error or "a worker failed")
            why = outcome.value or outcome.error
            if why:
                failed[outcome.item["clip_id"]] = why
            watch.files("music", number, len(missing))
        tables.clips = [{**row, **music_columns(folder, row)} for row in tables.clips]
        write_folder(tables)
        if (folder / SUMS).exists():
            write_sums(folder, tables)
    return len(heard) - len(failed), dict(sorted(failed.items()))


def _is_there(folder: Path, row: Row) -> bool:
    path = folder / features_path(row["clip_id"])
    return path.exists() and str(read_npz(path, {"sha256"}).get("sha256")) == row["sha256"]


def _measure(row: Row, report: Callable[[float], None], *, folder: Path) -> str | None:
    """Why there are no features; ``None`` where they are written now."""
    from madata.music import load_on_clock, music_features, track_beats

    clip = folder / row["path"]
    try:
        features = music_features(clip, "edge", _FPS)
        beats = track_beats(load_on_clock(clip, 22_050))
    except MediaError as error:
        return str(error)
    values = features.values[: round(row["duration_s"] * _FPS) + 1]
    inside = beats.times_s[beats.times_s < row["duration_s"]]
    write_npz(
        folder / features_path(row["clip_id"]),
        values=values,
        fps=_FPS,
        beats_s=inside,
        tempo_bpm=beats.tempo_bpm,
        sha256=np.array(row["sha256"]),
    )
    return None


def music_columns(folder: Path, row: Row) -> dict[str, Any]:
    """The columns of a clip that its features fill; nothing where there are none.

    A clip that was cut for the test has features of its long version: only beats inside it count.
    """
    path = features_path(row["clip_id"])
    if not (folder / path).exists():
        return {}
    arrays = read_npz(folder / path, {"beats_s", "tempo_bpm"})
    beats, tempo = arrays["beats_s"], float(arrays["tempo_bpm"])
    inside = int((beats < row["duration_s"]).sum())
    return {"music": path.as_posix(), "tempo_bpm": tempo or None, "num_beats": inside}
