"""How large a pipeline is, read off the headers of its files: what a memory plan needs before weights are loaded."""

from __future__ import annotations

import math
import re
from pathlib import Path

from mace_dance.appearance.memory import FULL_SIZE, ModelSizes
from mace_dance.appearance.tensors import read_shapes
from madata.files import read_json

__all__ = ["parameters_in", "sizes_of_folder"]

_BLOCK = re.compile(r"blocks\.(\d+)\.")


def sizes_of_folder(folder: Path, bytes_each: int) -> ModelSizes:
    """Parameters of a pipeline in the diffusers layout; of any other source, those of the published network.

    Args:
        folder: a folder, or what is none (a hub id).
        bytes_each: bytes of a weight once it is loaded.

    Raises:
        WeightsError: a file is damaged.
    """
    from dataclasses import replace

    if not (folder / "model_index.json").is_file():
        return replace(FULL_SIZE, bytes_each=bytes_each)
    parts = {
        name: parameters_in(folder / name) for name in ("transformer", "vae", "text_encoder", "image_encoder")
    }
    config = read_json(folder / "transformer" / "config.json")
    blocks = [match.group(1) for name in parts["transformer"] if (match := _BLOCK.match(name))]
    first = sum(size for name, size in parts["transformer"].items() if name.startswith("blocks.0."))
    return ModelSizes(
        **{name: sum(sizes.values()) for name, sizes in parts.items()},
        block=first,
        blocks=len(set(blocks)),
        hidden=int(config["num_attention_heads"]) * int(config["attention_head_dim"]),
        bytes_each=bytes_each,
    )


def parameters_in(folder: Path) -> dict[str, int]:
    """Tensor -> number of values, over the safetensors files of one part.

    Raises:
        WeightsError: a file is damaged.
    """
    return {
        name: math.prod(shape)
        for path in sorted(folder.glob("*.safetensors"))
        for name, shape in read_shapes(path).items()
    }
