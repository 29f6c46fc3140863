"""Pickles, joblib's files, PyTorch's archives and ``.npy`` files of objects, parsed as data (:mod:`madata.pickles`)."""

from __future__ import annotations

import bz2
import io
import lzma
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import MediaError
from madata.files.arrays import npy_header, read_npy
from madata.files.places import write_bytes
from madata.files.special import refuse_special
from madata.limits import reading_limits
from madata.pickles import NotPlainError, load_plain

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["read_npy_or_pickle", "read_pickle", "read_torch", "write_pickle"]


def read_pickle(path: Path) -> Any:
    """Read a pickle of plain containers, numbers, strings and numpy arrays; nothing in it is ever run.

    Files of joblib are read too, however they are compressed (:mod:`madata.pickles` says what is taken).

    Raises:
        MediaError: the file is absent, damaged, names any other class or function, or would cost without bound.
    """
    try:
        _refuse_large(path)
        data = _inflated(path.read_bytes())
        return load_plain(io.BytesIO(data), len(data))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except NotPlainError as error:
        raise MediaError(
            f"{path}: refused, only plain containers and numpy arrays are read from a pickle: {error}",
            reason="unsafe_pickle",
        ) from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}", reason="unreadable") from None


def _refuse_large(path: Path) -> None:
    refuse_special(path)
    if path.stat().st_size > (most := reading_limits().unpacked_bytes):
        raise MediaError(f"{path}: larger than {most >> 20} MiB; cut it first", reason="too_large")


def _inflated(data: bytes) -> bytes:
    """The pickle in a file that joblib may have compressed (zlib, gzip, bz2, xz, lzma), within bounds.

    Raises:
        NotPlainError: it is damaged, or unpacks to more than :class:`madata.limits.ReadingLimits` allows.
    """
    opened = _decompressor(data)
    if opened is None:
        return data
    most = reading_limits().unpacked_bytes
    try:
        content: bytes = opened.decompress(data, most + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise NotPlainError(f"it is damaged ({error})") from None
    if len(content) > most:
        raise NotPlainError(f"it unpacks to more than {most >> 20} MiB")
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
    limits = reading_limits()
    try:
        refuse_special(path)
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            pickled = next((name for name in members if name.endswith("/data.pkl")), None)
            if pickled is None:
                raise NotPlainError("it is no archive of torch.save")
            size = sum(info.file_size for info in members.values())
            if size > limits.unpacked_bytes or len(members) > limits.members:
                raise NotPlainError(f"it unpacks to {len(members)} files of {size >> 20} MiB")
            root = pickled.removesuffix("data.pkl")
            with archive.open(pickled) as stream:
                return load_plain(
                    stream, members[pickled].file_size, lambda key: archive.read(f"{root}data/{key}")
                )
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


def read_npy_or_pickle(path: Path) -> Any:
    """The array of an ``.npy``, or the pickled value in one.

    Raises:
        MediaError: the file is absent, damaged, too large, or holds what is no plain data.
    """
    import numpy as np

    try:
        _refuse_large(path)
        with path.open("rb") as stream:
            shape, dtype = npy_header(stream)
            data = stream.read() if dtype.hasobject else b""
        if not dtype.hasobject:
            return read_npy(path)
        value = load_plain(io.BytesIO(data), len(data))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except NotPlainError as error:
        raise MediaError(
            f"{path}: refused, only plain data is read from a .npy: {error}", reason="unsafe_pickle"
        ) from None
    except MediaError:
        raise
    except Exception as error:  # of a header: ValueError, EOFError, SyntaxError, ...
        raise MediaError(
            f"{path}: not a readable .npy of plain numbers ({error})", reason="not_npy"
        ) from error
    return value if shape == () else np.asarray(value, object)


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
