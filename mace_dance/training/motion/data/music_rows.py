"""Which music features a cache has, and how rows of a slower clock come onto its frames.

Legend: R rows of features, T frames, K music features.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from madata.music import beat_vector, music_features
from madata.types import FloatArray

__all__ = ["MusicLayout", "MusicRows"]

MusicLayout = Literal["edge", "megadance", "bailando"]

_WIDTH: dict[MusicLayout, int] = {"edge": 35, "megadance": 35, "bailando": 438}
_ON_BEATS: dict[MusicLayout, tuple[int, ...]] = {
    "edge": (0, 33, 34),
    "megadance": (32, 34, 33),
    "bailando": (52, 53),
}
"""Columns of onset envelope, onset peak where there is one, and beat, the last."""


@dataclass(frozen=True)
class MusicRows:
    """A layout of :func:`madata.music.music_features`, and rows a second."""

    layout: MusicLayout
    fps: float

    @property
    def width(self) -> int:
        """K."""
        return _WIDTH[self.layout]

    @property
    def beat_column(self) -> int:
        """1 on a beat, else 0."""
        return _ON_BEATS[self.layout][-1]

    def of_song(self, path: Path) -> FloatArray:
        """(R, K) of a sound file.

        Raises:
            MediaError: it cannot be decoded.
        """
        return music_features(path, self.layout, self.fps).values

    def of_beats(self, beats_s: npt.NDArray[np.floating[Any]], frames: int, fps: float) -> FloatArray:
        """(T, K) stand-in for a song: zeros but for onset and beat on these times."""
        rows = int(np.ceil(frames / fps * self.fps))
        values = np.zeros((rows, self.width), np.float32)
        values[:, _ON_BEATS[self.layout]] = beat_vector(beats_s, rows, self.fps)[:, None]
        return self.on_frames(values, fps)[:frames]

    def on_frames(self, rows: FloatArray, fps: float) -> FloatArray:
        """(R, K) -> (T, K): each row is held until the next."""
        if fps == self.fps:
            return rows
        frames = int(len(rows) / self.fps * fps)
        held = np.floor(np.arange(frames) / fps * self.fps + 1e-6).astype(int)
        on_frames: FloatArray = rows[np.minimum(held, len(rows) - 1)]
        return on_frames
