"""Packets of one stream on one clock, past unreadable stretches.

Broadcast formats may start their clock anew: two transport streams joined by ``cat``, a recorder that reconnects.
Where decoding stamps fall back by more than half a second, or leap by more than ten, a new section of the file
begins. Each section is moved so that its first picture follows the last one before it, and its sound is moved by the
same time, so that the two stay together. Formats with an index of their own are taken as they are.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MediaError
from madata.video.container import audio_stream, open_media, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

__all__ = ["is_joined", "last_s", "read_packets"]

_UNREADABLE_IN_A_ROW = 16
_RESTARTING = {"mpegts", "mpeg", "flv", "live_flv"}
_FALLS_BACK_S, _LEAPS_S = Fraction(1, 2), Fraction(10)
_URL = "file:"


@dataclass
class _Section:
    """A run of packets on one clock; times in seconds as stored."""

    first_packet: int
    first_s: Fraction
    end_s: Fraction


Shifts = tuple[tuple[int, Fraction], ...]
"""(first packet of a section, what is added to its stamps in seconds), in order."""


def read_packets(
    container: InputContainer, stream: Stream, on_error: Callable[[Exception], None] | None = None
) -> Iterator[Packet[Any]]:
    """Packets of one stream to the end of the file, past unreadable stretches where the format allows it.

    Some packets may be empty; the empty one with which PyAV asks for a decoder to be flushed is not among them.

    Args:
        container: an open file.
        stream: one of its streams.
        on_error: told of each unreadable stretch.
    """
    shifts = ((0, Fraction(0)), *_shifts(container, stream))
    firsts = [first for first, _ in shifts]
    for number, packet in enumerate(_stored_packets(container, [stream], on_error)):
        _, shift_s = shifts[bisect.bisect_right(firsts, number) - 1]
        if shift_s and stream.time_base:
            ticks = round(shift_s / stream.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


def _stored_packets(
    container: InputContainer, streams: list[Any], on_error: Callable[[Exception], None] | None = None
) -> Iterator[Packet[Any]]:
    import av

    wanted = {stream.index for stream in streams}
    failures = 0
    while failures <= _UNREADABLE_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                if packet.size == 0 and packet.dts is None:
                    return
                if packet.stream_index in wanted:
                    failures = 0
                    yield packet
            return
        except IndexError:
            # the end of a file in which garbage looked like one more stream; PyAV cannot flush that one
            return
        except av.FFmpegError as error:
            failures += 1
            if on_error is not None:
                on_error(error)


def is_joined(container: InputContainer, stream: Stream) -> bool:
    """Whether the clock of a file starts anew: what it declares as its end is then that of one of its parts."""
    return bool(_shifts(container, stream))


def last_s(container: InputContainer) -> float:
    """When the last packet of any stream of an open file ends, in seconds as stored; a reading of all its packets."""
    ends = [0.0]
    with open_media(Path(container.name.removeprefix(_URL))) as again:
        for packet in _stored_packets(again, list(again.streams)):
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None and packet.time_base:
                ends.append(float((stamp + (packet.duration or 0)) * packet.time_base))
    return max(ends)


def _shifts(container: InputContainer, stream: Stream) -> Shifts:
    if container.format.name not in _RESTARTING:
        return ()
    path = Path(container.name.removeprefix(_URL))
    status = path.stat()
    return _shifts_of(path, status.st_size, status.st_mtime_ns).get(stream.index, ())


@functools.lru_cache(maxsize=16)
def _shifts_of(path: Path, size: int, mtime_ns: int) -> dict[int, Shifts]:
    """Shifts of the picture and the sound of a file, by stream; one reading of its packets, none is decoded."""
    streams: list[Any] = []
    with open_media(path) as container:
        for choose in (video_stream, audio_stream):
            try:
                streams.append(choose(container, path))
            except MediaError:
                continue
        sections = _sections(_stored_packets(container, streams), [stream.index for stream in streams])
    # the picture leads: what moves its clock moves that of the sound too
    leading = next(iter(sections.values()), [])
    moved, shift_s = [Fraction(0)] if leading else [], Fraction(0)
    for before, section in itertools.pairwise(leading):
        shift_s = before.end_s + shift_s - section.first_s
        moved.append(shift_s)
    return {
        index: tuple(
            (section.first_packet, moved[min(number, len(moved) - 1)]) for number, section in enumerate(own)
        )
        for index, own in sections.items()
        if len(leading) > 1
    }


def _sections(packets: Iterator[Packet[Any]], streams: list[int]) -> dict[int, list[_Section]]:
    """The sections of each stream, in the order of ``streams``."""
    found: dict[int, list[_Section]] = {index: [] for index in streams}
    counted = dict.fromkeys(streams, 0)
    last_s: dict[int, Fraction] = {}
    for packet in packets:
        index, number = packet.stream_index, counted[packet.stream_index]
        counted[index] += 1
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or not packet.time_base:
            continue
        decoded_s = stamp * packet.time_base
        shown_s = decoded_s if packet.pts is None else packet.pts * packet.time_base
        own, before_s = found[index], last_s.get(index, decoded_s)
        if not own or decoded_s < before_s - _FALLS_BACK_S or decoded_s > before_s + _LEAPS_S:
            own.append(_Section(number, shown_s, shown_s))
        # a packet of unknown length lasts as long as the step that led to it
        length_s = packet.duration * packet.time_base if packet.duration else abs(decoded_s - before_s)
        section = own[-1]
        section.first_s = min(section.first_s, shown_s)
        section.end_s = max(section.end_s, shown_s + length_s)
        last_s[index] = decoded_s
    return found
