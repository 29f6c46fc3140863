"""Beats of a dance while its network trains: where the joints are slowest, as Bailando and Lodge find them.

Legend: B batch, T frames, J joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["dance_beats"]

_SMOOTHING_FRAMES = 5.0


def dance_beats(joints: Tensor) -> npt.NDArray[np.bool_]:
    """(B, T) where the smoothed mean speed of (B, T, J, 3) joints has a strict minimum."""
    from scipy.ndimage import gaussian_filter1d

    points = joints.detach().cpu().numpy()
    speed = gaussian_filter1d(np.linalg.norm(np.diff(points, axis=1), axis=3).mean(2), _SMOOTHING_FRAMES, 1)
    beats = np.zeros(points.shape[:2], np.bool_)
    beats[:, 1:-2] = (speed[:, 1:-1] < speed[:, :-2]) & (speed[:, 1:-1] < speed[:, 2:])
    return beats
