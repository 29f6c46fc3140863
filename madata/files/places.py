"""Where files are written: never half, never by two at once, and nothing of a dead writer stays.

Every result is written to a hidden temporary file beside its target, flushed to disk and renamed: a file under its
final name is complete. A writer holds a lock on what is temporary, which the system releases when the process ends,
however it ends: what nobody holds is swept by the next run that writes there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

from madata.errors import MadanceError

__all__ = [
    "LOCK",
    "atomic_path",
    "copy_file",
    "filled_by_one",
    "hold_file",
    "hold_folder",
    "holder",
    "link_or_copy",
    "remove_leftovers",
    "scratch_folder",
    "storage_errors",
    "sweep_temporary_folder",
    "write_bytes",
    "write_json",
    "write_text",
]

LOCK = ".lock"
"""The file that :func:`hold_folder` locks; it is there while the folder is held."""
_COMPLETE = ".complete"
_TEMPORARY = ".tmp-madance-"
_EARLIER_TEMPORARY = ".tmp-"  # of versions before 0.2, which held no locks


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` when the block ends well.

    The temporary name keeps the suffix (encoders choose a format by it).

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent)
        handle, temporary = _temporary_file(path)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)


def _temporary_file(path: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, suffix=path.suffix, dir=path.parent)
        if _locked(handle, Path(name)):
            return handle, Path(name)


def _locked(handle: int, path: Path) -> bool:
    """Take the lock of what was just made; ``False`` where a sweep came between and took it for a leftover."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(handle)):
            return True
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:  # a file system without locks: no sweep can take it either
        return True
    os.close(handle)
    return False


@contextlib.contextmanager
def scratch_folder(inside: Path | None = None) -> Iterator[Path]:
    """An empty folder that is removed afterwards; one that a killed process left is removed by the next.

    Args:
        inside: where it lies; by default the folder for temporary files (``TMPDIR``).

    Raises:
        MadanceError: it cannot be made.
    """
    place = _temporary_place() if inside is None else inside
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        _sweep_once(place)
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=place))
            handle = os.open(folder, os.O_RDONLY)
            if _locked(handle, folder):
                break
    owner = os.getpid()
    try:
        yield folder
    finally:
        # a process that is forked meanwhile has this block as well, and may leave it while the owner works on
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _temporary_place() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise MadanceError(
            "no folder for temporary files can be written: free some space, or set TMPDIR to one"
        ) from None


_swept: set[Path] = set()


def _sweep_once(folder: Path) -> None:
    """Remove what dead writers left directly in ``folder``, the first time this process writes there."""
    if folder not in _swept:
        _swept.add(folder)
        with contextlib.suppress(OSError):
            for path in [Path(entry) for entry in os.scandir(folder) if entry.name.startswith(_TEMPORARY)]:
                _remove_if_dead(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half written below a folder of ours; what somebody is writing stays."""
    for path in list(folder.rglob(f"{_EARLIER_TEMPORARY}*")):
        _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone in the meantime, not ours, or held by its writer
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
        # a network file system locks only what is open for writing; a folder cannot be
        handle = os.open(path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_folder:
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(handle)


@contextlib.contextmanager
def hold_file(lock: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; gives ``False`` when another process has it.

    The system releases it when the process ends, however it ends. The file goes with the lock.
    """
    stream = None
    with storage_errors(lock):
        while stream is None:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stream = _taken(lock)
    if stream is False:
        yield False
        return
    with stream:
        # who holds it, for whoever does not get it; what a process that ended left there is replaced
        stream.truncate(0)
        with contextlib.suppress(OSError):  # a full disk, which the run will tell of when it matters
            stream.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)


def _taken(lock: Path) -> IO[bytes] | Literal[False] | None:
    """The lock file, locked; ``False`` where another process has it, ``None`` where it went away in between."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(lock.open("ab", buffering=0))
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(lock.stat(), os.fstat(stream.fileno())):
                return None
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return None
        stack.pop_all()
        return stream


@contextlib.contextmanager
def filled_by_one(folder: Path) -> Iterator[bool]:
    """Give ``True`` to the one process that fills a folder for all, ``False`` to those that come when it is complete.

    Those that come in between wait. Where a process ends before the block does, the next fills the folder.

    Raises:
        OSError: nothing can be written there.
    """
    complete = folder / _COMPLETE
    if complete.exists():
        yield False
        return
    with (folder / LOCK).open("ab") as lock:
        with contextlib.suppress(OSError):  # a file system without locks: as if nobody else were there
            fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            yield False
            return
        yield True
        with contextlib.suppress(OSError):  # a full disk: the next process fills the folder again
            complete.touch()


def sweep_temporary_folder() -> None:
    """Remove the scratch folders of processes that were killed from the folder for temporary files."""
    with contextlib.suppress(MadanceError):
        _sweep_once(_temporary_place())


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Be the only process that writes a folder while the block runs; what dead ones left below it is removed.

    Raises:
        MadanceError: another process works there, or the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise MadanceError(f"cannot write into {folder}: it is a file; choose another folder")
    with hold_file(folder / LOCK) as held:
        if not held:
            raise MadanceError(
                f"{folder}: another process works there ({holder(folder / LOCK)}); wait for it, or choose another "
                "folder"
            )
        remove_leftovers(folder)
        yield


def holder(lock: Path) -> str:
    """The process that has a lock of :func:`hold_file`, in words."""
    try:
        said = lock.read_text("utf-8", "replace")[:200]
    except OSError:
        said = ""
    return said if said.isprintable() and said else "it does not say which"


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def link_or_copy(source: Path, target: Path) -> None:
    """The same file in another place: a hard link where the file system has them, for files never written in place.

    A file that is there already stays.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    if target.exists():
        return
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            copy_file(source, target)


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {
    errno.EACCES,
    errno.EROFS,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Tell a fault of the disk or of a folder in words.

    Raises:
        MadanceError: the disk is full, or ``path`` cannot be written.
    """
    try:
        yield
    except OSError as error:
        cut_short = error.errno is None and str(error).endswith(" written")  # numpy's words
        if error.errno in _FULL or cut_short:
            raise MadanceError(
                f"the disk is full while writing {path}: free some space and run the same command again"
            ) from error
        if error.errno in _REFUSED:
            raise MadanceError(f"cannot write {path}: {error.strerror}") from error
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys and no NaN (``null`` is the way to say "missing")."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")
