"""One performer's keypoints as a file gives them, before anything is asked of them.

Legend: T frames, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.limits import refuse_boundless

__all__ = ["Doubles", "PoseSequence", "between_frames", "frame_places", "numbers", "positive"]

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PoseSequence:
    """Keypoints of one performer.

    Attributes:
        xy: (T, J, 2) px, x to the right, y down.
        score: (T, J) confidence, 0 where a joint was not found.
        skeleton: name in :mod:`madata.skeletons`.
        fps: true frame rate; ``None`` where the file does not say.
        size: (width, height) px of the picture; ``None`` where the file does not say.
        origin: what made the keypoints.
        oddities: (reason, message) of what is wrong and does not prevent use.
    """

    xy: Doubles
    score: Doubles
    skeleton: str
    fps: float | None
    size: tuple[int, int] | None
    origin: str
    oddities: tuple[tuple[str, str], ...] = ()


def between_frames(
    xy: npt.NDArray[Any], score: npt.NDArray[Any], place: Doubles
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Keypoints on a line between the frames around each place; as sure as the less sure frame.

    Args:
        xy: (T, J, 2).
        score: (T, J).
        place: (K,) frames, 0..T - 1, whole or not.

    Returns:
        (K, J, 2) and (K, J).
    """
    before, after = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    share = (place - before)[:, None, None]
    return xy[before] * (1 - share) + xy[after] * share, np.minimum(score[before], score[after])


def frame_places(frames: int, fps: float, wanted_fps: float) -> Doubles:
    """(K,) where frames at k / ``wanted_fps`` lie among ``frames`` at ``fps``, none beyond the last."""
    last = frames - 1
    count = int(np.floor(last * wanted_fps / fps + 1e-6)) + 1  # a rounding error does not cost the last frame
    refuse_boundless("at another rate they have ", count, 0, wanted_fps)
    return np.clip(np.arange(count) * fps / wanted_fps, 0, last)


def numbers(value: Any, what: str, shape: tuple[int | None, ...]) -> Doubles:
    """A float64 array of a shape (``None`` fits any length).

    Raises:
        MediaError: it is none.
    """
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise MediaError(f"{what} is ragged or not numbers", reason="wrong_shape") from None
    if found.dtype.kind not in "fiub":  # text, times, complex numbers, nothing (null)
        raise MediaError(f"{what} is ragged or not numbers", reason="wrong_shape")
    found = found.astype(np.float64)
    if found.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, found.shape, strict=True)
    ):
        wanted = ", ".join(
            ("any" if axis else "T") if size is None else str(size) for axis, size in enumerate(shape)
        )
        raise MediaError(f"expected {what} ({wanted}), got {found.shape}", reason="wrong_shape")
    return found


def positive(value: Any) -> float | None:
    """A finite number above zero, or ``None`` for whatever else a file may say."""
    try:
        found = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError, OverflowError):
        return None
    return found if np.isfinite(found) and found > 0 else None
