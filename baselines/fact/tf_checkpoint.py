"""Tensors of a TensorFlow checkpoint, read without TensorFlow.

A checkpoint ``ckpt-N`` is two files. ``ckpt-N.index`` is a table of LevelDB: blocks of sorted keys, each sharing what
it can with the key before, and a footer that says where the block lies that lists the blocks. A value is a protocol
buffer: data type, shape, and where in ``ckpt-N.data-00000-of-0000M`` the bytes lie. Only what is read here is
understood: blocks without compression (TensorFlow writes no others), float32, one piece per tensor. Every offset and
length is compared with the size of its file before it is used.
"""

from __future__ import annotations

import glob
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from madata.errors import WeightsError
from madata.types import FloatArray

__all__ = ["checkpoint_files", "read_tf_checkpoint"]

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
"""Kind of compression and checksum behind every block."""
_LARGEST_INDEX = 1 << 26
_FLOAT32 = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_tf_checkpoint(prefix: Path, names: Collection[str]) -> dict[str, FloatArray]:
    """The named tensors of a checkpoint.

    Args:
        prefix: path of the checkpoint without ``.index``.
        names: as the checkpoint has them.

    Raises:
        WeightsError: a file is absent, cut off or of another kind, or a tensor is missing or not float32.
    """
    index = checkpoint_files(prefix)[0]
    if index.stat().st_size > _LARGEST_INDEX:
        raise WeightsError(f"{index}: too large for the index of a checkpoint")
    try:
        entries = dict(_table(index.read_bytes()))
        header = _message(entries.pop(b"", b""))
        shards = int(header.get(1, [0])[0])
        absent = sorted(name for name in names if name.encode() not in entries)
        if absent:
            raise WeightsError(
                f"{index}: {len(absent)} of {len(names)} tensors are missing, first {absent[0]}: it belongs to "
                "another network"
            )
        return {name: _tensor(prefix, shards, name, _message(entries[name.encode()])) for name in names}
    except (ValueError, IndexError, struct.error, OverflowError) as error:
        raise WeightsError(
            f"{index}: damaged or not the index of a TensorFlow checkpoint ({error})"
        ) from error


def checkpoint_files(prefix: Path) -> list[Path]:
    """The index of a checkpoint, and what is there of its data.

    Raises:
        WeightsError: there is no index, or nothing but it.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    if not index.is_file():
        raise WeightsError(f"{index}: no such file; a TensorFlow checkpoint is named without its suffixes")
    data = sorted(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*"))
    if not data:
        raise WeightsError(f"{prefix}.data-00000-of-00001: no such file; an index alone holds no weights")
    return [index, *data]


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(content) < _FOOTER_BYTES or struct.unpack("<Q", content[-8:])[0] != _MAGIC:
        raise ValueError("no footer")
    footer = content[-_FOOTER_BYTES:]
    place = 0
    for _ in range(2):  # where the block of statistics lies, which nothing here needs
        _, place = _varint(footer, place)
    for _, handle in _block(content, footer, place):
        yield from _block(content, handle, 0)


def _block(content: bytes, handle: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the block whose offset and size stand in ``handle`` from ``place`` on."""
    offset, place = _varint(handle, place)
    size, _ = _varint(handle, place)
    if offset + size + _TRAILER_BYTES > len(content) - _FOOTER_BYTES or size < 4:
        raise ValueError("a block lies outside the file")
    if content[offset + size]:
        raise ValueError("a compressed block")
    block = content[offset : offset + size]
    end = size - 4 - 4 * int(struct.unpack("<I", block[-4:])[0])
    key, place = b"", 0
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        if shared > len(key) or place + own + length > end:
            raise ValueError("an entry leaves its block")
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number is too long")


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    """Fields of a protocol buffer by number."""
    fields: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            value, place = data[place : place + size], place + size
        elif kind == _BYTES:
            size, place = _varint(data, place)
            value, place = data[place : place + size], place + size
        else:
            raise ValueError("an unknown kind of field")
        if place > len(data):
            raise ValueError("a field leaves its message")
        fields.setdefault(number, []).append(value)
    return fields


def _tensor(prefix: Path, shards: int, name: str, entry: dict[int, list[int | bytes]]) -> FloatArray:
    """By the fields of a BundleEntry: 1 type, 2 shape, 3 shard, 4 offset, 5 bytes, 7 pieces."""
    kind, shard, offset, size = (int(entry.get(number, [0])[0]) for number in (1, 3, 4, 5))
    if kind != _FLOAT32 or 7 in entry:
        raise WeightsError(f"{prefix}: the tensor {name} is not one piece of float32")
    outer = _message(_bytes(entry.get(2, [b""])[0]))
    shape = tuple(int(_message(_bytes(each)).get(1, [0])[0]) for each in outer.get(2, []))
    if 4 * int(np.prod(shape, dtype=object)) != size:
        raise WeightsError(f"{prefix}: the tensor {name} of shape {shape} has {size} bytes")
    path = prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")
    if not path.is_file() or offset + size > path.stat().st_size:
        raise WeightsError(f"{path}: absent or cut off: the tensor {name} lies beyond its end")
    values = np.fromfile(path, "<f4", size // 4, offset=offset).reshape(shape)
    return values.astype(np.float32)


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value
