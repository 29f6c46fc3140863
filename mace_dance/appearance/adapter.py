"""The released Body Adapter: ``pose_patch_embedding``, one Conv3d that turns pose latents into tokens.

The release's file may hold the whole animate adapter of its training (face adapter, face encoder, motion encoder as
well), under names of the original repository and with one of four prefixes. The released inference takes only
``pose_patch_embedding.{weight,bias}`` out of it and keeps Wan's face modules; so does the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mace_dance.appearance.names import convert_tensors
from mace_dance.appearance.tensors import read_tensors
from madata.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["BODY_ADAPTER", "PREFIXES", "AdapterLoad", "load_adapter"]

BODY_ADAPTER = ("pose_patch_embedding.weight", "pose_patch_embedding.bias")
PREFIXES = (
    "module.pipe.animate_adapter.",
    "pipe.animate_adapter.",
    "module.animate_adapter.",
    "animate_adapter.",
)
_MODULES = ("pose_patch_embedding", "face_adapter", "face_encoder", "motion_encoder")


@dataclass(frozen=True)
class AdapterLoad:
    """What was taken from an adapter file.

    Attributes:
        loaded: tensors of the transformer that were replaced.
        ignored: tensors of the file that were left alone, by the names in the file.
    """

    loaded: tuple[str, ...]
    ignored: tuple[str, ...]


def load_adapter(transformer: nn.Module, path: Path, *, whole: bool = False) -> AdapterLoad:
    """Replace the Body Adapter of a Wan-Animate transformer by that of a file.

    Args:
        path: ``.safetensors`` (or a ``torch.save`` state dict).
        whole: take the face modules too; the file must then hold all of them.

    Raises:
        WeightsError: a tensor is missing, unknown or of another shape; the transformer is then unchanged.
    """
    import torch

    chosen, ignored = _chosen(read_tensors(path), path, whole=whole)
    parameters = dict(transformer.named_parameters())
    modules = _MODULES if whole else _MODULES[:1]
    wanted = {name for name in parameters if name.partition(".")[0] in modules}
    missing = sorted(wanted - chosen.keys())
    if missing:
        raise WeightsError(
            f"{path}: not a Body Adapter: {missing[0]} and {len(missing) - 1} more are missing"
        )
    for name, tensor in chosen.items():
        if name not in parameters:
            raise WeightsError(
                f"{path}: this transformer has no {name}; the adapter belongs to another model"
            )
        if tensor.shape != parameters[name].shape:
            raise WeightsError(
                f"{path}: {name} is {tuple(tensor.shape)}, this transformer's is "
                f"{tuple(parameters[name].shape)}; the adapter belongs to another model"
            )
    with torch.no_grad():
        for name, tensor in chosen.items():
            parameters[name].copy_(tensor)
    return AdapterLoad(tuple(sorted(chosen)), ignored)


def _chosen(
    tensors: Mapping[str, Tensor], path: Path, *, whole: bool
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors to load, by diffusers names, and the names in the file of those to leave."""
    taken: dict[str, Tensor] = {}
    ignored = []
    for key, tensor in tensors.items():
        name = _without_prefix(key)
        module = name.partition(".")[0]
        if module not in _MODULES:
            raise WeightsError(f"{path}: {key!r} is not a tensor of an animate adapter")
        if not whole and module != _MODULES[0]:
            ignored.append(key)
        elif name in taken:
            raise WeightsError(f"{path}: {name} is there twice, under two prefixes")
        else:
            taken[name] = tensor
    try:
        return convert_tensors(taken), tuple(sorted(ignored))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _without_prefix(key: str) -> str:
    return next((key.removeprefix(prefix) for prefix in PREFIXES if key.startswith(prefix)), key)
