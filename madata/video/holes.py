"""Where packets of a broadcast were lost: among frames that come regularly, one comes late.

Formats with an index lose none, and a hole in one of them is a frame meant to be held. Where a rate varies or changes,
late frames are not alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet

__all__ = ["with_holes"]

_LOSSY = {"mpegts", "mpeg", "flv", "live_flv"}
_AROUND = 16
"""Packets before and behind one that say how regularly frames come."""
_LATE = 1.5
"""Of the usual step."""
_REGULAR_SHARE = 0.9
"""Of the steps around a hole, and of all before it: those that are not late themselves."""

_TOLD_APART_BITS = 8
"""Of steps before a hole: they are within 1 %, and so few that a file of millions of lengths is read in its time."""

_Step = int | None
"""Ticks of decoding time from the packet before; ``None`` where there is none to tell."""


def with_holes(packets: Iterable[Packet[Any]], container: str) -> Iterator[tuple[Packet[Any], bool]]:
    """Each packet, and whether others are lacking right before it.

    Args:
        packets: of one stream, in decoding order.
        container: FFmpeg's name of the format.
    """
    if container not in _LOSSY:
        yield from ((packet, False) for packet in packets)
        return
    seen: Counter[int] = Counter()
    before: deque[int] = deque(maxlen=_AROUND)
    ahead: deque[tuple[Packet[Any], _Step]] = deque()

    def judged() -> tuple[Packet[Any], bool]:
        packet, step = ahead.popleft()
        if step is None:
            return packet, False
        around = [*before, *(other for _, other in ahead if other is not None)]
        hole = not packet.is_keyframe and _is_late(step, Counter(around), seen)
        before.append(step)
        seen[_rounded(step)] += 1
        return packet, hole

    last: _Step = None
    for packet in packets:
        stamp = packet.dts if packet.size else None
        ahead.append((packet, None if stamp is None or last is None else stamp - last))
        last = last if stamp is None else stamp
        if len(ahead) > _AROUND:
            yield judged()
    while ahead:
        yield judged()


def _is_late(step: int, around: Counter[int], seen: Counter[int]) -> bool:
    """Whether a step is longer than others, of which hardly one is; each a number of steps of every length."""
    if not around:
        return False
    # where every other frame is held, the shorter steps are the usual ones
    late = _LATE * sorted(around.elements())[around.total() // 4]
    return step > late and all(
        sum(count for length, count in steps.items() if length <= late) >= _REGULAR_SHARE * steps.total()
        for steps in (around, seen)
    )


def _rounded(step: int) -> int:
    """A step to its first binary digits."""
    rest = max(step.bit_length() - _TOLD_APART_BITS, 0)
    return step >> rest << rest
