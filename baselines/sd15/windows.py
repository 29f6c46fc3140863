"""The temporal windows of a long clip: each step denoises all of them, and averages where they overlap.

The networks see ``size`` frames at a time. Upstream (Animate-Anyone and Magic-Animate alike) closes the loop: windows
that reach beyond the last frame go on with the first, so the end of a dance is mixed with its beginning. That is
``closed_loop``; without it the last window is moved back until it ends with the clip.
"""

from __future__ import annotations

import math

from madata.errors import ConfigError

__all__ = ["context_windows"]


def context_windows(
    num_frames: int, size: int, overlap: int, *, stride: int = 1, closed_loop: bool = False
) -> list[list[int]]:
    """Frames of every window, in the order in which upstream takes them.

    Args:
        size: frames of a window.
        overlap: frames that neighbours share.
        stride: above 1, windows of every second (fourth, ...) frame come as well, as many kinds as the length allows.
        closed_loop: upstream's; see the module.

    Raises:
        ConfigError: windows would not move on, or there is no frame.

    Example:
        >>> context_windows(6, 4, 1)
        [[0, 1, 2, 3], [2, 3, 4, 5]]
        >>> context_windows(6, 4, 1, closed_loop=True)
        [[0, 1, 2, 3], [3, 4, 5, 0]]
    """
    if num_frames < 1 or stride < 1 or not 0 <= overlap < size:
        raise ConfigError(
            f"windows of {size} frames with an overlap of {overlap} and stride {stride} cannot cover {num_frames} "
            "frames: the overlap is smaller than the window, and all others are at least 1"
        )
    if num_frames <= size:
        return [list(range(num_frames))]
    kinds = min(stride, math.ceil(math.log2(num_frames / size)) + 1)
    windows: list[list[int]] = []
    for spacing in (2**kind for kind in range(kinds)):
        step = size * spacing - overlap
        if closed_loop:
            windows += [
                [(start + index * spacing) % num_frames for index in range(size)]
                for start in range(0, num_frames, step)
            ]
            continue
        last = num_frames - 1 - (size - 1) * spacing
        starts = [*range(0, last, step), last] if last >= 0 else []
        windows += [[start + index * spacing for index in range(size)] for start in starts]
    return windows
