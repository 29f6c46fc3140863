"""Decoded pictures in presentation order, each with its stamp and whether it can be trusted.

A picture is *damaged* when the decoder says so (``is_corrupt``), or when a packet that was decoded before it,
since the last clean key frame, was unreadable or gave a damaged picture: errors spread through prediction, and
the decoder flags the first picture only. Prediction follows decoding order, which is not presentation order: a
picture is held back until everything decoded before it is known, and one that is shown before a key frame but
decoded after it may refer past that key frame and is judged by the key frame before.

What is shown over a hole counts as damaged too: the picture before one that was lost, and the last few of a file
that breaks off, among which others may be lacking.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from madata.video.holes import with_holes
from madata.video.packets import is_joined, last_s
from madata.video.probe import declared_end_s, declared_rate
from madata.video.whole import Declared

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["Picture", "PictureReader"]

_LONGEST_REORDERING = 32
_REMEMBERED_KEYS = 8
_TOLERANCE_S = 0.5
"""By so much a file may end before the length that is said of all its streams together."""


class _Sent:
    """A packet handed to the decoder; it travels through it and comes out with the picture.

    Attributes:
        order: place in decoding order.
        stamp: presentation stamp, ``None`` where the file does not store one.
    """

    __slots__ = ("key", "order", "stamp")

    def __init__(self, order: int, stamp: int | None, key: bool) -> None:
        self.order = order
        self.stamp = stamp
        self.key = key


@dataclass(frozen=True)
class Picture:
    """A decoded picture; ``stamp`` is when to show it, ``None`` where neither file nor decoder says."""

    image: VideoFrame
    stamp: int | None
    damaged: bool


@dataclass
class _Damage:
    """Which pictures are damaged, in terms of decoding order; see the module's text.

    Attributes:
        bad: packets that are damaged, sorted: a hostile file has as many as it has packets.
    """

    bad: list[int] = field(default_factory=list)
    keys: deque[tuple[int, int | None]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_KEYS))

    def mark_bad(self, order: int) -> None:
        bisect.insort(self.bad, order)

    def mark_clean_key(self, order: int, stamp: int | None) -> None:
        self.keys.append((order, stamp))
        self.bad = [bad for bad in self.bad if bad >= self.keys[0][0]]

    def reaches(self, order: int, stamp: int | None) -> bool:
        """Whether damage reaches the picture of packet ``order``."""
        since = -1
        for key_order, key_stamp in self.keys:
            leads = stamp is not None and key_stamp is not None and stamp < key_stamp
            if key_order <= order and not leads:
                since = max(since, key_order)
        at = bisect.bisect_left(self.bad, since)
        return at < len(self.bad) and self.bad[at] <= order


class PictureReader:
    """One pass of a decoder over packets.

    Args:
        declared: what the file says about its extent.

    Attributes:
        packets: packets seen.
        error: the first error met.
        lost_stamps: when pictures would have been shown whose packets could not be decoded, in order.
        broken_off_at: once the packets have ended, the last decoding stamp if the file ends early.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, threads: int, declared: Declared
    ) -> None:
        self.packets = 0
        self.error: str | None = None
        self.lost_stamps: list[int] = []
        self.broken_off_at: int | None = None
        self._container = container
        self._stream = stream
        self._threads = threads
        self._declared = declared
        self._damage = _Damage()
        self._unsettled: dict[int, int | None] = {}
        # AVI stores when to decode only; the n-th shown picture then takes the n-th stamp
        self._decode_stamps: deque[int] | None = None
        self._last_decode_stamp: int | None = None
        self._end_stamp: int | None = None
        self._decoded_until: int | None = None

    def read(self, packets: Iterator[Packet[Any]]) -> Iterator[Picture]:
        """Decode ``packets`` and the pictures the decoder still holds after the last one."""
        held: deque[tuple[VideoFrame, _Sent, int | None]] = deque()
        for image, sent, stamp in self._decode(packets):
            self._settle(sent.order, stamp)
            held.append((image, sent, stamp))
            while held and (len(held) > _LONGEST_REORDERING or self._is_settled(held[0][1].order)):
                yield self._judge(*held.popleft())
        for item in held:
            yield self._judge(*item)

    def note(self, error: Exception) -> None:
        """Remember the first error."""
        if self.error is None:
            self.error = f"{error} (near packet {self.packets})"

    def _judge(self, image: VideoFrame, sent: _Sent, stamp: int | None) -> Picture:
        return Picture(image, stamp, self._damage.reaches(sent.order, stamp))

    def _is_settled(self, order: int) -> bool:
        """Whether it is known what became of every packet before ``order``."""
        return next(iter(self._unsettled), order) >= order

    def _settle(self, shown: int, stamp: int | None) -> None:
        """Packet ``shown`` gave its picture; what should have come before it will not come any more."""
        self._unsettled.pop(shown, None)
        overdue = [
            order
            for order, own in self._unsettled.items()
            if order < self.packets - _LONGEST_REORDERING
            or (own is not None and stamp is not None and own < stamp)
        ]
        for order in overdue:
            del self._unsettled[order]
            if self._threads > 1:
                # with frame threads PyAV may swallow the error of a packet
                self._damage.mark_bad(order)

    def _decode(self, packets: Iterator[Packet[Any]]) -> Iterator[tuple[VideoFrame, _Sent, int | None]]:
        import av

        context = self._stream.codec_context
        for packet, behind_a_hole in chain(with_holes(packets, self._container.format.name), [(None, False)]):
            order = self.packets
            if packet is None:
                self.broken_off_at = self._find_break()
            else:
                self.packets += 1
                if not packet.size:
                    continue
                if behind_a_hole:
                    self._damage.mark_bad(order)
                    if self._end_stamp is not None:
                        bisect.insort(self.lost_stamps, self._end_stamp + 1)
                self._send(packet, order)
            try:
                images = context.decode(packet)
            except av.FFmpegError as error:
                self._lose(packet, order, error)
                continue
            self._decoded_until = self._end_stamp if packet is not None else self._decoded_until
            for image in images:
                yield self._receive(image)

    def _send(self, packet: Packet[Any], order: int) -> None:
        if order == 0 and packet.pts is None and packet.dts is not None:
            self._decode_stamps = deque()
        stamp = packet.pts if self._decode_stamps is None else None
        packet.opaque = _Sent(order, stamp, packet.is_keyframe)
        if not packet.is_discard:
            self._unsettled[order] = stamp
            if self._decode_stamps is not None and packet.dts is not None:
                self._decode_stamps.append(packet.dts)
        if packet.is_corrupt:
            self._damage.mark_bad(order)
        if packet.dts is not None:
            self._last_decode_stamp = packet.dts
            shown = packet.dts if packet.pts is None else packet.pts
            self._end_stamp = max(shown + (packet.duration or 0), self._end_stamp or shown)

    def _lose(self, packet: Packet[Any] | None, order: int, error: Exception) -> None:
        """Decoding ``packet`` failed: everything from the oldest packet that may be meant is damaged."""
        self.note(error)
        self._damage.mark_bad(max(next(iter(self._unsettled), order), order - self._threads + 1))
        self._unsettled.pop(order, None)
        if self._decode_stamps:
            self._decode_stamps.pop()
        elif packet is not None and packet.pts is not None:
            bisect.insort(self.lost_stamps, packet.pts)

    def _receive(self, image: VideoFrame) -> tuple[VideoFrame, _Sent, int | None]:
        from av.video.frame import PictureType

        sent = image.opaque
        if not isinstance(sent, _Sent):
            sent = _Sent(self.packets, image.pts, False)
        if image.is_corrupt:
            self._damage.mark_bad(sent.order)
        elif (sent.key or image.key_frame) and image.pict_type == PictureType.I:
            self._damage.mark_clean_key(sent.order, sent.stamp)
        if self._decode_stamps is None:
            return image, sent, image.pts
        return image, sent, self._decode_stamps.popleft() if self._decode_stamps else None

    def _find_break(self) -> int | None:
        if self._end_stamp is None:
            return None
        complete = bool(self._stream.frames) and self.packets >= self._stream.frames
        early = self._ends_early() or (self._declared.cut_off and not complete)
        return self._last_decode_stamp if early else None

    def _ends_early(self) -> bool:
        """Whether the last picture disappears before the file says so."""
        if is_joined(self._container, self._stream):
            return False
        # packets at the end that none can decode are the empty part of a file whose download was not finished
        sent_s, decoded_s = (
            float((stamp or 0) * (self._stream.time_base or 0))
            for stamp in (self._end_stamp, self._decoded_until)
        )
        gap_s = float(1 / declared_rate(self._stream))
        tolerance_s = max(_TOLERANCE_S, 2 * gap_s)
        own_s, longest_s = declared_end_s(self._container, self._stream), self._declared.duration_s
        if own_s is not None:
            # an edit list may hide packets at the end, so that their number alone says nothing; AVI counts frames that
            # are left out
            lacking = self.packets < self._stream.frames and sent_s < own_s - gap_s / 2
            if (lacking and self._container.format.name != "avi") or decoded_s < own_s - tolerance_s:
                return True
        if longest_s is None or decoded_s >= longest_s - tolerance_s:
            return False
        return last_s(self._container) < longest_s - tolerance_s
