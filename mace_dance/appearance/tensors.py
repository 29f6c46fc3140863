"""Files of tensors, read without running anything in them, and networks filled from them.

``.safetensors`` files are read one tensor at a time; ``.pth`` files through torch's restricted reader, mapped into
memory where their format allows. A file that is cut off, of another kind, or hostile is one line, before anything
was loaded.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from madata.errors import MadanceError, WeightsError
from madata.files import read_json, storage_errors
from madata.formats import suffix_of
from madata.tensors import first_line, open_safetensors, open_torch

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = [
    "check_safetensors",
    "check_shards",
    "fill",
    "read_metadata",
    "read_pth",
    "read_safetensors",
    "read_shapes",
    "read_tensors",
    "saving",
]


def read_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors (CPU) of a safetensors file; only the current tensor is in memory.

    Raises:
        WeightsError: the file is absent, cut off or of another kind.
    """
    with open_safetensors(path) as content:
        for name in content.keys():  # noqa: SIM118 (not a mapping)
            yield name, content.get_tensor(name)


def read_pth(path: Path) -> dict[str, Tensor]:
    """The state dict of a ``torch.save`` file.

    Raises:
        WeightsError: the file is absent, damaged, or holds anything but named tensors.
    """
    import torch

    content = open_torch(path, mapped=True)
    if not isinstance(content, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise WeightsError(f"{path}: holds something else than tensors by name")
    return {str(name): tensor for name, tensor in content.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a small file, chosen by its suffix: ``.safetensors``, else a ``torch.save`` file.

    Raises:
        WeightsError: it cannot be read as tensors.
    """
    return dict(read_safetensors(path)) if suffix_of(path) == ".safetensors" else read_pth(path)


def read_metadata(path: Path) -> dict[str, str]:
    """The text written beside the tensors of a safetensors file; empty for other files."""
    if suffix_of(path) != ".safetensors":
        return {}
    with open_safetensors(path) as content:
        return dict(content.metadata() or {})


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file, off its header.

    Raises:
        WeightsError: the file is absent, cut off or of another kind.
    """
    with open_safetensors(path) as content:
        return {name: tuple(content.get_slice(name).get_shape()) for name in content.keys()}  # noqa: SIM118


def check_safetensors(path: Path) -> None:
    """Read the header and compare it with the length of the file.

    Raises:
        WeightsError: the file is cut off or of another kind.
    """
    with open_safetensors(path):
        pass


def check_shards(folder: Path) -> None:
    """Check every safetensors file below ``folder``, and that all the parts an index names are there.

    Raises:
        WeightsError: a part is missing or damaged; the message names it.
    """
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        parts = read_json(index).get("weight_map", {}).values()
        for part in sorted(set(parts)):
            if not (index.parent / part).is_file():
                raise WeightsError(f"{index.parent / part}: missing; {index.name} names it")
    for path in sorted(folder.rglob("*.safetensors")):
        check_safetensors(path)


def fill(
    network: nn.Module,
    tensors: Iterable[tuple[str, Tensor]],
    *,
    source: Path,
    dtype: torch.dtype,
    float32: Collection[str] = (),
) -> None:
    """Give every parameter of ``network`` (which may lie on the meta device) its tensor, and use every tensor.

    Args:
        float32: modules by name (any part of a dotted name) that stay in float32 whatever ``dtype`` is.

    Raises:
        WeightsError: a tensor is missing, left over or of another shape; the message names the first.
    """
    import torch

    missing = {name: parameter.shape for name, parameter in network.named_parameters(remove_duplicate=False)}
    for name, tensor in tensors:
        shape = missing.pop(name, None)
        if shape is None:
            raise WeightsError(
                f"{source}: {name} is not a tensor of {type(network).__name__}, or comes twice"
            )
        if shape != tensor.shape:
            raise WeightsError(
                f"{source}: {name} is {tuple(tensor.shape)}, {type(network).__name__} wants {tuple(shape)}"
            )
        kept = any(part in float32 for part in name.split("."))
        owner, _, leaf = name.rpartition(".")
        converted = tensor.to(torch.float32 if kept else dtype).contiguous()
        network.get_submodule(owner).register_parameter(
            leaf, torch.nn.Parameter(converted, requires_grad=False)
        )
    if missing:
        raise WeightsError(
            f"{source}: {len(missing)} tensors of {type(network).__name__} are missing, first {min(missing)}"
        )


@contextlib.contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turn what a full disk or a forbidden folder raises, in Python or inside safetensors, into one line.

    Raises:
        MadanceError: nothing could be written below ``path``.
    """
    from safetensors import SafetensorError

    try:
        with storage_errors(path):
            try:
                yield
            except SafetensorError as error:
                if told := re.search(r"os error (\d+)", str(error)):
                    raise OSError(int(told[1]), os.strerror(int(told[1]))) from error
                raise
    except (OSError, SafetensorError) as error:
        raise MadanceError(f"{path}: could not be written: {first_line(error)}") from error
