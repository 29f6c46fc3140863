"""The folder of a Wan-Animate pipeline, loaded part by part.

Encoding needs the VAE and two encoders, training the transformer alone; at full size that is 13 and 35 GB. A folder
in the diffusers layout is read part by part, one in the original layout only as a whole, of which the other parts are
let go.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from mace_dance.appearance.convert import WAN_ANIMATE_14B, load_original, original_files
from mace_dance.appearance.load import PUBLISHED
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import check_shards
from mace_dance.appearance.tiny import MARKER
from madata.cache import remembered_sha256
from madata.errors import WeightsError
from madata.files import read_json, sha256_bytes

__all__ = ["PARTS", "Backbone", "Part"]

Part = Literal["transformer", "vae", "text_encoder", "image_encoder"]
PARTS: tuple[Part, ...] = ("transformer", "vae", "text_encoder", "image_encoder")

_COMMAND = "madance weights fetch wan-animate"
_UNUSED = ("image_processor", "scheduler")


@dataclass(frozen=True)
class Backbone:
    """A folder that was found whole; see :meth:`find`."""

    folder: Path
    layout: Literal["diffusers", "original"]

    @classmethod
    def find(cls, folder: Path) -> Backbone:
        """Check that every file is there and whole; loads no weights.

        Raises:
            WeightsError: a file is missing or damaged, or the folder holds something else.
        """
        if not folder.is_dir():
            raise WeightsError(f"{folder}: no such folder; run: {_COMMAND}")
        if (folder / "model_index.json").is_file():
            named = read_json(folder / "model_index.json").get("_class_name")
            if named != "WanAnimatePipeline":
                raise WeightsError(f"{folder}: is a {named}, not a WanAnimatePipeline")
            check_shards(folder)
            for part in PARTS:
                if not list((folder / part).glob("*.safetensors")):
                    raise WeightsError(f"{folder / part}: holds no safetensors file; run: {_COMMAND}")
            return cls(folder, "diffusers")
        if not any(folder.glob("diffusion_pytorch_model*.safetensors")):
            raise WeightsError(
                f"{folder}: neither a pipeline of diffusers (no model_index.json) nor the original repository "
                f"(no diffusion_pytorch_model*.safetensors); run: {_COMMAND}"
            )
        original_files(folder)
        return cls(folder, "original")

    @cached_property
    def config(self) -> dict[str, Any]:
        """Configuration of the transformer, defaults filled in."""
        return dict(self.empty_transformer().config)

    @property
    def label(self) -> str:
        """What the weights are, as :mod:`mace_dance.appearance.load` says it."""
        if (self.folder / MARKER).is_file():
            return str(read_json(self.folder / MARKER)["label"])
        sizes = ("num_layers", "num_attention_heads", "attention_head_dim", "ffn_dim")
        published = {"num_layers": 40, "num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824}
        return PUBLISHED if {name: self.config[name] for name in sizes} == published else "custom"

    def identity(self, part: Part) -> str:
        """Digest of the weights of a part."""
        if self.layout == "original":
            files = original_files(self.folder)
            paths = {
                "transformer": files.transformer,
                "vae": (files.vae,),
                "text_encoder": (files.text_encoder,),
                "image_encoder": (files.image_encoder,),
            }[part]
        else:
            paths = tuple(sorted((self.folder / part).glob("*.safetensors")))
        return sha256_bytes(json.dumps([remembered_sha256(path) for path in paths]).encode())

    def empty_transformer(self) -> Any:
        """The transformer without weights, on the meta device."""
        from diffusers import WanAnimateTransformer3DModel

        with quiet_libraries(), torch.device("meta"):
            if self.layout == "original":
                return WanAnimateTransformer3DModel(**WAN_ANIMATE_14B.transformer)
            config = WanAnimateTransformer3DModel.load_config(
                self.folder / "transformer", local_files_only=True
            )
            return WanAnimateTransformer3DModel.from_config(config)

    def transformer(self, dtype: torch.dtype) -> Any:
        """The transformer on the CPU, frozen; layers that diffusers keeps in float32 stay so.

        Raises:
            WeightsError: the files do not hold its weights.
        """
        pipeline = self._load({part for part in PARTS if part != "transformer"}, dtype)
        network = pipeline.transformer
        return network.eval().requires_grad_(False)

    def encoders(self, dtype: torch.dtype, *, text: bool = True) -> Any:
        """The pipeline without its transformer, and without the text encoder unless ``text``.

        The VAE computes in float32: what is encoded once should not be rounded by it.

        Raises:
            WeightsError: the files do not hold the weights.
        """
        absent = {"transformer"} if text else {"transformer", "text_encoder"}
        pipeline = self._load(absent, dtype)
        for part in ("text_encoder", "image_encoder", "vae"):
            network = getattr(pipeline, part)
            if network is not None:
                network.eval().requires_grad_(False)
        return pipeline

    def vae(self) -> Any:
        """The VAE on the CPU, frozen, float32."""
        pipeline = self._load({part for part in PARTS if part != "vae"}, torch.float32)
        return pipeline.vae.eval().requires_grad_(False)

    def _load(self, absent: Collection[str], dtype: torch.dtype) -> Any:
        """The pipeline with ``None`` in place of the parts that are absent."""
        if self.layout == "original":
            pipeline = load_original(original_files(self.folder), dtype)
            pipeline.register_modules(**dict.fromkeys(absent))
            if pipeline.vae is not None:
                with quiet_libraries():
                    pipeline.vae.to(torch.float32)
            return pipeline
        words = ("tokenizer",) if "text_encoder" in absent else ()
        nothing = dict.fromkeys([*absent, *_UNUSED, *words])
        kinds = {"vae": torch.float32, "default": dtype} if "vae" not in absent else dtype
        try:
            with quiet_libraries():
                from diffusers import WanAnimatePipeline

                return WanAnimatePipeline.from_pretrained(
                    self.folder, dtype=kinds, local_files_only=True, use_safetensors=True, **nothing
                )
        except (OSError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())
            raise WeightsError(f"{self.folder}: the pipeline cannot be loaded: {said}") from error
