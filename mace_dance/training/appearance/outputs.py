"""What a stage leaves: ``adapter.safetensors`` or ``lora.safetensors``, float32, with a record of how it was made.

The adapter has the names of the release's (``animate_adapter.pose_patch_embedding.*``), the LoRA those of diffusers
(``transformer.blocks.0.attn1.to_q.lora_A.weight``) and its rank and alpha in the metadata that diffusers reads, so that
``load_lora_weights`` of the stock pipeline takes it, too. The record is JSON under the metadata key ``madance``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mace_dance.appearance.adapter import BODY_ADAPTER
from mace_dance.appearance.lora import ADAPTER_NAME, LAYERS, expected_layers
from mace_dance.appearance.tensors import read_metadata, saving
from mace_dance.training.appearance.settings import LoraSettings, Stage
from madata.errors import WeightsError
from madata.files import atomic_path, parse_json

__all__ = ["OUTPUTS", "read_record", "write_adapter", "write_lora"]

OUTPUTS: dict[Stage, str] = {"kinematic": "adapter.safetensors", "aesthetic": "lora.safetensors"}
"""Name of the file that a stage leaves."""

_RECORD = "madance"
_PREFIX = "animate_adapter."
_TRANSFORMER = "transformer"


def write_adapter(path: Path, network: nn.Module, record: Mapping[str, Any]) -> None:
    """Write the Body Adapter of a transformer; :func:`mace_dance.appearance.adapter.load_adapter` reads it."""
    parameters = dict(network.named_parameters())
    _write(path, {_PREFIX + name: parameters[name] for name in BODY_ADAPTER}, record, {})


def write_lora(path: Path, network: nn.Module, settings: LoraSettings, record: Mapping[str, Any]) -> None:
    """Write the LoRA of a transformer; :func:`mace_dance.appearance.lora.load_lora` reads it.

    Raises:
        WeightsError: a layer has no LoRA.
    """
    tensors: dict[str, Tensor] = {}
    for layer in expected_layers(network):
        module: Any = network.get_submodule(layer)
        for factor in ("lora_A", "lora_B"):
            held = getattr(module, factor, {})
            if ADAPTER_NAME not in held:
                raise WeightsError(f"{path}: {layer} has no LoRA to be written")
            tensors[f"{_TRANSFORMER}.{layer}.{factor}.weight"] = held[ADAPTER_NAME].weight
    configured = {"r": settings.rank, "lora_alpha": settings.scale, "target_modules": LAYERS}
    table = json.dumps(
        {f"{_TRANSFORMER}.{name}": value for name, value in configured.items()}, sort_keys=True
    )
    _write(path, tensors, record, {"lora_adapter_metadata": table})


def read_record(path: Path) -> dict[str, Any]:
    """How a file of this module was made; empty for any other.

    Raises:
        WeightsError: the file is damaged.
    """
    written = read_metadata(path).get(_RECORD)
    if written is None:
        return {}
    record: dict[str, Any] = parse_json(written, f"{path}: its record", error=WeightsError)
    return record


def _write(
    path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any], metadata: Mapping[str, str]
) -> None:
    from safetensors.torch import save

    plain = {name: value.detach().float().cpu().contiguous() for name, value in tensors.items()}
    told = {"format": "pt", _RECORD: json.dumps(record, sort_keys=True), **metadata}
    with saving(path), atomic_path(path) as temporary:
        temporary.write_bytes(_ordered(save(plain, told)))


def _ordered(content: bytes) -> bytes:
    """A safetensors file with its header in order: the library's own order of metadata changes from run to run."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(
        parse_json(content[8:end], "its header"), sort_keys=True, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
