"""One pass over a video: frames in presentation order, each with its index, its time and its trustworthiness.

Which frames are damaged is decided in :mod:`madata.video.pictures`, what their times are in
:mod:`madata.video.timeline`.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.types import VideoInfo
from madata.video.container import open_media, time_zero_s, video_stream
from madata.video.deinterlace import deinterlaced
from madata.video.geometry import Orientation, shown_size
from madata.video.packets import read_packets
from madata.video.pictures import Picture, PictureReader
from madata.video.probe import declared_rate, display_orientation, stream_info
from madata.video.scale import Scaler
from madata.video.timeline import KeyFrame, Shown, StampRepair
from madata.video.whole import declared

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

__all__ = ["DecodeReport", "Decoder", "Frame"]


@dataclass(frozen=True)
class DecodeReport:
    """How a pass over a file went.

    Attributes:
        frames_decoded: frames delivered.
        frames_declared: as the container says, ``None`` where it does not.
        damaged: index ranges [start, end) of delivered frames that must not be used.
        truncated: the file ends before its declared end, or inside a unit of its container.
        repaired_times: frames whose stored time was missing, doubled or ran backwards.
        error: the first error met, ``None`` when there was none.
    """

    frames_decoded: int
    frames_declared: int | None
    damaged: tuple[tuple[int, int], ...]
    truncated: bool
    repaired_times: int
    error: str | None

    @property
    def damaged_frames(self) -> int:
        """Frames that could not be decoded whole."""
        return sum(end - start for start, end in self.damaged)


class Frame:
    """One decoded frame.

    Attributes:
        index: place in presentation order, from 0.
        time_s: presentation time on the container's time line.
        end_s: the time at which the next frame appears.
        damaged: its picture cannot be trusted.
        picture: the decoded picture as stored (neither turned nor scaled).
        orientation: how to turn ``picture``.
        shown_size: (width, height) px of the picture as shown; it may change in mid-file.
    """

    __slots__ = ("_scalers", "damaged", "end_s", "index", "orientation", "picture", "shown_size", "time_s")

    def __init__(
        self,
        picture: VideoFrame,
        *,
        index: int,
        time_s: float,
        end_s: float,
        damaged: bool,
        orientation: Orientation,
        shown_size: tuple[int, int],
        scalers: dict[Any, Scaler],
    ) -> None:
        self.picture = picture
        self.index = index
        self.time_s = time_s
        self.end_s = end_s
        self.damaged = damaged
        self.orientation = orientation
        self.shown_size = shown_size
        self._scalers = scalers

    @property
    def duration_s(self) -> float:
        """How long it is on screen."""
        return self.end_s - self.time_s

    def scaled(
        self, size: tuple[int, int], pixel_format: str = "rgb24", *, interpolation: str = "bicubic"
    ) -> npt.NDArray[np.uint8]:
        """The shown picture at a given size, in standard dynamic range (:mod:`madata.video.scale`).

        The stored picture is scaled first and turned afterwards, which is cheap.

        Args:
            size: (width, height) px as shown; the whole picture is stretched to it.
            pixel_format: ``"rgb24"`` or ``"gray"``.
            interpolation: ``"bicubic"``, ``"bilinear"``, ``"area"``, ``"lanczos"``, ``"point"``, ...

        Returns:
            (H, W, 3) for ``rgb24``, (H, W) for ``gray``.
        """
        key = (size, pixel_format, interpolation)
        scaler = self._scalers.get(key)
        if scaler is None:
            scaler = self._scalers[key] = Scaler()
        stored = self.orientation.size(size)
        scaled = scaler(self.picture, stored, pixel_format, interpolation=interpolation.upper()).to_ndarray()
        if self.orientation == Orientation():
            return np.ascontiguousarray(scaled)
        return self.orientation.apply(scaled)


class Decoder:
    """Decodes a video once.

    Use it as a context manager and iterate; ``report`` is complete when the iteration has ended.

    Args:
        path: the file.
        threads: decoding threads; 1 costs the least CPU time, and sources are processed in parallel anyway.

    Raises:
        MediaError: as :func:`madata.video.probe`.
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        self.path = path
        self._threads = threads
        self._scalers: dict[Any, Scaler] = {}
        self._info: VideoInfo | None = None
        self._container = self._open()
        self._declared = declared(path)
        self._untouched = True
        self._begin()

    def _open(self) -> InputContainer:
        container = open_media(self.path)
        try:
            self._stream = video_stream(container, self.path)
        except MediaError:
            container.close()
            raise
        self._tick = self._stream.time_base or Fraction(1, 1000)
        self._zero_s = time_zero_s(container)
        context = self._stream.codec_context
        context.thread_count = self._threads
        context.thread_type = "AUTO" if self._threads > 1 else "NONE"
        context.copy_opaque = True
        return container

    def _begin(self) -> None:
        self._reader = PictureReader(self._container, self._stream, self._threads, self._declared)
        self._decoded = 0
        self._damaged: list[tuple[int, int]] = []
        self._repaired = 0
        self._turned: tuple[int, Orientation] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    @property
    def info(self) -> VideoInfo:
        """What the container declares. It takes a decoded frame, so ask for it during or after a pass."""
        if self._info is None:
            next(self.frames(), None)
        if self._info is None:
            raise MediaError(f"{self.path}: no frame of its video can be decoded", reason="unreadable")
        return self._info

    @property
    def report(self) -> DecodeReport:
        """How the pass went, up to now."""
        return DecodeReport(
            frames_decoded=self._decoded,
            frames_declared=self._stream.frames or None,
            damaged=tuple(self._damaged),
            truncated=self._reader.broken_off_at is not None or self._declared.cut_off,
            repaired_times=self._repaired,
            error=self._reader.error,
        )

    def frames(self, start: KeyFrame | None = None) -> Iterator[Frame]:
        """Decode from the beginning, or from a key frame of :class:`madata.video.timeline.Timeline`.

        ``Frame.index`` and ``report`` count from there.
        """
        packets = self._rewind(start)
        self._begin()
        repair = StampRepair(1 / (declared_rate(self._stream) * self._tick))
        waiting: deque[Picture] = deque()
        last: Picture | None = None
        for picture in deinterlaced(self._reader.read(packets), self._tick):
            if last is None:
                self._info = self._info or stream_info(
                    self.path, self._container, self._stream, picture.image
                )
            last = picture
            waiting.append(picture)
            for shown in repair.push(picture.stamp):
                yield self._deliver(waiting.popleft(), shown)
        for shown in repair.finish(last.image.duration if last else None):
            yield self._deliver(waiting.popleft(), shown)

    def _deliver(self, picture: Picture, shown: Shown) -> Frame:
        index = self._decoded
        broken_off_at = self._reader.broken_off_at
        lost = self._reader.lost_stamps
        next_lost = bisect.bisect_right(lost, shown.start)
        over_a_hole = next_lost < len(lost) and lost[next_lost] < shown.end
        at_the_break = broken_off_at is not None and shown.end > broken_off_at
        damaged = picture.damaged or over_a_hole or at_the_break
        self._decoded += 1
        self._repaired += not shown.own
        if damaged:
            if self._damaged and self._damaged[-1][1] == index:
                self._damaged[-1] = (self._damaged[-1][0], index + 1)
            else:
                self._damaged.append((index, index + 1))
        orientation = self._orientation(picture.image)
        stored = (picture.image.width, picture.image.height)
        return Frame(
            picture.image,
            index=index,
            time_s=float(shown.start * self._tick - self._zero_s),
            end_s=float(shown.end * self._tick - self._zero_s),
            damaged=damaged,
            orientation=orientation,
            shown_size=shown_size(stored, self._stream.sample_aspect_ratio, orientation),
            scalers=self._scalers,
        )

    def _orientation(self, picture: VideoFrame) -> Orientation:
        """How to turn a picture: looked up for the first one, and where the rotation changes.

        PyAV's side data and its picture hold each other: what was looked up of every picture would keep all of them
        until Python next looks for such rings, gigabytes of large ones.
        """
        if self._turned is None or self._turned[0] != picture.rotation:
            self._turned = picture.rotation, display_orientation(picture)
        return self._turned[1]

    def _rewind(self, start: KeyFrame | None) -> Iterator[Packet[Any]]:
        """Go to ``start`` or to the beginning, at once; return the packets from there, never from later."""
        untouched, self._untouched = self._untouched, False
        if start is not None:
            # which of the two an index is sorted by depends on the container
            for stamp in (start.stamp, start.decode_stamp):
                packets = self._seek(stamp)
                first = next(packets, None)
                if first and first.is_keyframe and first.pts is not None and first.pts <= start.stamp:
                    return chain([first], packets)
        if start is not None or not untouched:
            self._container.close()
            self._container = self._open()
        return self._read_packets()

    def _seek(self, stamp: int) -> Iterator[Packet[Any]]:
        import av

        try:
            self._container.seek(stamp, stream=self._stream)
        except av.FFmpegError:
            return iter(())
        return self._read_packets()

    def _read_packets(self) -> Iterator[Packet[Any]]:
        return read_packets(self._container, self._stream, lambda error: self._reader.note(error))
