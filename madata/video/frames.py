"""The frames of a video at even times, framed: what training samples are made of.

Frame i is what a player shows at ``start_s + i / fps`` after the first frame, whatever the rate of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.video.decode import Decoder, Frame
from madata.video.geometry import Fit, Framing, Size, frame_clip

__all__ = ["HELD_FRAMES", "read_frames", "read_pictures"]

Frames = npt.NDArray[np.uint8]

HELD_FRAMES = 1
"""How many frames the last one may stand for: a clip of 5 s may end a rounding error early."""
_SLACK = 1e-6


def read_frames(
    path: Path, fps: float, count: int, *, size: Size, fit: Fit = "crop", start_s: float = 0.0
) -> Frames:
    """(``count``, H, W, 3) frames at ``fps``, in a picture of ``size`` (width, height) px.

    Args:
        fit: ``crop`` fills the picture and cuts the overhang, ``pad`` adds black.
        start_s: seconds after the first frame.

    Raises:
        MediaError: the video is damaged where it is needed, or ends before.
    """

    def picture(frame: Frame, shown: Size) -> Frames:
        return _framed(frame, frame_clip(shown, size=size, fit=fit))

    return read_pictures(path, fps, count, picture, start_s=start_s)


def read_pictures(
    path: Path, fps: float, count: int, picture: Callable[[Frame, Size], Frames], *, start_s: float = 0.0
) -> Frames:
    """(``count``, ...) pictures made of decoded frames, given the size at which the video is shown.

    A frame that is not wanted is decoded, others are built on it, and not converted.

    Raises:
        MediaError: as :func:`read_frames`.
    """
    taken: list[Frames] = []
    lasts_s, begin_s = 0.0, None
    with Decoder(path) as decoder:
        for frame in decoder:
            begin_s = frame.time_s if begin_s is None else begin_s
            lasts_s = frame.end_s - begin_s
            # frames wanted whose time lies before the moment the next picture appears
            due = min(count, int(np.ceil((lasts_s - start_s) * fps - _SLACK)))
            if due > len(taken):
                if frame.damaged:
                    raise MediaError(f"{path}: frame {frame.index} is damaged", reason="damaged_frames")
                taken += [picture(frame, decoder.info.size)] * (due - len(taken))
            if len(taken) == count:
                break
    short = count - len(taken)
    if not taken or short > HELD_FRAMES:
        raise MediaError(
            f"{path}: lasts {lasts_s:.2f} s, {start_s + count / fps:.2f} s are needed", reason="too_short"
        )
    return np.stack([*taken, *taken[-1:] * short])


def _framed(frame: Frame, framing: Framing) -> Frames:
    """A decoded picture scaled, and cropped or padded, into the frame (H, W, 3)."""
    return framing.place(frame.scaled(framing.scaled))
