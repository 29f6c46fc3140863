"""Write a video from arrays, atomically and reproducibly."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import atomic_path
from madata.types import Music
from madata.video.audio import resample_sound
from madata.video.encode import BT709, EncodeSettings, MovieWriter, Painter
from madata.video.geometry import Orientation
from madata.video.timeline import as_rate

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

__all__ = ["write_video"]


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    fps: float | Fraction,
    *,
    audio: Music | None = None,
    settings: EncodeSettings | None = None,
) -> int:
    """Write RGB frames as an MP4 file, tagged and converted as BT.709.

    Args:
        path: target; it appears only when complete.
        frames: (H, W, 3) uint8 RGB, all of one size.
        fps: frame rate; ``settings.fps`` does not apply.
        audio: sound that starts with frame 0; what is longer than the frames is cut off, what is shorter ends early.
        settings: quality and size.

    Returns:
        Number of frames written.

    Raises:
        MediaError: there is no frame, or one has the wrong shape or type.
    """
    settings = settings or EncodeSettings()
    rate = fps if isinstance(fps, Fraction) else as_rate(fps)
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise MediaError(f"{path}: no frames to write", reason="no_frames")
    shape = first.shape
    framing = settings.framing((shape[1], shape[0]))
    painter = Painter(framing, Orientation(), BT709)
    with atomic_path(path) as temporary:
        writer = MovieWriter(temporary, framing.out, rate, BT709, _sound(audio, settings), settings)
        count = 0
        try:
            for frame in chain([first], remaining):
                writer.write(painter.paint(_picture(frame, shape, count)))
                count += 1
            writer.close()
        except BaseException:
            writer.abandon()
            raise
    return count


def _sound(audio: Music | None, settings: EncodeSettings) -> tuple[npt.NDArray[np.float32], int] | None:
    if audio is None:
        return None
    rate_hz = settings.rate_for(audio.rate_hz)
    return resample_sound(np.atleast_2d(audio.waveform), audio.rate_hz, rate_hz), rate_hz


def _picture(frame: npt.NDArray[np.uint8], shape: tuple[int, ...], index: int) -> VideoFrame:
    import av

    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != shape or shape[2] != 3:
        raise MediaError(
            f"frame {index}: expected uint8 (H, W, 3) of shape {shape}, got {frame.dtype} {frame.shape}",
            reason="bad_frame",
        )
    picture: VideoFrame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
    return picture
