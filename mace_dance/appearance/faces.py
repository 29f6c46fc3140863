"""The face control: what tells the backbone about expression, one square picture per frame.

Generated dance has no filmed face. Three controls stand in for one:

- the face of the reference picture, repeated: the expression stays (:func:`repeat_face`);
- black, value -1 after normalisation, which is also what "no face" means under guidance (:func:`no_face`);
- a user's video of faces, as many frames as there are poses.

A crop of any shape is squeezed to the square of the motion encoder (512 px at full size), as upstream does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError

__all__ = ["RepeatedFrame", "fit_face", "no_face", "repeat_face"]

Image = npt.NDArray[np.uint8]


class RepeatedFrame(Sequence[Image]):
    """One picture (H, W, 3) shown ``num_frames`` times, kept in memory once."""

    def __init__(self, frame: Image, num_frames: int) -> None:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise MediaError(
                f"a face is uint8 (H, W, 3), not {frame.dtype} {frame.shape}", reason="bad_frame"
            )
        self.frame = frame
        self.num_frames = num_frames

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index: int) -> Image:  # type: ignore[override]
        if not -self.num_frames <= index < self.num_frames:
            raise IndexError(index)
        return self.frame

    def __iter__(self) -> Iterator[Image]:
        return (self.frame for _ in range(self.num_frames))


def repeat_face(crop: Image, num_frames: int) -> RepeatedFrame:
    """The face cut out of the reference picture, (H, W, 3), held for the whole clip."""
    return RepeatedFrame(np.ascontiguousarray(crop), num_frames)


def no_face(num_frames: int) -> RepeatedFrame:
    """No face: black frames, which reach the network as -1 everywhere."""
    return RepeatedFrame(np.zeros((1, 1, 3), np.uint8), num_frames)


def fit_face(face: Image, size: int) -> Image:
    """Squeeze a crop (H, W, 3) to ``size`` x ``size`` px, by area averaging where it shrinks."""
    import cv2

    if face.shape[:2] == (size, size):
        return face
    shrinks = min(face.shape[:2]) > size
    squeezed = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(squeezed, np.uint8)
