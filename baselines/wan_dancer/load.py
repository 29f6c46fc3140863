"""Wan-Dancer's files: one network for each stage, one of them in memory at a time, and what Wan has beside them.

A folder holds ``global_model.safetensors`` and ``local_model.safetensors`` as published, and the VAE, text encoder,
CLIP and tokenizer either as the published folder has them (``.pth``) or as folders in the layout of diffusers.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from baselines.wan_dancer.names import STAGE_FILES, check_layout, empty_network, load_stage_network
from mace_dance.appearance.convert import load_companions, with_companions
from mace_dance.appearance.footprint import parameters_in
from mace_dance.appearance.load import label_of_marker
from mace_dance.appearance.memory import FULL_SIZE, ModelSizes
from mace_dance.appearance.quiet import quiet_libraries
from madata.errors import WeightsError
from madata.files import read_json

if TYPE_CHECKING:
    import torch

__all__ = ["CONFIG", "DancerPipeline", "Stage", "check_dancer", "positions_of", "sizes_of_dancer"]

Stage = Literal["global", "local"]

CONFIG = "wan_dancer.json"
"""Sizes of networks that are not the published ones."""

_PARTS = ("vae", "text_encoder", "image_encoder", "tokenizer")


class DancerPipeline:
    """The pipeline of a folder: encoders and VAE loaded, the network of a stage when it is asked for.

    Attributes:
        pipeline: ``diffusers.WanImageToVideoPipeline`` on the CPU, its transformer that of ``stage``.
        stage: whose network is loaded; ``None`` before the first.
        label: ``tiny-random`` of made weights, ``custom`` of other sizes, ``None`` of the published ones.
    """

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        check_dancer(folder)
        self.folder, self.dtype = folder, dtype
        self.config = _config(folder)
        self.label = label_of_marker(folder) or ("custom" if self.config else None)
        self.stage: Stage | None = None
        with quiet_libraries():
            from diffusers import WanImageToVideoPipeline

            parts = _companions(folder, dtype)
            self.pipeline = WanImageToVideoPipeline(transformer=None, **parts)
        for network in self.pipeline.components.values():
            if hasattr(network, "requires_grad_"):
                network.eval().requires_grad_(False)

    @property
    def positions(self) -> int:
        """Rotary positions that the networks have."""
        return positions_of(self.folder)

    def file(self, stage: Stage) -> Path:
        """The file of a stage's network."""
        return self.folder / STAGE_FILES[stage]

    def load(self, stage: Stage) -> bool:
        """Have the network of ``stage`` in place of any other; whether it had to be read."""
        if self.stage == stage:
            return False
        self.pipeline.transformer, self.stage = None, None
        gc.collect()
        self.pipeline.transformer = load_stage_network(self.file(stage), self.dtype, self.config)
        self.stage = stage
        return True

    def forget(self) -> None:
        """Give the network's memory back."""
        import torch

        self.pipeline.transformer, self.stage = None, None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def check_dancer(folder: Path) -> None:
    """Whether a folder holds all of Wan-Dancer; reads headers alone.

    Raises:
        WeightsError: a file is missing, damaged, or not that of the network.
    """
    network = empty_network(_config(folder))
    for name in STAGE_FILES.values():
        if not (folder / name).is_file():
            other = next(iter(sorted(folder.glob("*.gguf"))), None)
            hint = f" ({other.name} is a format of other tools)" if other else ""
            raise WeightsError(f"{folder / name}: no such file{hint}; madance weights fetch wan-dancer")
        check_layout(folder / name, network)
    if not (folder / "vae").is_dir():
        with_companions(folder, ())
        return
    for part in _PARTS:
        if not (folder / part).is_dir():
            raise WeightsError(f"{folder / part}: missing; madance weights fetch wan-dancer")


def positions_of(folder: Path) -> int:
    """Rotary positions that the networks of a folder have."""
    return int(empty_network(_config(folder)).config.rope_max_seq_len)


def sizes_of_dancer(folder: Path, bytes_each: int) -> ModelSizes:
    """Parameters of one stage and what is beside it, off headers and the configuration."""
    from dataclasses import replace

    network = empty_network(_config(folder))
    beside = {name: getattr(FULL_SIZE, name) for name in _PARTS[:3]}
    if (folder / "vae").is_dir():
        beside = {name: sum(parameters_in(folder / name).values()) for name in _PARTS[:3]}

    def count(module: Any) -> int:
        return sum(weight.numel() for weight in module.parameters())

    return replace(
        FULL_SIZE,
        transformer=count(network),
        block=count(network.blocks[0]),
        blocks=len(network.blocks),
        hidden=network.config.num_attention_heads * network.config.attention_head_dim,
        bytes_each=bytes_each,
        **beside,
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    return dict(read_json(path)) if path.is_file() else {}


def _companions(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    if not (folder / "vae").is_dir():
        return load_companions(with_companions(folder, ()), dtype)
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
    from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

    local = {"local_files_only": True}
    try:
        return {
            "vae": AutoencoderKLWan.from_pretrained(folder / "vae", torch_dtype=dtype, **local),
            "text_encoder": UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=dtype, **local),
            "image_encoder": CLIPVisionModel.from_pretrained(folder / "image_encoder", dtype=dtype, **local),
            "tokenizer": AutoTokenizer.from_pretrained(folder / "tokenizer", **local),
            "scheduler": UniPCMultistepScheduler(),
            "image_processor": None,
        }
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{folder}: cannot be loaded: {' '.join(str(error).split())}") from error
