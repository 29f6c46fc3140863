"""What is measured in the pictures and the sound of one stretch, each measurement when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from madata.curation.observe import Sample, Stretch
from madata.curation.piece import Performer
from madata.curation.sound import FRAMES_PER_S, SoundLevels
from madata.flow import FlowMeter, FlowSample
from madata.people import PeopleRule, Verdict, examine
from madata.pose import counting_backend
from madata.pose.base import PoseBackend
from madata.types import FloatArray
from madata.video import SoundTrack

__all__ = ["Looked", "measure_flow", "measure_sound"]


class Looked:
    """See :class:`madata.curation.piece.Evidence`.

    Args:
        track: the sound of the source, ``None`` where there is none. Stretches are listened to in order.
        backend: gives the pose backend; called only if people are asked for.
    """

    def __init__(
        self,
        stretch: Stretch,
        *,
        track: SoundTrack | None,
        pairs_per_s: float,
        backend: Callable[[], PoseBackend],
        rule: PeopleRule,
    ) -> None:
        self._stretch = stretch
        self._track = track
        self._pairs_per_s = pairs_per_s
        self._backend = backend
        self._rule = rule
        self.people_known = False

    @property
    def measured(self) -> frozenset[str]:
        """Which of ``flow``, ``sound`` and ``performer`` have been asked for."""
        return frozenset(self.__dict__) & {"flow", "sound", "performer"}

    @cached_property
    def flow(self) -> Sequence[FlowSample]:
        """Motion between successive grey pictures."""
        return measure_flow(self._stretch.grey, self._pairs_per_s)

    @cached_property
    def sound(self) -> SoundLevels | None:
        """Power of the sound while the stretch is shown."""
        span = self._stretch.span
        return None if self._track is None else measure_sound(self._track, span.start_s, span.end_s)

    @cached_property
    def performer(self) -> Performer:
        """The people of the pictures."""
        self.people_known = True
        samples = self._stretch.pictures
        backend = counting_backend(self._backend())
        if not samples:
            return _nobody(backend)
        images = [sample.image for sample in samples]
        times_s = np.array([sample.time_s for sample in samples])
        verdict = examine(backend, images, times_s, self._rule)
        height, width = images[0].shape[:2]
        return Performer(
            frames=np.array([sample.index for sample in samples], np.int64),
            times_s=times_s,
            counts=verdict.counts,
            seen=verdict.seen,
            boxes=_fractions(verdict, width, height),
            xy=verdict.xy,
            score=verdict.score,
            size=(width, height),
            skeleton=verdict.skeleton,
            backend=backend.identity,
        )


def _fractions(verdict: Verdict, width: int, height: int) -> npt.NDArray[np.float64]:
    return verdict.boxes / np.array([width, height, width, height], np.float64)


def _nobody(backend: PoseBackend) -> Performer:
    from madata.skeletons import skeleton

    joints = skeleton(backend.skeleton).num_joints
    return Performer(
        np.zeros(0, np.int64),
        np.zeros(0),
        np.zeros(0, np.int64),
        np.zeros(0, bool),
        np.zeros((0, 4)),
        np.zeros((0, joints, 2), np.float32),
        np.zeros((0, joints), np.float32),
        (1, 1),
        backend.skeleton,
        backend.identity,
    )


def measure_flow(samples: Sequence[Sample], pairs_per_s: float) -> list[FlowSample]:
    """Motion between successive grey pictures."""
    meter = FlowMeter(pairs_per_s=pairs_per_s)
    found = [meter.push(sample.image, sample.time_s) for sample in samples]
    return [sample for sample in found if sample is not None]


def measure_sound(track: SoundTrack, start_s: float, end_s: float) -> SoundLevels:
    """Power of the sound in frames of 20 ms from one time to another."""
    power: list[FloatArray] = []
    missing: list[FloatArray] = []
    count = round((end_s - start_s) * FRAMES_PER_S)
    for first in range(0, count, FRAMES_PER_S):
        frames = min(FRAMES_PER_S, count - first)
        begins_s = start_s + first / FRAMES_PER_S
        part = track.read(begins_s, begins_s + frames / FRAMES_PER_S)
        heard = part.waveform - part.waveform.mean(axis=1, keepdims=True)  # an offset cannot be heard
        squares = (heard**2).mean(axis=0)
        edges = np.linspace(0, len(squares), frames + 1).astype(int)
        sums = np.add.reduceat(squares, edges[:-1], dtype=np.float64)
        power.append((sums / np.diff(edges)).astype(np.float32))
        missing.append(np.full(frames, part.missing_s * FRAMES_PER_S / frames, np.float32))
    return SoundLevels(
        start_s,
        np.concatenate([np.zeros(0, np.float32), *power]),
        np.concatenate([np.zeros(0, np.float32), *missing]),
    )
