"""Tensors out of published weights files, without running anything that is in them.

Three kinds are read: safetensors, PyTorch checkpoints of plain tensors (``torch.load(weights_only=True)``),
and PyTorch or TorchScript archives that also pickle objects of their own (OpenAI's CLIP, StyleGAN-V's I3D,
AMT-S with its training settings). The last kind is a zip of raw storages and one pickle that says which
tensor is which. That pickle is walked by an unpickler that knows tensors and containers, puts an inert
placeholder wherever a class or function of any other name is asked for, and never imports one; TorchScript
code is not even opened.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madata.errors import WeightsError
from madata.formats import suffix_of
from madata.pickle_cost import refuse_endless
from madata.tensors import open_safetensors, open_torch

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["load_exactly", "read_state_dict"]

_STORAGE_TYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


def read_state_dict(path: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """Read the tensors of a weights file.

    A file that nests its tensors under ``state_dict`` (AMT) is unwrapped, and so is a leading ``module.``.

    Args:
        prefix: keep names that start with it, and take it off (``"visual."`` for CLIP's picture half). Other
            tensors of an archive are not read from disk.

    Raises:
        WeightsError: the file is absent, damaged, not a weights file, or holds no tensor under ``prefix``.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    tensors = _read_any(path, prefix)
    chosen = {
        name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
    }
    if not chosen:
        raise WeightsError(
            f"{path}: holds no tensor whose name starts with {prefix!r}; is it the right file?"
        )
    return chosen


def load_exactly(module: nn.Module, state: Mapping[str, torch.Tensor], source: Path) -> None:
    """Fill ``module`` with ``state``, every name and shape of it, or say what does not fit.

    Raises:
        WeightsError: a tensor is missing, left over, or of another shape.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    optional = {name for name in expected if name.endswith("num_batches_tracked")}
    missing = sorted(set(expected) - set(state) - optional)
    extra = sorted(set(state) - set(expected))
    wrong = sorted(name for name in set(expected) & set(state) if expected[name] != tuple(state[name].shape))
    if missing or extra or wrong:
        parts = [
            f"{len(names)} {word} (first: {names[0]})"
            for word, names in (("missing", missing), ("unknown", extra), ("of another shape", wrong))
            if names
        ]
        raise WeightsError(
            f"{source}: not the weights of {type(module).__name__}: tensors {', '.join(parts)}"
        )
    module.load_state_dict(dict(state), strict=False)


def _read_any(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    if suffix_of(path) == ".safetensors":
        return _read_safetensors(path, prefix)
    import torch

    if _is_torchscript(path):
        return _read_archive(path, prefix)
    try:
        content = open_torch(path)
    except WeightsError as error:
        if isinstance(error.__cause__, pickle.UnpicklingError):  # it pickles classes of its own
            return _read_archive(path, prefix)
        raise
    found = {name: value for name, value in _flatten(content) if isinstance(value, torch.Tensor)}
    return _unwrapped(found)


def _read_safetensors(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    with open_safetensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name or name.endswith("/constants.pkl") for name in archive.namelist())
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
    ):  # a name that is not UTF-8; a newer zip
        return False


@dataclass(frozen=True)
class _StoredTensor:
    """A tensor that has not been read yet."""

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Placeholder:
    """Stands for an object of a class that is not loaded; keeps its attributes, does nothing."""

    attributes: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Whatever the class takes."""

    def __call__(self, *args: Any, **kwargs: Any) -> _Placeholder:
        return _Placeholder()

    def __setstate__(self, state: Any) -> None:
        self.attributes = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Some pickles fill lists of their own this way."""


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _stored_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *rest: tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        return type(name, (_Placeholder,), {})

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, str):
            raise pickle.UnpicklingError(f"storage of unknown type {dtype!r}")
        return str(key), dtype


def _stored_tensor(
    storage: tuple[str, str], offset: int, shape: Any, stride: Any, *rest: Any
) -> _StoredTensor:
    key, dtype = storage
    return _StoredTensor(key, dtype, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))


def _read_archive(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix(
                "data.pkl"
            )
            with archive.open(root + "data.pkl") as stream:
                refuse_endless(stream, archive.getinfo(root + "data.pkl").file_size)
            with archive.open(root + "data.pkl") as stream:
                content = _TensorUnpickler(stream).load()
            found = _unwrapped(
                {name: value for name, value in _flatten(content) if isinstance(value, _StoredTensor)}
            )
            return {
                name: _read_tensor(archive, root, stored)
                for name, stored in found.items()
                if name.startswith(prefix)
            }
    except Exception as error:  # a damaged or hostile pickle may raise anything
        raise WeightsError(
            f"{path}: not a readable weights file ({type(error).__name__}: {error}); a file older than "
            "PyTorch 1.6 that pickles classes of its own must be saved again as safetensors"
        ) from error


def _read_tensor(archive: zipfile.ZipFile, root: str, stored: _StoredTensor) -> torch.Tensor:
    import torch

    dtype = getattr(torch, stored.dtype)
    raw = bytearray(archive.read(f"{root}data/{stored.key}"))
    values = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
    last = stored.offset + sum(
        (size - 1) * step for size, step in zip(stored.shape, stored.stride, strict=True)
    )
    if math.prod(stored.shape) and not 0 <= stored.offset <= last < len(values):
        raise ValueError(f"tensor {stored.key} reaches beyond its storage")
    return torch.as_strided(values, stored.shape, stored.stride, stored.offset).clone()


def _flatten(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf under dictionaries and objects, its path joined by dots."""
    if isinstance(content, _Placeholder):
        content = content.attributes
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, content


def _unwrapped(found: dict[str, Any]) -> dict[str, Any]:
    rules: tuple[Callable[[str], str], ...] = (
        lambda name: name.removeprefix("state_dict."),
        lambda name: name.removeprefix("module."),
    )
    for rule in rules:
        shorter = {rule(name): value for name, value in found.items() if rule(name) != name}
        if shorter:
            found = shorter
    return found
