"""Biovision BVH files: a hierarchy of joints with rest offsets, and one row of channels per frame.

Reading makes no guess about the body: :mod:`madata.motion.bvh.retarget` maps the joints onto SMPL. Conventions of
the format:

* the rotation channels of a joint multiply in the order in which they are listed (``Zrotation Xrotation
  Yrotation`` is ``R = Rz Rx Ry``), degrees;
* position channels take the place of the joint's offset, on the root and on any other joint;
* an ``End Site`` has an offset and no channels; here it is a joint named after its parent with ``.end``
  appended.

Lengths are in the unit of the file. Legend: T frames, N joints (end sites included), C channels.
"""

from __future__ import annotations

import lzma
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import refuse_special
from madata.rotations import euler_to_matrix

__all__ = ["Bvh", "bvh_world", "read_bvh"]

DoubleArray = npt.NDArray[np.float64]

# A minute of hand-annotated mocap is about 5 MB; this stops an archive that unpacks without end.
_MAX_BYTES = 1 << 29
_CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


@dataclass(frozen=True)
class Bvh:
    """A parsed file.

    Attributes:
        names: name of every joint.
        parents: parent of every joint, -1 for the root; parents precede their children.
        offsets: (N, 3) rest offset from the parent, file units.
        channels: channels of every joint in file order, such as ``("Zrotation", "Xrotation", "Yrotation")``.
        values: (T, C) all channels of all joints, in order; degrees and file units.
        frame_time_s: seconds per frame.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: DoubleArray
    channels: tuple[tuple[str, ...], ...]
    values: DoubleArray
    frame_time_s: float

    @property
    def fps(self) -> float:
        """Frames per second: the whole or NTSC rate a rounded frame time stands for, else its inverse."""
        rate = 1 / self.frame_time_s
        if not np.isfinite(rate):
            return rate
        for candidate in (round(rate), round(rate * 1.001) / 1.001):
            if candidate and abs(rate / candidate - 1) < 2e-4:
                return float(candidate)
        return rate


def read_bvh(path: Path) -> Bvh:
    """Parse a ``.bvh`` file, or a ``.bvh.xz``.

    Raises:
        MediaError: the file is absent or is not valid BVH; the message names the line.
    """
    text = _text(path)
    section = re.search(r"^[ \t]*MOTION[ \t\r]*$", text, re.MULTILINE)
    if section is None:
        raise MediaError(f"{path}: no line MOTION, is this a BVH file?", reason="bvh_syntax")
    head, tail = text[: section.start()], text[section.end() :]
    hierarchy = _Hierarchy(path)
    hierarchy.parse(head)
    return _motion(path, hierarchy, tail, head.count("\n") + 1)


def _text(path: Path) -> str:
    try:
        refuse_special(path)
        with path.open("rb") as stream, lzma.open(stream) if path.suffix.lower() == ".xz" else stream as text:
            data = text.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise MediaError(f"{path}: cannot be read ({error})", reason="unreadable") from error
    if len(data) > _MAX_BYTES:
        raise MediaError(
            f"{path}: more than {_MAX_BYTES >> 20} MiB of text, cut it first", reason="too_large"
        )
    if b"\0" in data[:2]:  # HIERARCHY in UTF-16 without a mark of the byte order
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    else:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")


@dataclass
class _Hierarchy:
    """The state of the hierarchy parser: the joints so far and the open braces."""

    path: Path
    names: dict[str, int] = field(default_factory=dict)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float] | None] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    line: int = 0

    def fail(self, problem: str) -> NoReturn:
        raise MediaError(f"{self.path}, line {self.line}: {problem}", reason="bvh_syntax")

    def parse(self, text: str) -> None:
        pending: int | None = None
        started = False
        for words in self._lines(text):
            keyword = words[0].upper()
            if keyword == "HIERARCHY" and not started:
                started = True
            elif not started:
                self.fail(f"expected HIERARCHY, found {words[0]!r}")
            elif pending is not None and keyword != "{":
                self.fail(f"expected '{{' after joint {self._name(pending)!r}, found {words[0]!r}")
            elif keyword == "{":
                if pending is None:
                    self.fail("'{' without a joint before it")
                self.opened.append(pending)
                pending = None
            elif keyword == "}":
                self._close()
            elif keyword in ("ROOT", "JOINT", "END"):
                pending = self._joint(keyword, " ".join(words[1:]))
            elif keyword == "OFFSET":
                self.offsets[self._current("OFFSET")] = self._numbers(words[1:])
            elif keyword == "CHANNELS":
                self.channels[self._current("CHANNELS")] = self._channel_names(words[1:])
            else:
                self.fail(f"expected ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace, found {words[0]!r}")
        if self.opened or pending is not None:
            self.fail("the hierarchy ends inside a joint: a '}' is missing")
        if not self.names:
            self.fail("the hierarchy has no ROOT")

    def _lines(self, text: str) -> Iterator[list[str]]:
        for self.line, raw in enumerate(text.split("\n"), 1):
            body = raw.strip()
            closing = body.endswith("{") and body != "{"
            words = body.removesuffix("{").split() if closing else body.split()
            if words:
                yield words
            if closing:
                yield ["{"]

    def _current(self, keyword: str) -> int:
        if not self.opened:
            self.fail(f"{keyword} outside of a joint")
        return self.opened[-1]

    def _joint(self, keyword: str, name: str) -> int:
        if keyword == "ROOT" and self.names:
            self.fail("a second ROOT: split the file, one body per file")
        if keyword != "ROOT" and not self.opened:
            self.fail(f"{keyword} outside of the ROOT")
        if keyword == "END":
            name = f"{self._name(self.opened[-1])}.end"
        elif not name:
            self.fail(f"{keyword} without a name")
        if name in self.names:
            self.fail(f"two joints are called {name!r}")
        self.names[name] = len(self.names)
        self.parents.append(self.opened[-1] if self.opened else -1)
        self.offsets.append(None)
        self.channels.append(())
        return len(self.names) - 1

    def _name(self, joint: int) -> str:
        return list(self.names)[joint]

    def _close(self) -> None:
        if not self.opened:
            self.fail("one '}' too many")
        joint = self.opened.pop()
        if self.offsets[joint] is None:
            self.fail(f"joint {self._name(joint)!r} has no OFFSET")

    def _numbers(self, words: list[str]) -> list[float]:
        numbers = [number for word in words if (number := _number(word)) is not None]
        if not len(words) == len(numbers) == 3:
            self.fail(f"OFFSET needs three finite numbers, found {' '.join(words)!r}")
        return numbers

    def _channel_names(self, words: list[str]) -> tuple[str, ...]:
        names = tuple(word[:1].upper() + word[1:].lower() for word in words[1:])
        if not words or words[0] != str(len(names)):
            self.fail(f"CHANNELS announces {words[0] if words else 'nothing'} and lists {len(names)}")
        for name in names:
            if name not in _CHANNELS:
                self.fail(f"unknown channel {name!r}; BVH knows {', '.join(sorted(_CHANNELS))}")
        if len(set(names)) != len(names):
            self.fail("the same channel twice in one joint")
        return names


def _motion(path: Path, hierarchy: _Hierarchy, tail: str, first_line: int) -> Bvh:
    def fail(line: int, problem: str) -> NoReturn:
        raise MediaError(f"{path}, line {line}: {problem}", reason="bvh_syntax")

    # Some exporters leave blank lines between the lines of the header.
    header = re.match(r"\s*frames[ \t]*:([^\n]*)\n\s*frame[ \t]*time[ \t]*:([^\n]*)\n", tail, re.IGNORECASE)
    if header is None:
        fail(first_line + 1, "after MOTION come 'Frames: N', 'Frame Time: s' and the frames")
    frames_line, time_line, first_frame = (
        first_line + tail.count("\n", 0, header.start(1)),
        first_line + tail.count("\n", 0, header.start(2)),
        first_line + tail.count("\n", 0, header.end()),
    )
    try:
        frames = int(header[1])
    except ValueError:
        frames = 0
    if frames <= 0:
        fail(frames_line, f"the number of frames must be a positive integer, found {header[1].strip()!r}")
    frame_time_s = _number(header[2].strip())
    if frame_time_s is None or frame_time_s <= 0:
        fail(time_line, f"the frame time must be a positive number, found {header[2].strip()!r}")
    width = sum(map(len, hierarchy.channels))
    if width == 0:
        fail(first_line, "no joint has CHANNELS, so there is nothing to read")
    values = _values(path, tail[header.end() :], frames, width, first_frame)
    return Bvh(
        names=tuple(hierarchy.names),
        parents=tuple(hierarchy.parents),
        offsets=np.array(hierarchy.offsets, np.float64),
        channels=tuple(hierarchy.channels),
        values=values,
        frame_time_s=frame_time_s,
    )


def _values(path: Path, body: str, frames: int, width: int, first_line: int) -> DoubleArray:
    """(frames, width) from the text of all frames; only a file with a fault is looked at line by line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            flat = np.fromstring(body, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):  # numpy before 2.3 warns where it meets text
            flat = np.empty(0)
    if flat.size == frames * width and np.isfinite(flat).all():
        return flat.reshape(frames, width)
    rows = 0
    for number, line in enumerate(body.split("\n"), first_line):
        words = line.split()
        if not words:
            continue
        rows += 1
        if len(words) != width:
            raise MediaError(
                f"{path}, line {number}: frame {rows} has {len(words)} values for {width} channels",
                reason="bvh_syntax",
            )
        for word in words:
            if _number(word) is None:
                raise MediaError(
                    f"{path}, line {number}: {word!r} is not a finite number", reason="bvh_syntax"
                )
    raise MediaError(
        f"{path}: announces {frames} frames and holds {rows}: "
        + ("the file is cut short" if rows < frames else "correct the line 'Frames:'"),
        reason="bvh_syntax",
    )


def _number(word: str) -> float | None:
    """A finite number, or ``None``."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def bvh_world(
    bvh: Bvh, joints: frozenset[int] | None = None
) -> tuple[dict[int, DoubleArray], dict[int, DoubleArray]]:
    """Forward kinematics.

    Args:
        bvh: a parsed file.
        joints: joints wanted (their ancestors are computed too); ``None`` means all.

    Returns:
        World rotation (T, 3, 3) and world position (T, 3) in file units, by joint.
    """
    wanted = set(range(len(bvh.names))) if joints is None else set(joints)
    for joint in sorted(wanted, reverse=True):
        parent = bvh.parents[joint]
        while parent >= 0 and parent not in wanted:
            wanted.add(parent)
            parent = bvh.parents[parent]
    starts = np.cumsum([0, *map(len, bvh.channels)])
    rotations: dict[int, DoubleArray] = {}
    positions: dict[int, DoubleArray] = {}
    for joint in sorted(wanted):
        values = bvh.values[:, starts[joint] : starts[joint + 1]]
        local, offset = _local(values, bvh.channels[joint], bvh.offsets[joint])
        parent = bvh.parents[joint]
        if parent < 0:
            rotations[joint], positions[joint] = local, offset
        else:
            rotations[joint] = rotations[parent] @ local if bvh.channels[joint] else rotations[parent]
            positions[joint] = positions[parent] + (rotations[parent] @ offset[..., None])[..., 0]
    return rotations, positions


def _local(
    values: DoubleArray, channels: tuple[str, ...], rest: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """Local rotation (T, 3, 3) and offset (T, 3) of one joint."""
    offset = np.repeat(rest[None], len(values), 0)
    turns = [column for column, name in enumerate(channels) if name.endswith("rotation")]
    for column, name in enumerate(channels):
        if name.endswith("position"):
            offset[:, "XYZ".index(name[0])] = values[:, column]
    if not turns:
        return np.repeat(np.eye(3)[None], len(values), 0), offset
    order = "".join(channels[column][0] for column in turns)
    return euler_to_matrix(np.deg2rad(values[:, turns]), order), offset
