"""Reading an archive of a stranger: nothing leaves its folder, nothing inflates without bound, nothing comes twice.

Sizes are counted while reading; what an archive says about itself is only used to refuse it early.
"""

from __future__ import annotations

import errno
import io
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from madata.errors import MadanceError
from madata.files import atomic_path, refuse_special

__all__ = ["LIMITS", "ArchiveError", "Limits", "check_npz", "unpack", "write_archive"]

_CHUNK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_TRUNCATED = "{}: cut short, or something stands before it; its upload or download did not end, send it again"
_NAME = re.compile(r"^(?:[A-Za-z0-9_.-]+/)?[^/\\\x00-\x1f:*?\"<>|]+$")


class ArchiveError(MadanceError):
    """An archive that is not opened, with a short code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """What is accepted from a stranger.

    Attributes:
        files: members.
        total_bytes: of all members, unpacked.
        document_bytes: of one JSON document.
        table_bytes: of features and samples, unpacked, each.
        ratio: unpacked to packed size of one member above 1 MB.
    """

    files: int = 20_000
    total_bytes: int = 64 << 30
    document_bytes: int = 64 << 20
    table_bytes: int = 2 << 30
    ratio: int = 200


LIMITS = Limits()


def unpack(archive: Path, folder: Path, limits: Limits = LIMITS) -> list[str]:
    """Unpack ``archive`` into ``folder``; return the names of its files.

    Raises:
        ArchiveError: the archive is cut short, damaged, escapes the folder, holds links, a name twice, or too much.
        MadanceError: the disk is full.
    """
    try:
        refuse_special(archive)
        with zipfile.ZipFile(archive) as opened:
            if min((member.header_offset for member in opened.infolist()), default=0):
                raise ArchiveError("truncated", _TRUNCATED.format(archive.name))
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check_members(members, limits)
            left = limits.total_bytes
            for member in members:
                left -= _unpack_member(
                    opened, member, folder / member.filename, min(left, _cap(member, limits))
                )
            return [member.filename for member in members]
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise MadanceError(
                f"the disk of {folder} is full while {archive.name} is unpacked: free some space, or set TMPDIR"
            ) from error
        if isinstance(error, zipfile.BadZipFile) and _begins_as_zip(archive):
            raise ArchiveError("truncated", _TRUNCATED.format(archive.name)) from error
        raise ArchiveError("bad_zip", f"{archive.name}: not a readable archive ({error})") from error


def _begins_as_zip(archive: Path) -> bool:
    with archive.open("rb") as stream:
        return stream.read(4) == b"PK\3\4"


def _cap(member: zipfile.ZipInfo, limits: Limits) -> int:
    if member.filename.endswith(".json"):
        return limits.document_bytes
    return limits.table_bytes if "/" not in member.filename else limits.total_bytes


def _check_members(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(members) > limits.files:
        raise ArchiveError(
            "too_large", f"the archive holds {len(members)} files, at most {limits.files} are read"
        )
    seen: set[str] = set()
    for member in members:
        name = member.filename
        parts = name.split("/")
        if not _NAME.match(name) or any(part in {"", ".", ".."} for part in parts) or name.startswith("."):
            raise ArchiveError(
                "escapes", f"the archive names a file outside its folder or with an odd name: {name!r}"
            )
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            raise ArchiveError("escapes", f"{name!r} is a link or a device, not a file")
        if name.casefold() in seen:
            raise ArchiveError("duplicate", f"the archive holds {name!r} twice")
        seen.add(name.casefold())
        if member.flag_bits & 1:
            raise ArchiveError("bad_zip", f"{name!r} is encrypted")
        if member.file_size > _cap(member, limits):
            raise ArchiveError("too_large", f"{name!r} is {member.file_size} bytes unpacked, too many")
        _check_ratio(name, member.file_size, member.compress_size, limits)
    if (total := sum(member.file_size for member in members)) > limits.total_bytes:
        raise ArchiveError(
            "too_large", f"the archive unpacks to {total} bytes, at most {limits.total_bytes} are read"
        )


def _check_ratio(name: str, size: int, packed: int, limits: Limits) -> None:
    if size > _CHUNK and size > limits.ratio * max(packed, 1):
        raise ArchiveError(
            "too_large",
            f"{name!r} unpacks to {size / max(packed, 1):.0f} times its size, at most {limits.ratio} is read",
        )


def _unpack_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, cap: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with opened.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > cap:
                raise ArchiveError("too_large", f"{member.filename!r} unpacks to more than {cap} bytes")
            sink.write(chunk)
    return size


def check_npz(path: Path, limits: Limits = LIMITS) -> None:
    """Refuse an ``.npz`` whose arrays are not what their sizes say, or inflate too far.

    Raises:
        ArchiveError: with the code ``too_large``, ``duplicate`` or ``bad_features``.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.infolist()
            names = [member.filename for member in members]
            if len(set(names)) != len(names):
                raise ArchiveError("duplicate", f"{path.name} holds an array twice")
            if sum(member.file_size for member in members) > limits.table_bytes:
                raise ArchiveError(
                    "too_large", f"{path.name} unpacks to more than {limits.table_bytes} bytes"
                )
            for member in members:
                _check_ratio(f"{path.name}/{member.filename}", member.file_size, member.compress_size, limits)
                with opened.open(member) as stream:
                    _check_header(path, member, stream.read(1 << 16))
    except _DAMAGED as error:
        raise ArchiveError("bad_features", f"{path.name}: not a readable .npz ({error})") from error


def _check_header(path: Path, member: zipfile.ZipInfo, start: bytes) -> None:
    stream = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    except ValueError as error:
        raise ArchiveError(
            "bad_features", f"{path.name}/{member.filename}: not an array ({error})"
        ) from error
    size = dtype.itemsize
    for extent in shape:
        size *= int(extent)
    if dtype.hasobject or size + stream.tell() != member.file_size:
        raise ArchiveError(
            "bad_features", f"{path.name}/{member.filename}: not the plain array its header says"
        )


def write_archive(target: Path, files: dict[str, Path | bytes]) -> None:
    """Write ``name -> file or content`` as a zip whose bytes depend on nothing else; videos are stored as they are."""
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            packed = name.endswith((".npz", ".parquet", ".mp4", ".webm"))
            entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as sink:
                if isinstance(content, bytes):
                    sink.write(content)
                    continue
                with content.open("rb") as source:
                    while chunk := source.read(_CHUNK):
                        sink.write(chunk)
