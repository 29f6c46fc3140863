"""Tensors of the checkpoints that PyTorch Lightning writes, read without running anything in them.

Such a file is a dictionary with ``state_dict`` beside what training needs, among it the settings as objects of
OmegaConf or of Lightning. Those are read as inert boxes; any other class is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mace_dance.motion.checkpoint import read_parts, state_of
from madata.errors import WeightsError

__all__ = ["parts_of_state", "read_lightning"]


class _Box:
    """Stands for an object of settings, or for the name of a type; nothing is read from it."""

    def __new__(cls, *given: Any) -> _Box:
        return super().__new__(cls)


def _plain(*given: Any) -> OrderedDict[Any, Any]:
    """Stands for ``defaultdict``."""
    return OrderedDict()


_NODES = ("Any", "Boolean", "Bytes", "Float", "Integer", "Path", "String")
_OMEGACONF = (
    *(
        "base.ContainerMetadata",
        "base.Metadata",
        "base.UnionNode",
        "dictconfig.DictConfig",
        "listconfig.ListConfig",
    ),
    *(f"nodes.{kind}Node" for kind in _NODES),
)
_TYPES = ("bool", "dict", "float", "int", "list", "long", "str", "tuple", "unicode")
_BOXES: list[Any] = [
    *((_Box, f"omegaconf.{name}") for name in _OMEGACONF),
    *((_Box, f"{module}.{name}") for module in ("builtins", "__builtin__") for name in _TYPES),
    (_Box, "typing.Any"),
    (_plain, "collections.defaultdict"),
    (OrderedDict, "lightning_fabric.utilities.data.AttributeDict"),
    (OrderedDict, "pytorch_lightning.utilities.parsing.AttributeDict"),
]


def read_lightning(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, by name.

    Raises:
        WeightsError: the file is absent, damaged, holds other classes, or is no checkpoint of Lightning.
    """
    return state_of(path, read_parts(path, ("state_dict",), _BOXES), "state_dict")


def parts_of_state(
    state: Mapping[str, Tensor], prefix: str, beside: Sequence[str], source: Path, copies: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Tensors below a prefix, without it.

    Args:
        state: all of a checkpoint.
        prefix: with its dot.
        beside: prefixes of what else the checkpoint may hold.
        source: named in the error.
        copies: prefixes below which the same network may stand again, and then whole.

    Raises:
        WeightsError: there is none, a tensor lies below no prefix, or a copy has other tensors.
    """
    strangers = sorted(name for name in state if not name.startswith((prefix, *beside, *copies)))
    found = _below(state, prefix)
    said = f"unknown tensors (first: {strangers[0]})" if strangers else ""
    for copy in copies:
        apart = sorted(_below(state, copy).keys() ^ found.keys())
        if not said and apart and _below(state, copy):
            said = f"{prefix} and {copy} have other tensors (first: {apart[0]})"
    if not found:
        said = said or f"no tensors below {prefix}"
    if said:
        raise WeightsError(f"{source}: not a checkpoint of this method: {said}")
    return found


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
