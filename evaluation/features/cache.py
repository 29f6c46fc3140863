"""What was seen, kept per video as soon as it is known, so that nothing is looked at twice.

A row belongs to the content of the video (or of both videos of a pair) and to the fingerprint of the
instruments. A run that was killed therefore goes on at the video it died in, and a reference is watched once for
all systems. Every file is whole: it is written under another name first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.features.video_rows import VideoRow, row_of_json
from madata.errors import MadanceError
from madata.files import read_json, write_json

if TYPE_CHECKING:
    from evaluation.features.extractors import Instruments

__all__ = ["Shelf", "cache_dir"]


def cache_dir() -> Path:
    """``$MADANCE_CACHE``, else ``madance`` in the user's cache folder."""
    if chosen := os.environ.get("MADANCE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "madance"


class Shelf:
    """Rows of one set of instruments, below the cache folder."""

    def __init__(self, cache: Path, instruments: Instruments) -> None:
        self._folder = cache / "videos" / instruments.fingerprint[:16]

    def read(self, key: str, clip_ids: tuple[str, ...]) -> tuple[VideoRow, ...] | None:
        """The rows kept under ``key``, for ``clip_ids``; ``None`` where there are none that can be used."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            content = read_json(path)
            return tuple(row_of_json(row, clip) for row, clip in zip(content, clip_ids, strict=True))
        except (MadanceError, KeyError, ValueError, TypeError, IndexError):
            path.unlink(missing_ok=True)  # of another version, or damaged: it is measured again
            return None

    def write(self, key: str, rows: tuple[VideoRow, ...]) -> None:
        """Keep ``rows``, unless one has a fault: that file is tried again."""
        if any(row.fault for row in rows):
            return
        write_json(self._path(key), [row.to_json() for row in rows])

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
