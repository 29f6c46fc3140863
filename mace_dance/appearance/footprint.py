"""How large a pipeline is, read off the headers of its files: what a memory plan needs before weights are loaded."""

from __future__ import annotations

import re
from pathlib import Path

from mace_dance.appearance.memory import FULL_SIZE, ModelSizes
from madata.errors import WeightsError
from madata.files import parse_json, read_json

__all__ = ["sizes_of_folder"]

_BLOCK = re.compile(r"blocks\.(\d+)\.")
_LARGEST_HEADER = 64 << 20


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
    parts = {name: _shapes(folder / name) for name in ("transformer", "vae", "text_encoder", "image_encoder")}
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


def _shapes(folder: Path) -> dict[str, int]:
    """Tensor -> number of values, over the files of one part."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in _header(path).items():
            if name != "__metadata__":
                count = 1
                for side in tensor["shape"]:
                    count *= int(side)
                found[name] = count
    return found


def _header(path: Path) -> dict[str, dict[str, list[int]]]:
    """The header of a safetensors file: eight bytes of its length, then JSON."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LARGEST_HEADER:
                raise ValueError("its header is too long")
            header: dict[str, dict[str, list[int]]] = parse_json(stream.read(length), path)
            return header
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error}); fetch it again") from error
