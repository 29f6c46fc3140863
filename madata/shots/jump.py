"""Jump cuts inside one scene, which TransNet V2 does not see: the background stays and the dancer is elsewhere.

From one frame to the next the picture changes about as much as it did just before and will do just after. A jump cut
is one step that is far larger than its neighbours:

    jump = d[k] / (second largest of d[k - 6] ... d[k + 6] without d[k]  +  0.3)

where d is the mean absolute difference of the grey thumbnails without their mean level, divided by the time between
the two in usual intervals (a frame that was held may differ by more). The second largest, so that of two jumps near
each other both are seen; the mean level is taken out, so that a change of light counts little; a flash goes on and
off again, so it is its own neighbour.

Measured on all footage at hand (5 400 frames: dance, hand-held, faces, film), hard cuts apart: at most 2.4, but for
4.1 where the picture itself is damaged; 3.3 and 5.1 at two jump cuts that were made; 4.3 to 71 at hard cuts.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from madata.types import FloatArray

__all__ = ["FLOOR", "JUMP_ABOVE", "REACH", "JumpMeter", "grey_of"]

JUMP_ABOVE = 3.0
"""Default threshold."""
REACH = 6
"""Frames that are looked at before and behind a step."""
FLOOR = 0.3
"""Grey levels added to the usual difference, so that noise in a scene that stands still is no jump."""
_SMALLEST_CHANGE = 4.0
"""Grey levels; a smaller step is no cut, whatever its neighbours: two noises differ by a ratio too."""
_USUAL_STEPS = 48


def grey_of(thumbnail: npt.NDArray[np.uint8]) -> FloatArray:
    """The mean of red, green and blue (H, W) of a thumbnail (H, W, 3): NumPy's own mean is slow over so few."""
    red, green, blue = np.moveaxis(thumbnail.astype(np.float32), 2, 0)
    grey: FloatArray = (red + green + blue) / np.float32(3.0)
    return grey


class JumpMeter:
    """Takes thumbnails in order and says, ``REACH`` frames late, how much of a jump leads to each."""

    def __init__(self) -> None:
        self._last: tuple[FloatArray, float] | None = None
        self._steps: deque[float] = deque(maxlen=2 * REACH + 1)
        self._gaps: deque[float] = deque(maxlen=_USUAL_STEPS)
        self._decided = 0

    def feed(self, grey: FloatArray, time_s: float) -> list[float]:
        """Take the next grey thumbnail (27, 48); give the jumps that lead to the frames now decided."""
        grey = grey - grey.mean()
        last, self._last = self._last, (grey, time_s)
        if last is None:
            self._decided = 1
            return [0.0]
        gap_s = max(time_s - last[1], 1e-6)
        self._gaps.append(gap_s)
        held = max(1.0, gap_s / float(np.median(self._gaps)))
        self._steps.append(float(np.abs(grey - last[0]).mean()) / held)
        return [self._jump(REACH)] if len(self._steps) == 2 * REACH + 1 else self._early()

    def _early(self) -> list[float]:
        """The first steps have fewer neighbours before them."""
        place = len(self._steps) - 1 - REACH
        return [self._jump(place)] if place >= 0 else []

    def close(self) -> list[float]:
        """The jumps that lead to the last frames."""
        known = max(0, len(self._steps) - REACH) if len(self._steps) <= 2 * REACH else REACH + 1
        return [self._jump(place) for place in range(known, len(self._steps))]

    def _jump(self, place: int) -> float:
        steps = list(self._steps)
        if steps[place] < _SMALLEST_CHANGE:
            return 0.0
        others = sorted([*steps[max(0, place - REACH) : place], *steps[place + 1 : place + 1 + REACH]])
        return steps[place] / ((others[-2] if len(others) > 1 else steps[place]) + FLOOR)
