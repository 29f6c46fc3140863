"""Tiny parts with random weights, for trying commands and for tests: they draw noise.

A folder is made in the layout of the release and marked, so that every result made with it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from baselines.sd15.network import UNetSizes
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import saving
from mace_dance.appearance.tiny import LABEL, MARKER
from madata.errors import MadanceError
from madata.files import scratch_folder, write_json

__all__ = ["TINY", "make_folder", "tiny_clip_text", "tiny_clip_vision", "tiny_vae"]

TINY = UNetSizes((32, 32), (True, False), 1, 16, 8, True)
"""Two levels, as narrow as the groups of normalisation allow; windows of 8 frames."""


def make_folder(folder: Path, seed: int, what: str, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a new folder with random weights of ``seed``, and mark it.

    Raises:
        MadanceError: ``folder`` holds something already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MadanceError(f"{folder}: exists and is not an empty folder; choose another one")
    with saving(folder), scratch_folder(folder.parent) as scratch:
        made = scratch / folder.name
        made.mkdir()
        with quiet_libraries(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            write(made)
        write_json(made / MARKER, {"label": LABEL, "seed": seed, "what": what})
        made.replace(folder)


def tiny_vae() -> Any:
    """An autoencoder of 25,000 parameters that takes 8 x 8 px to a latent."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8] * 4,
        norm_num_groups=8,
        layers_per_block=1,
        latent_channels=4,
    )


def tiny_clip_vision(width: int) -> Any:
    """A picture tower of one layer, 8 px, with an embedding of ``width``."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=8,
            patch_size=4,
            projection_dim=width,
        )
    )


def tiny_clip_text(width: int) -> Any:
    """A text tower of one layer and 8 words."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=8,
            hidden_size=width,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=6,
            eos_token_id=7,
        )
    )
