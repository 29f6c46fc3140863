"""The parts that are not a method's own: the VAE and CLIP, from folders in the layouts of diffusers and transformers.

Weights are read from safetensors, or through torch's restricted reader; every tensor is used. A folder made by
``madance weights tiny`` keeps its label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mace_dance.appearance.load import label_of_marker
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import fill, read_tensors
from madata.errors import WeightsError
from madata.weights import find_weights

__all__ = [
    "find_part",
    "label_of_folder",
    "load_clip_text",
    "load_clip_vision",
    "load_vae",
    "tensors_of_folder",
]

_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)


def find_part(folder: Path, part: str, weights: str) -> Path:
    """``part`` below ``folder``, where upstream puts it, else what ``madance weights`` knows as ``weights``.

    Raises:
        WeightsError: it is nowhere; the message holds the command.
    """
    beside = folder / part
    if beside.is_dir():
        return beside
    fetched = find_weights(weights)
    return fetched / part if (fetched / part).is_dir() else fetched


def tensors_of_folder(folder: Path) -> tuple[dict[str, Tensor], Path]:
    """All tensors of a network's folder, and the file they are from.

    Raises:
        WeightsError: there is no file of weights, or it is damaged.
    """
    for name in _FILES:
        if (folder / name).is_file():
            return read_tensors(folder / name), folder / name
    raise WeightsError(f"{folder}: holds no weights, expected one of {', '.join(_FILES)}")


def load_vae(folder: Path, dtype: torch.dtype) -> Any:
    """Stable Diffusion's autoencoder.

    Raises:
        WeightsError: the folder does not hold one.
    """
    from diffusers import AutoencoderKL

    tensors_of_folder(folder)
    try:
        with quiet_libraries():
            vae, told = AutoencoderKL.from_pretrained(
                folder, torch_dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{folder}: the autoencoder cannot be loaded: {' '.join(str(error).split())}"
        ) from error
    lacking = [*told["missing_keys"], *told["unexpected_keys"]]
    if lacking:
        raise WeightsError(f"{folder}: {len(lacking)} tensors are missing or left over, first {min(lacking)}")
    return vae.eval().requires_grad_(False)


def load_clip_vision(folder: Path, dtype: torch.dtype) -> Any:
    """CLIP's picture tower with its projection.

    Raises:
        WeightsError: the folder does not hold one.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return _load_clip(folder, dtype, CLIPVisionConfig, CLIPVisionModelWithProjection, "")


def load_clip_text(folder: Path, dtype: torch.dtype) -> Any:
    """CLIP's text tower.

    Raises:
        WeightsError: the folder does not hold one.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    return _load_clip(folder, dtype, CLIPTextConfig, CLIPTextModel, "text_model.")


def _load_clip(folder: Path, dtype: torch.dtype, config: Any, kind: Any, prefix: str) -> Any:
    from accelerate import init_empty_weights

    tensors, path = tensors_of_folder(folder)
    try:
        with quiet_libraries(), init_empty_weights(include_buffers=False):
            network = kind(config.from_pretrained(folder, local_files_only=True))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: its config.json cannot be used: {error}") from error
    fill(network, _without(tensors, prefix), source=path, dtype=dtype)
    return network.eval().requires_grad_(False)


def _without(tensors: dict[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Names without ``prefix``; older files hold positions, which are computed."""
    for name, tensor in tensors.items():
        if not name.endswith("position_ids"):
            yield name.removeprefix(prefix), tensor


def label_of_folder(folder: Path, *, published: bool) -> str | None:
    """What marks results of the weights of ``folder``: nothing, where they are of the published size."""
    return label_of_marker(folder) or (None if published else "custom")
