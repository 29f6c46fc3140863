"""Wan-Dancer with random weights in the layout of the release, for trying commands and for tests: it draws noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from baselines.sd15.tiny import make_folder
from baselines.wan_dancer.load import CONFIG
from baselines.wan_dancer.names import STAGE_FILES, dancer_name, published_shapes
from mace_dance.appearance.tiny import tiny_pipeline
from madata.files import write_json

__all__ = ["TINY_DANCER", "make_tiny_wan_dancer"]

TINY_DANCER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 32,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "image_dim": 4,
    "music_dim": 16,
    "music_ffn_dim": 24,
    "inject_after": [0, 1],
}
"""The published configuration, reduced."""


def make_tiny_wan_dancer(folder: Path, seed: int = 0) -> None:
    """Write random weights of both stages and of what is beside them (1 MB)."""
    import torch
    from safetensors.torch import save_file

    from baselines.wan_dancer.network import WanDancerTransformer

    def write(made: Path) -> None:
        pipeline = tiny_pipeline(seed)
        for part in ("vae", "text_encoder", "image_encoder", "tokenizer"):
            getattr(pipeline, part).save_pretrained(made / part)
        for name in STAGE_FILES.values():
            network = WanDancerTransformer(**TINY_DANCER)
            ours = dict(network.named_parameters())
            tensors = {
                name: torch.zeros(shape)
                if dancer_name(name) is None
                else ours[str(dancer_name(name))].detach()
                for name, shape in published_shapes(network).items()
            }
            save_file({key: value.contiguous() for key, value in tensors.items()}, made / name)
        write_json(made / CONFIG, TINY_DANCER)

    make_folder(folder, seed, "Wan-Dancer with random weights, for tests; it draws noise", write)
