"""What can happen to a file on its way: bytes flip, ends are lost, parts are moved, sizes and numbers lie."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np

_SIZES = (
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
_WORDS = (
    b"NaN", b"Infinity", b"1e999", b"-1", b"0", b"0.5", b"null", b"true", b'""', b"[]", b"{}", b'"x"', b"9" * 400,
    b"9" * 5000, b"[" * 3000, b"1e-320", b"\xff\xfe", b"\x00", b"[[1]]", b"99999999999",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` after one to three accidents."""
    changes = [_flip, _truncate, _splice, _size, _word]
    if data.isascii():  # a byte beyond ASCII would end the reading of a text at once
        changes = [_truncate, _splice, *[_word] * 6] if rng.random() < 0.8 else changes
    if data[:4] == b"PK\3\4":
        changes += [_member, _member, _member]
    for _ in range(int(rng.integers(1, 4))):
        if data:
            data = changes[rng.integers(len(changes))](data, rng)
    return data


def _at(data: bytes, rng: np.random.Generator) -> int:
    """A place; every other one in the head, where what decides stands."""
    return int(rng.integers(min(len(data), 256) if rng.random() < 0.5 else len(data)))


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        changed[_at(data, rng)] = int(rng.integers(256))
    return bytes(changed)


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _at(data, rng)]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    start, length, target = _at(data, rng), int(rng.integers(1, 1 + len(data) // 4 + 1)), _at(data, rng)
    part = data[start : start + length]
    rest = data if rng.random() < 0.5 else data[:start] + data[start + length :]
    return rest[:target] + part + rest[target:]


def _size(data: bytes, rng: np.random.Generator) -> bytes:
    width = int(rng.choice([1, 2, 4, 8]))
    value = _SIZES[rng.integers(len(_SIZES))] & ((1 << 8 * width) - 1)
    at = _at(data, rng)
    return data[:at] + value.to_bytes(width, "little" if rng.random() < 0.5 else "big") + data[at + width :]


def _word(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of a text becomes something else; any place of what is no text."""
    found = list(_NUMBER.finditer(data[:100_000]))
    word = _WORDS[rng.integers(len(_WORDS))]
    if not found:
        at = _at(data, rng)
        return data[:at] + word + data[at:]
    chosen = found[rng.integers(len(found))]
    return data[: chosen.start()] + word + data[chosen.end() :]


def _member(data: bytes, rng: np.random.Generator) -> bytes:
    """One file of an archive is another, under a checksum that is right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # an earlier accident
        return _flip(data, rng)
    if not members:
        return data
    name = sorted(members)[rng.integers(len(members))]
    members[name] = mutated(members[name], rng)
    if rng.random() < 0.1:
        del members[name]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for each, inside in members.items():
            archive.writestr(each, inside)
    return content.getvalue()
