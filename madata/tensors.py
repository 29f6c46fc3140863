"""Opening files of tensors: the only place that calls torch's and safetensors' readers, which run nothing here."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import WeightsError
from madata.limits import reading_limits
from madata.pickle_cost import refuse_endless

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["all_tensors", "first_line", "open_safetensors", "open_torch"]

_SLACK_BYTES = 1 << 20


def open_torch(path: Path, *, device: str = "cpu", mapped: bool = False, boxes: Sequence[type] = ()) -> Any:
    """The content of a ``torch.save`` file: tensors and plain containers.

    Args:
        device: where the tensors go.
        mapped: leave them on the disk until they are asked for, where the format allows.
        boxes: classes of the caller whose objects may be in it.

    Raises:
        WeightsError: the file is absent, damaged, holds objects of other classes, or would unpack to much more than
            its size.
    """
    import torch

    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        is_archive = _is_honest_archive(path)
        _refuse_endless(path, is_archive)
        with torch.serialization.safe_globals(list(boxes)):
            return torch.load(path, map_location=device, weights_only=True, mmap=mapped and is_archive)
    except Exception as error:  # a damaged or hostile pickle may raise anything
        raise WeightsError(f"{path}: refused or not readable as tensors ({_reason(error)})") from error


_FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")
_TORCH_SAYS = "WeightsUnpickler error: "


def _reason(error: Exception) -> str:
    """What was refused, without torch's advice to read the file in a way that runs what is in it."""
    said = str(error)
    if wanted := _FORBIDDEN.search(said):
        return f"it wants to make or call {wanted[1]}"
    return first_line(ValueError(said.rpartition(_TORCH_SAYS)[2]))


def _is_honest_archive(path: Path) -> bool:
    """Whether it is a zip, whose members ``torch.save`` never compresses.

    Raises:
        ValueError: they would unpack to more than the file holds.
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if sum(member.file_size for member in members) > path.stat().st_size + _SLACK_BYTES:
        raise ValueError("it is compressed, which torch.save never does")
    if len(members) > reading_limits().members:
        raise ValueError(f"it holds {len(members)} tensors")
    return True


_PICKLES_BEFORE_1_6 = 5
"""Magic number, version, system, content and keys of the storages, one after the other."""


def _refuse_endless(path: Path, is_archive: bool) -> None:
    """See :func:`madata.pickle_cost.refuse_endless`: torch bounds what a pickle may call, not how long it takes.

    Raises:
        NotPlainError: see there.
        OSError: the file cannot be read.
    """
    if not is_archive:
        with path.open("rb") as stream:
            refuse_endless(stream, path.stat().st_size, _PICKLES_BEFORE_1_6)
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/data.pkl"):
                with archive.open(member) as stream:
                    refuse_endless(stream, member.file_size)


def open_safetensors(path: Path) -> Any:
    """A safetensors file, open: ``keys``, ``get_tensor``, ``metadata``; to be used in a ``with``.

    Raises:
        WeightsError: the file is absent, cut off or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError) as error:
        size = path.stat().st_size
        raise WeightsError(
            f"{path}: damaged or not a safetensors file ({size} bytes; {first_line(error)}); fetch it again"
        ) from error


def all_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor (CPU) of a safetensors file by name.

    Raises:
        WeightsError: see :func:`open_safetensors`.
    """
    with open_safetensors(path) as content:
        return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (not a mapping)


def first_line(error: Exception) -> str:
    """What an error of a library says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
