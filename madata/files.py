"""Files that are never half written, never trusted, and found again after a crash.

Every result is written to a hidden temporary file beside its target, flushed to disk and renamed: a file
under its final name is complete. Pickles are parsed, never run (:mod:`madata.pickles`).
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import fcntl
import hashlib
import io
import json
import lzma
import os
import pickle
import shutil
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MadanceError, MediaError
from madata.pickles import NotPlainError, load_plain

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "atomic_path",
    "hold_file",
    "hold_folder",
    "link_or_copy",
    "npz_bytes",
    "npz_names",
    "read_json",
    "read_npz",
    "read_pickle",
    "read_torch",
    "remove_leftovers",
    "sha256_bytes",
    "sha256_file",
    "write_bytes",
    "write_json",
    "write_npz",
    "write_pickle",
    "write_text",
]

_CHUNK = 1 << 20
_TEMPORARY = ".tmp-"
MAX_UNPACKED_BYTES = 1 << 30
"""What one file of arrays may unpack to."""
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` when the block ends well.

    The temporary name keeps the suffix (encoders choose a format by it) and starts with ``.tmp-``.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    with _storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def hold_file(lock: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; gives ``False`` when another process has it.

    The system releases it when the process ends, however it ends.
    """
    with _storage_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        stream = lock.open("a")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # who holds it, for whoever does not get it; what a process that ended left there is replaced
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}")
            stream.flush()
            try:
                yield True
            finally:
                stream.truncate(0)


@contextlib.contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that would write the same folder out of it while the block runs.

    Raises:
        MadanceError: another process works there, or the folder cannot be written.
    """
    with hold_file(folder / ".lock") as held:
        if not held:
            raise MadanceError(
                f"{folder}: another process works there ({_holder(folder / '.lock')}); wait for it, or choose another "
                "folder"
            )
        yield


def link_or_copy(source: Path, target: Path) -> None:
    """The same file in another place: a hard link where the file system has them, for files never written in place.

    A file that is there already stays.

    Raises:
        MadanceError: the disk is full or the folder cannot be written.
    """
    if target.exists():
        return
    with _storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            with atomic_path(target) as temporary:
                shutil.copyfile(source, temporary)


def _holder(lock: Path) -> str:
    """Who wrote a lock, in words."""
    try:
        said = lock.read_text("utf-8", "replace")[:200]
    except OSError:
        said = ""
    return said if said.isprintable() and said else "it does not say which"


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left below ``folder``."""
    for path in folder.rglob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)


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
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
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


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        MadanceError: the file is absent or is not JSON.
    """
    try:
        # a mark of the byte order is what some editors leave in front
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MadanceError(f"{path}: no such file") from None
    except RecursionError:
        raise MadanceError(f"{path}: JSON that is nested too deep") from None
    except (OSError, ValueError) as error:  # undecodable, no JSON, or an integer of thousands of digits
        raise MadanceError(f"{path}: not valid JSON ({str(error)[:200]})") from error


def write_npz(path: Path, **arrays: npt.ArrayLike) -> None:
    """Write arrays as a compressed ``.npz`` atomically; the same arrays give the same bytes.

    Raises:
        ValueError: an array holds Python objects.
    """
    write_bytes(path, npz_bytes(**arrays))


def npz_bytes(**arrays: npt.ArrayLike) -> bytes:
    """What :func:`write_npz` writes."""
    import numpy as np

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            entry = zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
    return content.getvalue()


def read_npz(path: Path, only: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an ``.npz`` without unpickling anything.

    Args:
        only: names wanted, where they are there; others are not opened, whatever they hold.

    Raises:
        MediaError: the file is absent, damaged, unpacks to more than ``MAX_UNPACKED_BYTES``, or an array that is
            wanted holds Python objects.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.zip.infolist()}
            if sum(size for name, size in sizes.items() if only is None or name in only) > MAX_UNPACKED_BYTES:
                raise ValueError(f"its arrays unpack to more than {MAX_UNPACKED_BYTES >> 20} MiB")
            arrays = {name: archive[name] for name in archive.files if only is None or name in only}
        for name, array in arrays.items():
            _refuse_no_text(name, array)
        return arrays
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise MediaError(
            f"{path}: not a readable .npz of plain arrays ({error})", reason="not_npz"
        ) from error


def _refuse_no_text(name: str, array: npt.NDArray[Any]) -> None:
    """Numpy takes any 32 bits for a letter; Python dies of the first one that is none when it is shown.

    Raises:
        ValueError: such a number stands in ``array``, or half of a letter that UTF-16 writes as two.
    """
    import numpy as np

    if array.dtype.kind == "U":
        letters = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if ((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))).any():
            raise ValueError(f"{name} holds text of letters that do not exist")


def npz_names(path: Path) -> list[str]:
    """Names of the arrays of an ``.npz``, none of which is opened.

    Raises:
        MediaError: the file is absent or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path}: not a readable .npz ({error})", reason="not_npz") from error


def read_pickle(path: Path) -> Any:
    """Read a pickle of plain containers, numbers, strings and numpy arrays; nothing in it is ever run.

    Files of joblib are read too, however they are compressed (:mod:`madata.pickles` says what is taken).

    Raises:
        MediaError: the file is absent, damaged, names any other class or function, or would cost without bound.
    """
    try:
        data = _inflated(path.read_bytes())
        return load_plain(io.BytesIO(data), len(data))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except NotPlainError as error:
        raise MediaError(
            f"{path}: refused, only plain containers and numpy arrays are read from a pickle: {error}",
            reason="unsafe_pickle",
        ) from error


def _inflated(data: bytes) -> bytes:
    """The pickle in a file that joblib may have compressed (zlib, gzip, bz2, xz, lzma), within bounds.

    Raises:
        NotPlainError: it is damaged, or unpacks to more than ``MAX_UNPACKED_BYTES``.
    """
    opened = _decompressor(data)
    if opened is None:
        return data
    try:
        content: bytes = opened.decompress(data, MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise NotPlainError(f"it is damaged ({error})") from None
    if len(content) > MAX_UNPACKED_BYTES:
        raise NotPlainError(f"it unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")
    return content


def _decompressor(data: bytes) -> Any:
    """What unpacks ``data``, by its first bytes; ``None`` for what is not compressed. No pickle begins so."""
    # RFC 1950: a zlib stream begins with 0x78 and a byte that makes both a multiple of 31.
    if data[:2] == b"\x1f\x8b" or (data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % 31 == 0):
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: zlib and gzip by their headers
    if data[:3] == b"BZh":
        return bz2.BZ2Decompressor()
    if data[:6] == b"\xfd7zXZ\0" or data[:3] == b"\x5d\0\0":
        return lzma.LZMADecompressor(memlimit=1 << 28)
    return None


def read_torch(path: Path) -> Any:
    """Read a file of ``torch.save`` that holds plain containers and tensors; they come as numpy arrays.

    Raises:
        MediaError: the file is absent, damaged, older than PyTorch 1.6, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            pickled = next((name for name in members if name.endswith("/data.pkl")), None)
            if pickled is None or sum(info.file_size for info in members.values()) > MAX_UNPACKED_BYTES:
                raise NotPlainError("it is no archive of torch.save, or one beyond bounds")
            root = pickled.removesuffix("data.pkl")
            with archive.open(pickled) as stream:
                size = members[pickled].file_size
                return load_plain(stream, size, lambda key: archive.read(f"{root}data/{key}"))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except (
        *(NotPlainError, zipfile.BadZipFile, KeyError, OSError, EOFError, zlib.error),
        *(RuntimeError, ValueError),  # encrypted; a name that is not UTF-8
    ) as error:
        raise MediaError(
            f"{path}: refused, only plain containers and tensors of a PyTorch archive (1.6 or newer) are read: {error}",
            reason="unsafe_pickle",
        ) from error


class _PlainPickler(pickle.Pickler):
    """Arrays name only ``numpy.ndarray`` and ``numpy.dtype``, which every numpy has under that name."""

    def reducer_override(self, value: Any) -> Any:
        import numpy as np

        if type(value) is not np.ndarray:
            return NotImplemented
        if value.dtype.hasobject:
            raise ValueError("the array holds Python objects")
        state = (1, value.shape, value.dtype, False, np.ascontiguousarray(value).tobytes())
        return np.ndarray, ((0,),), state


def write_pickle(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a dict of arrays as a pickle atomically: for tools that read nothing else, whatever their numpy.

    Raises:
        ValueError: an array holds Python objects.
    """
    stream = io.BytesIO()
    _PlainPickler(stream, protocol=4).dump(dict(arrays))
    write_bytes(path, stream.getvalue())


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
