"""The user's cache, and the one place that knows the hash of a file without reading it again.

Everything computed from a file is kept under the SHA-256 of its content, so the hash is asked for again and again: by
every step of a run, and by the next run. :func:`remembered_sha256` reads a file once and remembers the answer below
``sha256/`` in the cache, one small record per path, while size, both times of change and inode of the file stay the
same: the time of content can be set to any, by ``cp -p`` or under a clock set back, that of the inode is the system's.
Records are renamed into place, so that any number of processes may share them; a damaged one is made again, and the
whole folder may be removed at any time. What verifies bytes (``madance weights check``, a submission) reads them with
:func:`madata.files.sha256_file`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from madata.files import sha256_bytes, sha256_file

__all__ = ["cache_dir", "keep_torch_in_cache", "remembered_sha256", "sha256_of_folder", "user_cache"]

_YOUNG_NS = 2_000_000_000
"""FAT keeps times to 2 s, the coarsest clock of a file system in use: a file changed twice within that time may
look unchanged, so a hash taken so soon after a change is not remembered."""

_RECORD = re.compile(r"(.+) ([0-9a-f]{64})\n")
_SHA256 = re.compile("[0-9a-f]{64}")


def cache_dir() -> Path:
    """``$MADANCE_CACHE``, else ``madance`` in the user's cache folder."""
    chosen = os.environ.get("MADANCE_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache() / "madance"


def user_cache() -> Path:
    """Where the programs of this user keep what can be made again: ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def keep_torch_in_cache() -> None:
    """Let torch keep what it compiles in the user's cache; left alone, it keeps a folder among the temporary files.

    Nothing is changed where the user has chosen a place, or where nothing can be written.
    """
    folder = user_cache() / "madance" / "torch"
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if os.access(there, os.W_OK):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def remembered_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, or of the names and hashes of a folder's files.

    A file of the hub's cache is a link to a blob that the hub names by its SHA-256; that name is taken.

    Raises:
        OSError: the file is absent or cannot be read.
    """
    if path.is_dir():
        return sha256_of_folder(path, remembered_sha256)
    target = path.resolve()
    if path.is_symlink() and target.parent.name == "blobs" and _SHA256.fullmatch(target.name):
        return target.name
    key = sha256_bytes(os.fsencode(target))
    record = cache_dir() / "sha256" / key[:2] / key[2:]
    state = _state(target)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known = _RECORD.fullmatch(record.read_text("ascii"))
        if known and known[1] == state:
            return known[2]
    digest = sha256_file(target)
    # Asked again after reading: a file that is being written is not remembered either.
    if state == _state(target) and time.time_ns() - target.stat().st_mtime_ns > _YOUNG_NS:
        _write(record, f"{state} {digest}\n")
    return digest


def sha256_of_folder(folder: Path, of_file: Callable[[Path], str] = sha256_file) -> str:
    """Hex SHA-256 of the names and hashes of a folder's files, hidden ones aside."""
    parts = sorted(part for part in folder.rglob("*") if part.is_file() and not part.name.startswith("."))
    lines = [f"{of_file(part)}  {part.relative_to(folder).as_posix()}" for part in parts]
    return sha256_bytes("\n".join(lines).encode())


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _write(record: Path, text: str) -> None:
    """Renamed into place, not flushed to the disk: a record lost in a crash costs one reading."""
    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to stop
        record.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=record.parent)
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(name).replace(record)
