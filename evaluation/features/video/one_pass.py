"""All six dimensions of one video from one decode.

Networks are loaded once (:func:`load_panel`). Every video gets a fresh :class:`VideoScorer`, which is fed
chunk by chunk. No accumulator holds more than two frames, so memory does not grow with the length of a video.
A dimension whose weights are absent has no number: its score is undefined and says which command gets them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from evaluation.features.video.aesthetic_quality import AestheticQuality, load_aesthetic_head
from evaluation.features.video.consistency import background_consistency, subject_consistency
from evaluation.features.video.frames import FrameChunk
from evaluation.features.video.imaging_quality import ImagingQuality
from evaluation.features.video.motion_smoothness import MotionSmoothness
from evaluation.features.video.scores import DIMENSIONS, VideoScore
from evaluation.features.video.temporal_flickering import TemporalFlickering
from evaluation.features.wanted import BySecond, FrameByFrame
from evaluation.protocol import ClipPrecision
from madata.errors import WeightsError

if TYPE_CHECKING:
    import torch

    from evaluation.features.video.networks.clip import ClipModel, ClipVision

__all__ = ["LONGEST_COURSE_S", "WEIGHTS", "Accumulator", "FrameWise", "Panel", "VideoScorer", "load_panel"]

LONGEST_COURSE_S = 600
"""Seconds of a video of which each is told of, at most."""

Find = Callable[[str], Path]
_T = TypeVar("_T")

WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "imaging_quality": ("musiq-spaq",),
    "aesthetic_quality": ("clip-vit-l-14", "laion-aesthetic-head"),
    "subject_consistency": ("dino-vit-b-16",),
    "background_consistency": ("clip-vit-b-32",),
    "motion_smoothness": ("amt-s",),
    "temporal_flickering": (),
}
"""Entries of the weights manifest that each dimension needs."""


class Accumulator(Protocol):
    """One dimension of one video."""

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames."""

    def compute(self) -> VideoScore:
        """The score of the frames so far."""


@dataclass(frozen=True)
class Panel:
    """The dimensions that can be measured, with their networks, and why the others cannot.

    Attributes:
        start: dimension to a function that makes its accumulator for the next video.
        missing: dimension to the reason it has none.
    """

    start: Mapping[str, Callable[[], Accumulator]]
    missing: Mapping[str, str] = field(default_factory=dict)


class VideoScorer:
    """Update with the chunks of one video in order, then compute all its scores."""

    def __init__(self, panel: Panel) -> None:
        self._accumulators = {dimension: start() for dimension, start in panel.start.items()}
        self._missing = panel.missing
        self._frames = 0

    def update(self, chunk: FrameChunk) -> None:
        """Add the next frames to every dimension."""
        for accumulator in self._accumulators.values():
            accumulator.update(chunk)
        self._frames += len(chunk)

    def compute(self) -> dict[str, VideoScore]:
        """Every dimension of the panel, measured or with the reason it is not."""
        scores = {name: accumulator.compute() for name, accumulator in self._accumulators.items()}
        for name, reason in self._missing.items():
            scores[name] = VideoScore.undefined(name, self._frames, reason)
        return scores


class FrameWise:
    """A number made frame by frame as an accumulator; what it fails with becomes its reason, and harms no other."""

    def __init__(self, name: str, start: Callable[[], FrameByFrame]) -> None:
        self._name = name
        self._frames = 0
        self._seconds: list[int] = []
        self._reason: str | None = None
        self._made: FrameByFrame | None = self._guarded(start)

    def update(self, chunk: FrameChunk) -> None:
        """Show it the next frames."""
        for frame in chunk.frames:
            shown = frame.view()
            shown.flags.writeable = False
            if self._made is not None and self._reason is None:
                self._guarded(partial(self._made.update, shown))
        self._frames += len(chunk)
        self._seconds += [int(time_s) for time_s in chunk.times_s]

    def compute(self) -> VideoScore:
        """The number so far, or why there is none."""
        made = self._made
        value = None if made is None or self._reason else self._guarded(lambda: float(made.compute()))
        if value is None or not math.isfinite(value):
            return VideoScore.undefined(self._name, self._frames, self._reason or "is not a number")
        return VideoScore(self._name, value, self._frames, self._frames, kept=self._by_second())

    def _by_second(self) -> npt.NDArray[np.float64] | None:
        """What is told of each second, where it tells that; the longest courses end early."""
        made = self._made
        if not isinstance(made, BySecond) or not self._seconds:
            return None
        seconds = np.array(self._seconds, np.int64)
        told = self._guarded(lambda: np.asarray(made.by_second(seconds), np.float64))
        return None if told is None else told[:LONGEST_COURSE_S]

    def _guarded(self, step: Callable[[], _T]) -> _T | None:
        try:
            return step()
        except ValueError as error:
            self._reason = str(error)
        except Exception as error:  # code of others: whatever it raises is theirs, and is said
            self._reason = f"{self._name} failed: {type(error).__name__}: {error}"
        return None


def load_panel(
    find: Find,
    *,
    dimensions: Sequence[str] = DIMENSIONS,
    device: str = "cpu",
    clip_precision: ClipPrecision = "float32",
) -> Panel:
    """Load the networks of some dimensions.

    Args:
        find: name of a weights entry to its file; it raises :class:`WeightsError` where there is none.
        clip_precision: of both CLIPs, for background consistency and aesthetic quality. Upstream is float32
            on a CPU and float16 on a GPU. The other networks always run in float32.

    Raises:
        ValueError: a dimension is unknown.
    """
    unknown = sorted(set(dimensions) - set(_LOADERS))
    if unknown:
        raise ValueError(f"unknown dimensions {', '.join(unknown)}; there are {', '.join(DIMENSIONS)}")
    setup = _Setup(find, device, clip_precision)
    start: dict[str, Callable[[], Accumulator]] = {}
    missing: dict[str, str] = {}
    for dimension in dimensions:
        try:
            start[dimension] = _LOADERS[dimension](setup)
        except WeightsError as error:
            missing[dimension] = str(error)
    return Panel(start, missing)


@dataclass(frozen=True)
class _Setup:
    """Where networks come from and run. A GPU takes whole chunks, a CPU a few pictures at a time."""

    find: Find
    device: str
    clip_precision: ClipPrecision

    @property
    def on_cpu(self) -> bool:
        return self.device == "cpu"

    @property
    def batch(self) -> int:
        return 4 if self.on_cpu else 16

    def clip(self, name: str, model: ClipModel) -> ClipVision:
        import torch

        from evaluation.features.video.networks.clip import load_clip

        dtype: torch.dtype = getattr(torch, self.clip_precision)
        return load_clip(self.find(name), model, self.device, dtype)


def _imaging_quality(setup: _Setup) -> Callable[[], Accumulator]:
    from evaluation.features.video.networks.musiq import load_musiq

    network = load_musiq(setup.find("musiq-spaq"), setup.device)
    return lambda: ImagingQuality(network, batch=1 if setup.on_cpu else setup.batch)


def _aesthetic_quality(setup: _Setup) -> Callable[[], Accumulator]:
    head = load_aesthetic_head(setup.find("laion-aesthetic-head"))
    network = setup.clip("clip-vit-l-14", "ViT-L/14")
    return lambda: AestheticQuality(network, head, setup.batch)


def _subject_consistency(setup: _Setup) -> Callable[[], Accumulator]:
    from evaluation.features.video.networks.dino import load_dino

    network = load_dino(setup.find("dino-vit-b-16"), setup.device)
    return lambda: subject_consistency(network, setup.batch)


def _background_consistency(setup: _Setup) -> Callable[[], Accumulator]:
    network = setup.clip("clip-vit-b-32", "ViT-B/32")
    return lambda: background_consistency(network, setup.batch)


def _motion_smoothness(setup: _Setup) -> Callable[[], Accumulator]:
    from evaluation.features.video.networks.amt import MINIMUM_SIDE, load_amt, pair_bytes

    network = load_amt(setup.find("amt-s"), setup.device)
    budget = 0 if setup.on_cpu else _PAIR_BUDGET_BYTES
    return lambda: MotionSmoothness(
        network, MINIMUM_SIDE, lambda height, width: max(1, budget // pair_bytes(height, width))
    )


_PAIR_BUDGET_BYTES = 2 << 30

_LOADERS: Mapping[str, Callable[[_Setup], Callable[[], Accumulator]]] = {
    "imaging_quality": _imaging_quality,
    "aesthetic_quality": _aesthetic_quality,
    "subject_consistency": _subject_consistency,
    "background_consistency": _background_consistency,
    "motion_smoothness": _motion_smoothness,
    "temporal_flickering": lambda _: TemporalFlickering,
}
