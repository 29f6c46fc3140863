"""One pass over a video: frames in presentation order, each with its index, its time and whether it can be trusted.

A frame is *damaged* when the decoder says so (``is_corrupt``), or when a packet that was decoded before it, since
the last clean key frame, was unreadable or gave a damaged picture: errors spread through prediction, and the decoder
flags the first picture only. A frame that stays on screen because the one after it was lost counts as damaged too.
Since prediction follows decoding order, which is not presentation order, a frame is
held back until everything decoded before it is known; a frame that is shown before a key frame but decoded after it
may refer past that key frame and is judged by the one before.
"""

from __future__ import annotations

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
from madata.video.container import open_media, video_stream
from madata.video.geometry import Orientation
from madata.video.probe import declared_end_s, declared_rate, describe, display_orientation
from madata.video.timeline import KeyFrame, Shown, StampRepair

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

__all__ = ["DecodeReport", "Decoder", "Frame"]

_LONGEST_REORDERING = 32
_UNREADABLE_IN_A_ROW = 16


@dataclass(frozen=True)
class DecodeReport:
    """How a pass over a file went.

    Attributes:
        frames_decoded: frames delivered.
        frames_declared: as the container says, ``None`` where it does not.
        damaged: index ranges [start, end) of delivered frames that must not be used.
        truncated: the file ends before its declared end.
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
    """

    __slots__ = ("_scalers", "damaged", "end_s", "index", "orientation", "picture", "time_s")

    def __init__(
        self,
        picture: VideoFrame,
        *,
        index: int,
        time_s: float,
        end_s: float,
        damaged: bool,
        orientation: Orientation,
        scalers: dict[Any, VideoReformatter],
    ) -> None:
        self.picture = picture
        self.index = index
        self.time_s = time_s
        self.end_s = end_s
        self.damaged = damaged
        self.orientation = orientation
        self._scalers = scalers

    @property
    def duration_s(self) -> float:
        """How long it is on screen."""
        return self.end_s - self.time_s

    def scaled(
        self, size: tuple[int, int], pixel_format: str = "rgb24", *, interpolation: str = "bicubic"
    ) -> npt.NDArray[np.uint8]:
        """The shown picture at a given size.

        The stored picture is scaled first and turned afterwards, which is cheap.

        Args:
            size: (width, height) px as shown; the whole picture is stretched to it.
            pixel_format: ``"rgb24"`` or ``"gray"``.
            interpolation: ``"bicubic"``, ``"bilinear"``, ``"area"``, ``"lanczos"``, ``"point"``, ...

        Returns:
            (H, W, 3) for ``rgb24``, (H, W) for ``gray``.
        """
        from av.video.reformatter import VideoReformatter

        key = (size, pixel_format, interpolation)
        scaler = self._scalers.get(key)
        if scaler is None:
            scaler = self._scalers[key] = VideoReformatter()
        width, height = self.orientation.size(size)
        # one thread: the sources are what is processed in parallel
        scaled = scaler.reformat(
            self.picture, width, height, pixel_format, interpolation=interpolation.upper(), threads=1
        ).to_ndarray()
        if self.orientation == Orientation():
            return np.ascontiguousarray(scaled)
        return self.orientation.apply(scaled)


class _Sent:
    """A packet handed to the decoder; travels through it and comes out with the picture."""

    __slots__ = ("key", "order", "stamp")

    def __init__(self, order: int, stamp: int | None, key: bool) -> None:
        self.order = order
        self.stamp = stamp
        self.key = key


class _Damage:
    """Which pictures are damaged, in terms of decoding order; see the module's text."""

    def __init__(self) -> None:
        self._bad: list[int] = []
        self._keys: deque[tuple[int, int | None]] = deque(maxlen=8)

    def mark_bad(self, order: int) -> None:
        self._bad.append(order)

    def mark_clean_key(self, order: int, stamp: int | None) -> None:
        self._keys.append((order, stamp))
        self._bad = [bad for bad in self._bad if bad >= self._keys[0][0]]

    def reaches(self, order: int, stamp: int | None) -> bool:
        """Whether damage reaches the picture of packet ``order``."""
        since = -1
        for key_order, key_stamp in self._keys:
            leads = stamp is not None and key_stamp is not None and stamp < key_stamp
            if key_order <= order and not leads:
                since = max(since, key_order)
        return any(since <= bad <= order for bad in self._bad)


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
        self._scalers: dict[Any, VideoReformatter] = {}
        self._info: VideoInfo | None = None
        self._container = self._open()
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
        context = self._stream.codec_context
        context.thread_count = self._threads
        context.thread_type = "AUTO" if self._threads > 1 else "NONE"
        context.copy_opaque = True
        return container

    def _begin(self) -> None:
        self._packets = 0
        self._decoded = 0
        self._damaged: list[tuple[int, int]] = []
        self._repaired = 0
        self._error: str | None = None
        self._lost_stamps: list[int] = []
        self._broken_off_at: int | None = None

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
        """What the container declares; before the first frame has been decoded, that frame is decoded for it."""
        if self._info is None and next(self.frames(), None) is None:
            raise MediaError(f"{self.path}: no frame of its video can be decoded", reason="unreadable")
        if self._info is None:
            raise MediaError(f"{self.path}: its first frame tells nothing", reason="unreadable")
        return self._info

    @property
    def report(self) -> DecodeReport:
        """How the pass went, up to now."""
        return DecodeReport(
            frames_decoded=self._decoded,
            frames_declared=self._stream.frames or None,
            damaged=tuple(self._damaged),
            truncated=self._broken_off_at is not None,
            repaired_times=self._repaired,
            error=self._error,
        )

    def frames(self, start: KeyFrame | None = None) -> Iterator[Frame]:
        """Decode from the beginning, or from a key frame of :class:`madata.video.timeline.Timeline`.

        ``Frame.index`` and ``report`` count from there.
        """
        self._begin()
        packets = self._rewind(start)
        repair = StampRepair(1 / (declared_rate(self._stream) * self._tick))
        waiting: deque[tuple[VideoFrame, bool]] = deque()
        orientation: Orientation | None = None
        duration: int | None = None

        def ready(shown: list[Shown]) -> Iterator[Frame]:
            for item in shown:
                picture, damaged = waiting.popleft()
                yield self._deliver(picture, item, damaged, orientation or Orientation())

        for picture, stamp, damaged in self._judged(packets):
            if orientation is None:
                orientation = display_orientation(picture)
                self._info = self._info or describe(self.path, self._container, self._stream, picture)
            waiting.append((picture, damaged))
            duration = picture.duration
            yield from ready(repair.push(stamp))
        yield from ready(repair.finish(duration))

    def _deliver(self, picture: VideoFrame, shown: Shown, damaged: bool, orientation: Orientation) -> Frame:
        index = self._decoded
        damaged = damaged or any(shown.start < lost < shown.end for lost in self._lost_stamps)
        # where a file breaks off, frames shown between the last ones may be among those that are lacking
        damaged = damaged or (self._broken_off_at is not None and shown.end > self._broken_off_at)
        self._decoded += 1
        self._repaired += not shown.own
        if damaged:
            if self._damaged and self._damaged[-1][1] == index:
                self._damaged[-1] = (self._damaged[-1][0], index + 1)
            else:
                self._damaged.append((index, index + 1))
        return Frame(
            picture,
            index=index,
            time_s=float(shown.start * self._tick),
            end_s=float(shown.end * self._tick),
            damaged=damaged,
            orientation=orientation,
            scalers=self._scalers,
        )

    def _rewind(self, start: KeyFrame | None) -> Iterator[Packet]:
        """Go to ``start`` or to the beginning, at once; never later than asked. Return the packets from there."""
        fresh, self._untouched = self._untouched, False
        if start is not None:
            # which of the two an index is sorted by depends on the container
            for stamp in (start.stamp, start.decode_stamp):
                self._container.seek(stamp, stream=self._stream)
                packets = self._read_packets()
                first = next(packets, None)
                if (
                    first is not None
                    and first.is_keyframe
                    and first.pts is not None
                    and first.pts <= start.stamp
                ):
                    return chain([first], packets)
            fresh = False
        if not fresh:
            self._container.close()
            self._container = self._open()
        return self._read_packets()

    def _read_packets(self) -> Iterator[Packet[Any]]:
        return read_packets(self._container, self._stream, self._note)

    def _judged(self, packets: Iterator[Packet]) -> Iterator[tuple[VideoFrame, int | None, bool]]:
        """Pictures in presentation order with their stamp and whether they are damaged."""
        damage = _Damage()
        unsettled: dict[int, int | None] = {}
        held: deque[tuple[VideoFrame, _Sent, int | None]] = deque()
        for picture, sent, stamp in self._pictures(packets, damage, unsettled):
            unsettled.pop(sent.order, None)
            # pictures come in order of presentation: what should have come before this one will not come any more
            for order in _overdue(unsettled, stamp, self._packets):
                del unsettled[order]
                if self._threads > 1:
                    damage.mark_bad(order)
            held.append((picture, sent, stamp))
            while held and (
                len(held) > _LONGEST_REORDERING
                or min(unsettled, default=held[0][1].order) >= held[0][1].order
            ):
                picture, sent, stamp = held.popleft()
                yield picture, stamp, damage.reaches(sent.order, stamp)
        for picture, sent, stamp in held:
            yield picture, stamp, damage.reaches(sent.order, stamp)

    def _pictures(
        self, packets: Iterator[Packet], damage: _Damage, unsettled: dict[int, int | None]
    ) -> Iterator[tuple[VideoFrame, _Sent, int | None]]:
        """Send packets, receive pictures; record what fails in ``damage`` and what is under way in ``unsettled``."""
        import av
        from av.video.frame import PictureType

        context = self._stream.codec_context
        decode_stamps: deque[int] = deque()
        by_decode_stamp: bool | None = None
        end_stamp = last_decode_stamp = None
        for packet in packets:
            order = self._packets
            if not packet.size and packet.dts is not None:
                self._packets += 1
                continue
            if packet.size:
                if by_decode_stamp is None:
                    # a file such as AVI stores when to decode only; the n-th shown frame takes the n-th stamp
                    by_decode_stamp = packet.pts is None and packet.dts is not None
                packet.opaque = _Sent(order, None if by_decode_stamp else packet.pts, packet.is_keyframe)
                self._packets += 1
                if not packet.is_discard:
                    unsettled[order] = None if by_decode_stamp else packet.pts
                    if by_decode_stamp and packet.dts is not None:
                        decode_stamps.append(packet.dts)
                if packet.is_corrupt:
                    damage.mark_bad(order)
                if packet.dts is not None:
                    last_decode_stamp = packet.dts
                    stamp = packet.dts if packet.pts is None else packet.pts
                    end_stamp = max(stamp + (packet.duration or 0), end_stamp or stamp)
            else:
                self._broken_off_at = self._break(end_stamp, last_decode_stamp)
            try:
                pictures = context.decode(packet if packet.size else None)
            except av.FFmpegError as error:
                self._note(error)
                if packet.pts is not None and not by_decode_stamp:
                    self._lost_stamps.append(packet.pts)
                failed = max(min(unsettled, default=order), order - self._threads + 1)
                damage.mark_bad(failed)
                unsettled.pop(order, None)
                if by_decode_stamp and decode_stamps:
                    decode_stamps.pop()
                continue
            for picture in pictures:
                sent = picture.opaque
                if not isinstance(sent, _Sent):
                    sent = _Sent(order, picture.pts, False)
                if picture.is_corrupt:
                    damage.mark_bad(sent.order)
                elif (sent.key or picture.key_frame) and picture.pict_type == PictureType.I:
                    damage.mark_clean_key(sent.order, sent.stamp)
                if by_decode_stamp:
                    stamp = decode_stamps.popleft() if decode_stamps else None
                else:
                    stamp = picture.pts
                yield picture, sent, stamp
            if not packet.size:
                return

    def _break(self, end_stamp: int | None, last_decode_stamp: int | None) -> int | None:
        """The last decoding time stamp if the packets ended before the declared end of the video."""
        declared_s = declared_end_s(self._container, self._stream)
        if end_stamp is None or declared_s is None:
            return None
        gap_s = float(1 / declared_rate(self._stream))
        if self._stream.frames:
            short = self._packets < self._stream.frames and end_stamp * self._tick < declared_s - 0.5 * gap_s
        else:
            short = end_stamp * self._tick < declared_s - max(0.5, 2 * gap_s)
        return last_decode_stamp if short else None

    def _note(self, error: Exception) -> None:
        if self._error is None:
            self._error = f"{error} (near packet {self._packets})"


def _overdue(unsettled: dict[int, int | None], stamp: int | None, sent: int) -> list[int]:
    """Packets that should have given their picture before the one shown at ``stamp`` came out."""
    return [
        order
        for order, own in unsettled.items()
        if order < sent - _LONGEST_REORDERING or (own is not None and stamp is not None and own < stamp)
    ]
