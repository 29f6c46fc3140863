"""Which moment a frame of the pose video shows: frame i shows time i / fps, always.

The release's tool writes 30 fps motion frame by frame into a 16 fps file, so that the dance plays at 0.53 of its
speed and leaves the music. Here frames are counted from times, never times from frames, and nothing accumulates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError

__all__ = ["check_span", "frame_indices", "nearest_rows", "num_frames_of"]

_SLACK_FRAMES = 1e-6


def frame_indices(num_source: int, source_fps: float, num_frames: int, fps: float) -> npt.NDArray[np.intp]:
    """Source frame nearest to the time of each of ``num_frames`` frames at ``fps``; the last one is held."""
    times_s = np.arange(num_frames) / fps
    return np.clip(np.rint(times_s * source_fps).astype(np.intp), 0, num_source - 1)


def nearest_rows(times_s: npt.NDArray[np.float64], num_frames: int, fps: float) -> npt.NDArray[np.intp]:
    """Row nearest to the time of each of ``num_frames`` frames at ``fps``, counted from the first row.

    Args:
        times_s: (N,) ascending times of the rows.
        num_frames: frames wanted.
        fps: their rate.
    """
    wanted_s = times_s[0] + np.arange(num_frames) / fps
    after = np.clip(np.searchsorted(times_s, wanted_s), 1, max(len(times_s) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times_s) - 1)
    rows: npt.NDArray[np.intp] = np.where(
        wanted_s - times_s[before] <= times_s[after] - wanted_s, before, after
    )
    return rows


def num_frames_of(duration_s: float, fps: float) -> int:
    """Frames at ``fps`` that last ``duration_s``, rounded; at least one."""
    return max(round(duration_s * fps), 1)


def check_span(source_s: float, source_frame_s: float, num_frames: int, fps: float, what: str) -> None:
    """Refuse frames that lie more than one frame (of the slower rate) behind the last frame of the source.

    Args:
        source_s: how long the source lasts, its last frame included.
        source_frame_s: how long one frame of it lasts.
        num_frames: frames wanted.
        fps: their rate.
        what: name of the source in the error.

    Raises:
        ConfigError: ``fps`` or ``num_frames`` is not positive, or the source is too short.
    """
    if not (np.isfinite(fps) and fps > 0 and num_frames >= 1):
        raise ConfigError(f"expected a positive frame rate and frame count, got {num_frames} at {fps} fps")
    last_s = source_s - source_frame_s + max(source_frame_s, 1 / fps)
    most = int(np.floor(last_s * fps + _SLACK_FRAMES)) + 1
    if num_frames > most:
        raise ConfigError(
            f"{num_frames} frames at {fps:g} fps last {num_frames / fps:.3f} s, but {what} lasts only "
            f"{source_s:.3f} s: ask for at most {most}"
        )
