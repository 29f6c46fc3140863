"""Cut clips out of a source, exact to the frame and to the sample, all of them in one sequential pass.

The pass seeks forward to the key frame before the next span when nothing before it is needed, and never backward, so
no frame is decoded twice; spans may overlap. A clip is written only if every frame it needs is whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from madata.errors import MediaError
from madata.files import atomic_path
from madata.types import FloatArray, Span
from madata.video.audio import SoundTrack, resample_sound
from madata.video.container import open_media, video_stream
from madata.video.decode import Decoder, Frame
from madata.video.encode import ColourTags, EncodeSettings, MovieWriter, Painter
from madata.video.geometry import Crop
from madata.video.timeline import KeyFrame, Timeline, as_rate, choose_frames, read_timeline

__all__ = ["ClipSound", "CutRequest", "CutResult", "cut"]


@dataclass(frozen=True)
class CutRequest:
    """A span of the source, the file it becomes, and what of the picture is used; ``None`` is all of it."""

    span: Span
    target: Path
    crop: Crop | None = None


@dataclass(frozen=True)
class ClipSound:
    """The sound of a clip; ``missing_s`` seconds of it are silence because the source has no sound there."""

    rate_hz: int
    channels: int
    missing_s: float


@dataclass(frozen=True)
class CutResult:
    """A clip, or why there is none.

    Attributes:
        path: the file; exists only if ``reason`` is ``None``.
        num_frames: frames in the clip.
        fps: frame rate of the clip.
        size: (width, height) px.
        source_frames: indices of the first and the last source frame shown.
        audio: ``None`` if the source has no sound.
        reason: ``None``, or ``"damaged_frames"`` / ``"ends_early"``; then nothing was written.
        error: the reason in words.
    """

    path: Path
    num_frames: int
    fps: float
    size: tuple[int, int]
    source_frames: tuple[int, int]
    audio: ClipSound | None
    reason: str | None = None
    error: str | None = None


def cut(
    path: Path, requests: Sequence[CutRequest], settings: EncodeSettings | None = None
) -> list[CutResult]:
    """Cut spans out of a video.

    Frame k of a clip is the source frame a player shows at ``span.start_s + k / fps``. Sound starts with frame 0;
    where the source has none there is silence, and a source without sound gives clips without sound.

    Args:
        path: the source.
        requests: spans and targets in any order; targets appear only when complete.
        settings: size, rate and quality.

    Returns:
        One result for each request, in the order of the requests. A span that cannot be had whole gives a result
        with a ``reason``, and the others are cut all the same.

    Raises:
        MediaError: the source cannot be opened or decoded.
        MadanceError: a target cannot be written.
    """
    settings = settings or EncodeSettings()
    if not requests:
        return []
    with open_media(path) as container:
        timeline = read_timeline(container, video_stream(container, path))
    rate = timeline.rate if settings.fps is None else as_rate(settings.fps)
    order = sorted(range(len(requests)), key=lambda i: (requests[i].span.start_s, requests[i].span.end_s))
    jobs = [_Job(requests[i], timeline, rate, settings) for i in order]
    with ExitStack() as stack:
        decoder = stack.enter_context(Decoder(path))
        sound = None
        if decoder.info.audio is not None:
            sound = stack.enter_context(SoundTrack(path))
        _run(decoder, sound, timeline, jobs)
    results = dict(zip(order, (job.result for job in jobs), strict=True))
    return [results[i] for i in range(len(requests))]


def _run(decoder: Decoder, sound: SoundTrack | None, timeline: Timeline, jobs: Sequence[_Job]) -> None:
    waiting = deque(jobs)
    active: list[_Job] = []
    frames: Iterator[Frame] | None = None
    began_at: KeyFrame | None = None
    reached_s = -np.inf
    try:
        while waiting or active:
            if not active:
                key = timeline.key_before(waiting[0].first_s)
                ahead = key is not None and key.time_s > reached_s and key != began_at
                if frames is None or ahead:
                    frames, began_at = decoder.frames(key), key
            frame = None if frames is None else next(frames, None)
            if frame is None:
                break
            reached_s = frame.end_s
            while waiting and waiting[0].first_s < frame.end_s:
                active.append(waiting.popleft())
                active[-1].open(frame, sound)
            for job in active:
                job.show(frame)
            active = [job for job in active if not job.done]
        for job in [*active, *waiting]:
            job.fail("ends_early", f"the source ends at {max(reached_s, 0.0):.3f} s, before the span does")
    except BaseException as error:
        raised = [job.abandon(error) for job in jobs]
        raise next((other for other in raised if other is not None), error) from error


class _Job:
    """One clip on its way."""

    def __init__(
        self, request: CutRequest, timeline: Timeline, rate: Fraction, settings: EncodeSettings
    ) -> None:
        self._request = request
        self._rate = rate
        self._settings = settings
        self._looks = choose_frames(timeline.times_s, request.span, rate, timeline.tick_s)
        self._next = 0
        self._seen = 0
        self._stack: ExitStack | None = None
        self._writer: MovieWriter | None = None
        self.done = False
        self.result = CutResult(request.target, 0, float(rate), (0, 0), (request.span.start,) * 2, None)

    @property
    def first_s(self) -> float:
        """When to look at the source for the first frame."""
        return float(self._looks[0])

    def open(self, frame: Frame, sound: SoundTrack | None) -> None:
        """Prepare the writer; ``frame`` is the first one shown."""
        settings = self._settings
        framing = settings.framing(frame.shown_size, self._request.crop)
        tags = ColourTags.of(frame.picture)
        self._painter = Painter(framing, frame.orientation, tags)
        waveform = None
        clip_sound = None
        if sound is not None:
            waveform, clip_sound = self._read_sound(sound)
        self._stack = ExitStack()
        temporary = self._stack.enter_context(atomic_path(self._request.target))
        self._writer = MovieWriter(temporary, framing.out, self._rate, tags, waveform, settings)
        self.result = replace(self.result, size=framing.out, audio=clip_sound)

    def _read_sound(self, sound: SoundTrack) -> tuple[tuple[FloatArray, int], ClipSound]:
        start_s = self._request.span.start_s
        duration_s = float(len(self._looks) / self._rate)
        part = sound.read(start_s, start_s + duration_s)
        rate_hz = self._settings.rate_for(part.rate_hz)
        waveform = resample_sound(part.waveform, part.rate_hz, rate_hz)
        return (waveform, rate_hz), ClipSound(rate_hz, waveform.shape[0], part.missing_s)

    def show(self, frame: Frame) -> None:
        """Take as many frames of the clip from ``frame`` as it is on screen for."""
        if self.done:
            return
        picture = None
        writer = self._open_writer
        while self._next < len(self._looks) and self._looks[self._next] < frame.end_s:
            if frame.damaged:
                self.fail("damaged_frames", f"source frame at {frame.time_s:.3f} s is damaged")
                return
            picture = picture or self._painter.paint(frame.picture)
            writer.write(picture)
            self._next += 1
        if picture is not None:
            last = self._request.span.start + self._seen
            self.result = replace(self.result, source_frames=(self._request.span.start, last))
        self._seen += 1
        if self._next == len(self._looks):
            self._finish()

    @property
    def _open_writer(self) -> MovieWriter:
        if self._writer is None:
            raise RuntimeError("a clip takes frames only after open()")
        return self._writer

    def _finish(self) -> None:
        self._open_writer.close()
        if self._stack is not None:
            self._stack.close()
        self._stack = None
        self.done = True
        self.result = replace(self.result, num_frames=self._next)

    def fail(self, reason: str, message: str) -> None:
        """Give this clip up; nothing is left of it."""
        self.abandon(MediaError(message, reason=reason))
        self.result = replace(self.result, num_frames=0, audio=None, reason=reason, error=message)

    def abandon(self, error: BaseException) -> BaseException | None:
        """Remove the unfinished file; return what the file system makes of ``error`` if that is clearer."""
        self.done = True
        stack, self._stack = self._stack, None
        if stack is None:
            return None
        if self._writer is not None:
            self._writer.abandon()
        try:
            stack.__exit__(type(error), error, error.__traceback__)
        except BaseException as raised:
            return None if raised is error else raised
        return None
