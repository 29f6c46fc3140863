"""What a container says about its own extent: a download or a recording that broke off plays up to there, silently.

Two things are read, from the heads of the container's units, without decoding anything: whether the file ends inside
one of them or before the size that it declares, and how long it says it lasts. Recorders that write as they go declare
neither; such a file is whole when it ends between two units.

========================  ================================================  =========================================
format                    cut off                                           length
========================  ================================================  =========================================
MP4, QuickTime, 3GP       inside a box; before the end that ``sidx`` gives  ``mehd`` or ``mvhd``, of fragmented files
Matroska, WebM            inside an element, the segment being one          ``Duration``, of a segment of known size
AVI                       inside a ``RIFF`` chunk                           frames in ``avih``
FLV                       inside a tag; before ``filesize``                 ``duration`` in ``onMetaData``
ASF, WMV                  before the size in its file properties            -
Ogg                       inside a page; a stream whose end is not marked   -
transport stream          inside a packet                                   -
program stream            inside a packet                                   -
========================  ================================================  =========================================

Sources: ISO/IEC 14496-12, RFC 9559, RFC 3533, Adobe Flash Video File Format 10.1, Microsoft ASF 01.20, OpenDML AVI
1.02, ISO/IEC 13818-1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Declared", "declared", "is_mp4"]

_LONGEST_HEADER = 1 << 20
"""Bytes of a header that are looked through: an index may be larger, what is looked for stands before it."""
_MOST_UNITS = 1 << 20
"""Boxes, elements, tags or pages that are gone through: hours of video, and seconds for a file made of empty ones."""
_MP4_BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra sidx ssix emsg prft pdin meta wide free skip uuid pnot".split()
)
_EBML, _SEGMENT, _INFO, _CLUSTER = (
    b"\x1a\x45\xdf\xa3",
    b"\x18\x53\x80\x67",
    b"\x15\x49\xa9\x66",
    b"\x1f\x43\xb6\x75",
)
_TIMESTAMP_SCALE, _DURATION = b"\x2a\xd7\xb1", b"\x44\x89"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_BROADCAST = 1
_FLV_TAGS = frozenset({8, 9, 18})
_RIFF_SLACK = 8
"""Some writers count the eight bytes of the head in."""
_TRANSPORT_PACKETS = ((188, 0), (192, 4), (204, 0))
_PACK = b"\0\0\1\xba"
_PROGRAM_TAIL = 1 << 20


@dataclass(frozen=True)
class Declared:
    """What a container says.

    Attributes:
        cut_off: the file ends inside one of its units, or before the size that it declares.
        duration_s: of the longest of its streams; ``None`` where it does not say, or where each stream says so itself.
    """

    cut_off: bool = False
    duration_s: float | None = None


def declared(path: Path) -> Declared:
    """Read what a file says about its extent; nothing of a format that is not in the table."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(16)
        reader = next((reader for knows, reader in _READERS if knows(head)), _broadcast)
        return reader(stream, size)


def is_mp4(head: bytes) -> bool:
    """Whether a file that begins with these 8 bytes or more is made of MP4 boxes."""
    return head[4:8] in _MP4_BOXES


def _at(stream: BinaryIO, position: int, count: int) -> bytes:
    stream.seek(position)
    return stream.read(count)


def _mp4(stream: BinaryIO, size: int) -> Declared:
    at = end = 0
    duration_s: float | None = None
    for _ in range(_MOST_UNITS):
        if at + 8 > size:
            break
        head = _at(stream, at, 16)
        length, kind = int.from_bytes(head[:4]), head[4:8]
        if kind not in _MP4_BOXES:
            return Declared(end > size, duration_s)
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:  # 0 means: to the end of the file
            return Declared(end > size, duration_s)
        if kind == b"sidx":
            end = max(end, at + length + _referenced(_at(stream, at + 8, min(length - 8, _LONGEST_HEADER))))
        elif kind == b"moov":
            duration_s = _fragmented_s(_at(stream, at, min(length, _LONGEST_HEADER)))
        at += length
    return Declared(max(at, end) > size, duration_s)


def _referenced(index: bytes) -> int:
    """Bytes behind an index of segments that it refers to."""
    wide = index[:1] != b"\0"
    entries = index[32:] if wide else index[24:]
    first = int.from_bytes(index[20:28] if wide else index[16:20])
    count = int.from_bytes(index[30:32] if wide else index[22:24])
    sizes: tuple[int, ...] = struct.unpack_from(f">{3 * min(count, len(entries) // 12)}I", entries)[::3]
    return first + sum(one & 0x7FFFFFFF for one in sizes)


def _fragmented_s(moov: bytes) -> float | None:
    """What a fragmented file says it lasts; the tracks of others say it themselves."""
    movie, extends = moov.find(b"mvhd"), moov.find(b"mvex")
    if movie < 0 or extends < 0:
        return None
    wide = moov[movie + 4 : movie + 5] != b"\0"
    times = moov[movie + 24 : movie + 36] if wide else moov[movie + 16 : movie + 24]
    scale, length = int.from_bytes(times[:4]), int.from_bytes(times[4:])
    whole = moov.find(b"mehd", extends)
    if whole >= 0:
        length = int.from_bytes(
            moov[whole + 8 : whole + (12 if moov[whole + 4 : whole + 5] == b"\0" else 16)]
        )
    known = scale > 0 and 0 < length < 0xFFFFFFFF
    return length / scale if known else None


def _elements(stream: BinaryIO, size: int, at: int) -> Iterator[tuple[bytes, int, int | None]]:
    """(id, where its content begins, its length or ``None`` where it is unknown) of one EBML element after another.

    Segments and what is of unknown length are entered. A head that the file ends in has more content than there is.
    """
    for _ in range(_MOST_UNITS):
        if at >= size:
            return
        head = _at(stream, at, 12)
        id_length = 9 - head[0].bit_length() if head[0] else 9
        if id_length > 4:
            return
        coded = head[id_length : id_length + 8]
        width = 9 - coded[0].bit_length() if coded else 1
        if width > 8:
            return
        if len(coded) < width:
            yield head[:id_length], at, size - at + 1
            return
        value = int.from_bytes(coded[:width]) & ((1 << 7 * width) - 1)
        begins = at + id_length + width
        unknown = value == (1 << 7 * width) - 1
        yield head[:id_length], begins, None if unknown else value
        at = begins if unknown or head[:id_length] == _SEGMENT else begins + value


def _matroska(stream: BinaryIO, size: int) -> Declared:
    """An element of unknown length (a recording, a pipe) is entered: it is cut off where one inside it is."""
    duration_s: float | None = None
    live = False
    for kind, begins, length in _elements(stream, size, 0):
        live |= kind == _SEGMENT and length is None
        if length is not None and begins + length > size:
            return Declared(True, duration_s)
        if kind == _INFO and not live and length is not None:
            duration_s = _info_s(stream, size, begins, begins + length)
        if kind == _CLUSTER and not live:  # the segment has said all
            break
    return Declared(False, duration_s)


def _info_s(stream: BinaryIO, size: int, begins: int, ends: int) -> float | None:
    scale_ns, ticks = 1_000_000, 0.0
    for kind, at, length in _elements(stream, min(size, ends), begins):
        if kind == _TIMESTAMP_SCALE:
            scale_ns = int.from_bytes(_at(stream, at, min(length or 0, 8)))
        elif kind == _DURATION and length in (4, 8):
            (ticks,) = struct.unpack(">f" if length == 4 else ">d", _at(stream, at, length))
    return ticks * scale_ns / 1e9 if 0 < ticks < math.inf else None


def _avi(stream: BinaryIO, size: int) -> Declared:
    at, duration_s = 0, None
    header = _at(stream, 24, 32)
    if header[:4] == b"avih":
        frame_us, frames = int.from_bytes(header[8:12], "little"), int.from_bytes(header[24:28], "little")
        duration_s = frame_us * frames / 1e6 or None
    for _ in range(_MOST_UNITS):
        if at + 12 > size:
            break
        head = _at(stream, at, 12)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):  # a recorder fills it in when it is done
            break
        at += 8 + length + length % 2
        if at > size + _RIFF_SLACK:
            return Declared(True, duration_s)
    return Declared(False, duration_s)


def _flv(stream: BinaryIO, size: int) -> Declared:
    at = int.from_bytes(_at(stream, 5, 4)) + 4
    about = _at(stream, at, 1 << 16)
    duration_s, said_size = (_flv_number(about, name) for name in (b"duration", b"filesize"))
    cut_off = said_size > size
    for _ in range(_MOST_UNITS):
        if at >= size or cut_off:
            break
        head = _at(stream, at, 11)
        if head[0] & 0x1F not in _FLV_TAGS:
            break
        ends = at + 11 + int.from_bytes(head[1:4])
        cut_off = len(head) < 11 or ends > size
        at = ends + 4
    return Declared(cut_off, duration_s or None)


def _flv_number(about: bytes, name: bytes) -> float:
    """A number of ``onMetaData``, 0 where it is not there."""
    at = about.find(len(name).to_bytes(2) + name + b"\0")
    value = about[at + len(name) + 3 :][:8] if at >= 0 else b""
    number = struct.unpack(">d", value)[0] if len(value) == 8 else 0.0
    return float(number) if 0 < number < math.inf else 0.0


def _asf(stream: BinaryIO, size: int) -> Declared:
    header = _at(stream, 0, _LONGEST_HEADER)
    at = header.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(header) < at + 92:
        return Declared()
    flags = int.from_bytes(header[at + 88 : at + 92], "little")
    said_size = int.from_bytes(header[at + 40 : at + 48], "little")
    if flags & _ASF_BROADCAST:
        return Declared()
    shown_s = int.from_bytes(header[at + 64 : at + 72], "little") / 1e7
    preroll_s = int.from_bytes(header[at + 80 : at + 88], "little") / 1e3
    return Declared(said_size > size, max(0.0, shown_s - preroll_s) or None)


def _ogg(stream: BinaryIO, size: int) -> Declared:
    at = 0
    ended: dict[bytes, bool] = {}
    for _ in range(_MOST_UNITS):
        if at >= size:
            break
        head = _at(stream, at, 27 + 255)
        if head[:4] != b"OggS"[: len(head)]:
            return Declared()
        segments = head[26] if len(head) > 26 else 0
        at += 27 + segments + sum(head[27 : 27 + segments])
        ended[head[14:18]] = bool(head[5] & 4) if len(head) > 5 else False
    if at < size:
        return Declared()
    return Declared(at > size or not all(ended.values()))


def _broadcast(stream: BinaryIO, size: int) -> Declared:
    """A transport or a program stream, told by its packets; anything else says nothing."""
    head = _at(stream, 0, 204 + 5)
    if head[:4] == _PACK:
        return Declared(_program_ends_inside(stream, size))
    for length, sync in _TRANSPORT_PACKETS:
        whole = size // length
        if whole > 2 and all(
            _at(stream, number * length + sync, 1) == b"G" for number in (0, 1, whole - 2, whole - 1)
        ):
            return Declared(size % length > 0)
    return Declared()


def _program_ends_inside(stream: BinaryIO, size: int) -> bool:
    tail = _at(stream, max(0, size - _PROGRAM_TAIL), _PROGRAM_TAIL)
    at = tail.find(_PACK)
    while 0 <= at < len(tail) - 3 and tail[at : at + 3] == b"\0\0\1":
        code = tail[at + 3]
        if code == 0xB9:
            at += 4
        elif code == 0xBA:
            mpeg2 = tail[at + 4 : at + 5] >= b"\x40"
            at += 14 + (tail[at + 13] & 7 if at + 13 < len(tail) else 0) if mpeg2 else 12
        elif code >= 0xBB:
            at += 6 + int.from_bytes(tail[at + 4 : at + 6])
        else:
            return False
    return at > len(tail)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], Declared]], ...] = (
    (is_mp4, _mp4),
    (lambda head: head[:4] == _EBML, _matroska),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ", _avi),
    (lambda head: head[:3] == b"FLV", _flv),
    (lambda head: head == _ASF_HEADER, _asf),
    (lambda head: head[:4] == b"OggS", _ogg),
)
