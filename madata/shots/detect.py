"""Shots from one pass over a source: thumbnails in, shots and transitions out, memory flat."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from madata.shots.segment import Shot, ShotSegmenter, Transition
from madata.types import FloatArray

__all__ = ["THUMBNAIL_SIZE", "BoundaryStream", "ShotDetector"]

THUMBNAIL_SIZE = (48, 27)
"""(width, height) px of a thumbnail: RGB, scaled bicubically, which is how TransNet V2 was trained."""


class BoundaryStream(Protocol):
    """Gives two boundary probabilities for every frame, in order, some frames late."""

    def feed(self, frame: npt.NDArray[np.uint8], /) -> tuple[FloatArray, FloatArray]:
        """Take a thumbnail; give (single, many_hot) of the frames it decides, perhaps none."""

    def close(self) -> tuple[FloatArray, FloatArray]:
        """Give the probabilities of all frames left."""


class ShotDetector:
    """Feeds a boundary stream and a :class:`ShotSegmenter`.

    Args:
        stream: ``load_transnet().stream()``, or anything that answers like it.
        cut_threshold: of the single-frame head.
        transition_threshold: of the many-hot head.
    """

    def __init__(
        self, stream: BoundaryStream, *, cut_threshold: float = 0.5, transition_threshold: float = 0.5
    ) -> None:
        self._stream = stream
        self._segmenter = ShotSegmenter(
            cut_threshold=cut_threshold, transition_threshold=transition_threshold
        )
        self._waiting: list[npt.NDArray[np.uint8]] = []

    @property
    def decided(self) -> int:
        """Number of frames known to be in a shot or in a transition; at most 120 less than were fed."""
        return self._segmenter.decided

    def feed(self, thumbnail: npt.NDArray[np.uint8]) -> list[Shot | Transition]:
        """Take the next thumbnail (27, 48, 3); give what it decides, as :meth:`ShotSegmenter.push`."""
        self._waiting.append(thumbnail)
        return self._push(*self._stream.feed(thumbnail))

    def close(self) -> list[Shot | Transition]:
        """Decide all frames left; the last shot comes closed."""
        return self._push(*self._stream.close()) + self._segmenter.close()

    def _push(self, single: FloatArray, many_hot: FloatArray) -> list[Shot | Transition]:
        if not len(single):
            return []
        thumbnails = np.stack(self._waiting[: len(single)])
        del self._waiting[: len(single)]
        return self._segmenter.push(thumbnails, single, many_hot)
