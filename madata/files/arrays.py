"""Files of arrays, read without unpickling anything and without believing a size before it is checked."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from madata.errors import MediaError
from madata.files.places import write_bytes
from madata.files.special import refuse_special
from madata.limits import reading_limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["npy_header", "npz_bytes", "npz_names", "read_npy", "read_npz", "write_npz"]

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


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
        MediaError: the file is absent, damaged, beyond :class:`madata.limits.ReadingLimits`, names an array twice, or
            an array that is wanted holds Python objects or is not of the size its header says.
    """
    import numpy as np

    try:
        refuse_special(path)
        with np.load(path, allow_pickle=False) as archive:
            wanted = _members(archive.zip, only)
            _refuse_large(sum(member.file_size for member in wanted.values()))
            for member in wanted.values():
                with archive.zip.open(member) as stream:
                    _refuse_other_size(stream, member.file_size)
            arrays = {name: archive[name] for name in wanted}
        for name, array in arrays.items():
            _refuse_no_text(name, array)
        return arrays
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except Exception as error:  # numpy, zipfile and zlib each raise their own
        raise MediaError(
            f"{path}: not a readable .npz of plain arrays ({_reason(error)})", reason="not_npz"
        ) from error


def _reason(error: Exception) -> str:
    """What numpy says, without its advice to read a file in a way that runs what is in it."""
    return "neither zip nor .npy" if "allow_pickle=` keyword" in str(error) else str(error)


def _members(archive: zipfile.ZipFile, only: Collection[str] | None) -> dict[str, zipfile.ZipInfo]:
    every = archive.infolist()
    if len(every) > reading_limits().members:
        raise ValueError(f"it holds {len(every)} arrays, at most {reading_limits().members} are read")
    found = {member.filename.removesuffix(".npy"): member for member in every}
    if len(found) < len(every):
        raise ValueError("it holds an array twice")
    return {name: member for name, member in found.items() if only is None or name in only}


def _refuse_large(size: int) -> None:
    if size > (most := reading_limits().unpacked_bytes):
        raise ValueError(f"its arrays unpack to more than {most >> 20} MiB")


def npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type that an ``.npy`` announces; the stream then stands at its numbers.

    Raises:
        ValueError: it is no ``.npy``.
    """
    import numpy as np

    version = np.lib.format.read_magic(stream)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(stream)
    return tuple(map(int, shape)), dtype


def _refuse_other_size(stream: IO[bytes], size: int) -> None:
    """Hold the size that a header announces against the bytes that are there.

    Raises:
        ValueError: they differ, or the array holds Python objects.
    """
    shape, dtype = npy_header(stream)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be read, plain numbers and text can")
    if math.prod(shape) * dtype.itemsize != size - stream.tell() or dtype.itemsize == 0:
        raise ValueError(f"an array is not the {dtype} {shape} its header says")
    if not math.prod(shape):  # no billion rows of nothing
        _refuse_large(math.prod(extent or 1 for extent in shape))


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
        refuse_special(path)
        with zipfile.ZipFile(path) as archive:
            return list(_members(archive, None))
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path}: not a readable .npz ({error})", reason="not_npz") from error


def read_npy(path: Path, *, mapped: bool = False) -> npt.NDArray[Any]:
    """Read an ``.npy`` of plain numbers.

    Args:
        mapped: leave it on the disk and read what is asked for; no bound on its size then.

    Raises:
        MediaError: the file is absent, damaged, larger than :class:`madata.limits.ReadingLimits` has it, or holds
            Python objects.
    """
    import numpy as np

    try:
        refuse_special(path)
        size = path.stat().st_size
        if not mapped:
            _refuse_large(size)
        with path.open("rb") as stream:
            _refuse_other_size(stream, size)
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file", reason="missing") from None
    except Exception as error:  # numpy raises ValueError, EOFError, SyntaxError, ...
        raise MediaError(
            f"{path}: not a readable .npy of plain numbers ({error})", reason="not_npy"
        ) from error
    return found
