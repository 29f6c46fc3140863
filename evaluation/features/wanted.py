"""What the metrics of a protocol need to know of clips: handed down to whatever looks at them.

Features know no metric; :func:`evaluation.metrics.registry.wanted_by` makes this out of a protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from evaluation.inputs.pose_files import JointTrack

__all__ = ["BySecond", "ClipFunction", "ClipSeries", "FrameByFrame", "WantedFeatures"]

ClipFunction = Callable[[JointTrack], float]
"""NaN is a clip without a value; a ``ValueError`` says why it has none."""
ClipSeries = Callable[[JointTrack], npt.NDArray[np.float64]]


class FrameByFrame(Protocol):
    """A number of one video, made while its frames go by; memory must not grow with their number."""

    def update(self, frame: npt.NDArray[np.uint8]) -> None:
        """Take the next frame, (H, W, 3) RGB as a player shows it; it must not be changed."""

    def compute(self) -> float:
        """The number of the frames so far; a ``ValueError`` says why there is none."""


@runtime_checkable
class BySecond(FrameByFrame, Protocol):
    """One that can also say where in the video its number comes from."""

    def by_second(self, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """(S,) its number at each second of the video, NaN where it has none.

        Args:
            seconds: (T,) the second each frame so far is shown in, ascending from 0.
        """


@dataclass(frozen=True)
class WantedFeatures:
    """What is wanted of clips.

    Attributes:
        per_clip: name -> number of the joints of one clip; each becomes a column of the feature table.
        kept: name -> numbers of one clip, (K,), as many for every frame; each becomes a ragged column.
        per_video: name -> makes what sees every frame of the next video.
        scores: what must be seen in the pictures of each video -> its version.
        music: whether the music is listened to.
        bars: whether it matters where those of the music begin.
    """

    per_clip: Mapping[str, ClipFunction] = field(default_factory=dict)
    kept: Mapping[str, ClipSeries] = field(default_factory=dict)
    per_video: Mapping[str, Callable[[], FrameByFrame]] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)
    music: bool = False
    bars: bool = False
