"""A window of a clip: its frames, its keypoints, its sound and its music features, all on one clock.

Time 0 is the first frame of the clip. Frames and keypoints go through one framing, so that a joint lies where its
person is. Legend: T frames, J joints, N samples, H W px.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import read_npz
from madata.keypoints import read_keypoints
from madata.skeletons import convert_keypoints
from madata.types import FloatArray, Keypoints2D
from madata.video import read_audio, read_frames
from madata.video.geometry import Fit, frame_clip

__all__ = ["ClipWindow", "window_frames", "window_keypoints", "window_music", "window_waveform"]

_FILTER_S = 0.05
"""What the resampling filter sees to either side of a sample."""


@dataclass(frozen=True)
class ClipWindow:
    """Which part of a clip is wanted, and how.

    Attributes:
        start_s: seconds after the first frame of the clip.
        fps: of the sample, whatever that of the clip.
        size: (width, height) px.
        fit: ``crop`` fills the picture and cuts the overhang, ``pad`` adds black.
    """

    start_s: float
    fps: float
    num_frames: int
    size: tuple[int, int]
    fit: Fit = "crop"

    @property
    def duration_s(self) -> float:
        """Seconds it lasts."""
        return self.num_frames / self.fps


def window_frames(path: Path, window: ClipWindow) -> npt.NDArray[np.uint8]:
    """(T, H, W, 3) frames of a video.

    Raises:
        MediaError: it is damaged where it is needed, or ends before.
    """
    return read_frames(
        path, window.fps, window.num_frames, size=window.size, fit=window.fit, start_s=window.start_s
    )


def window_keypoints(path: Path, window: ClipWindow, skeleton: str | None = None) -> Keypoints2D:
    """(T, J) keypoints in px of the frames of the window.

    Args:
        skeleton: name of the joints wanted; those of the file by default.

    Raises:
        MediaError: the file holds no keypoints.
    """
    seen = read_keypoints(path, window.start_s + np.arange(window.num_frames) / window.fps)
    framing = frame_clip(seen.size, size=window.size, fit=window.fit)
    scale = np.array(framing.scaled) / np.array(seen.size)
    xy = (seen.xy * scale + np.array(framing.offset)).astype(np.float32)
    framed = Keypoints2D(xy, seen.score, seen.skeleton, window.fps, window.size)
    return framed if skeleton in (None, seen.skeleton) else convert_keypoints(framed, skeleton)


def window_waveform(path: Path, window: ClipWindow, rate_hz: int) -> FloatArray:
    """(N,) mono sound of a video while the window is shown, N = the seconds of the window at ``rate_hz``.

    It is the window's part of the whole sound at that rate: what lies around is heard by the filter too.

    Raises:
        MediaError: the file has no sound, or cannot be decoded.
    """
    from madata.video import probe

    begin_s = probe(path).start_s + window.start_s
    # whole samples of the rate wanted, whatever the rate of the file
    before = round(_FILTER_S * rate_hz)
    count = round(window.duration_s * rate_hz)
    sound = read_audio(
        path,
        rate_hz=rate_hz,
        start_s=begin_s - before / rate_hz,
        end_s=begin_s + (count + before) / rate_hz,
    )
    waveform = sound.waveform[before : before + count]
    return np.pad(waveform, (0, count - len(waveform)))


def window_music(path: Path, window: ClipWindow) -> FloatArray:
    """(M, 35) music features of the window, at the rate of the file (30 a second).

    Raises:
        MediaError: the file holds none, or none of that time.
    """
    arrays = read_npz(path, {"values", "fps"})
    if arrays.keys() < {"values", "fps"} or arrays["values"].ndim != 2:
        raise MediaError(f"{path}: holds no music features", reason="no_music")
    values, fps = arrays["values"], float(arrays["fps"])
    first, count = round(window.start_s * fps), round(window.duration_s * fps)
    rows = values[first : first + count]
    if not len(rows):
        raise MediaError(f"{path}: ends before {window.start_s:.2f} s", reason="too_short")
    # features end with the sound, which may be a frame shorter than the picture
    return np.ascontiguousarray(np.pad(rows, ((0, count - len(rows)), (0, 0)), "edge"), np.float32)
