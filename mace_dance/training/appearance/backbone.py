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
from mace_dance.appearance.load import NETWORKS, Network, check_folder, label_of, load_parts
from mace_dance.appearance.quiet import quiet_libraries
from madata.cache import remembered_sha256
from madata.files import sha256_bytes

__all__ = ["Backbone"]

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
        return cls(folder, check_folder(folder))

    @cached_property
    def config(self) -> dict[str, Any]:
        """Configuration of the transformer, defaults filled in."""
        return dict(self.empty_transformer().config)

    @property
    def label(self) -> str:
        """What the weights are, as :mod:`mace_dance.appearance.load` says it."""
        return label_of(self.folder, self.config)

    def identity(self, part: Network) -> str:
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
        pipeline = self._load({part for part in NETWORKS if part != "transformer"}, dtype)
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
        pipeline = self._load({part for part in NETWORKS if part != "vae"}, torch.float32)
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
        nothing = [*absent, *_UNUSED, *words]
        kinds = {"vae": torch.float32, "default": dtype} if "vae" not in absent else dtype
        with quiet_libraries():
            return load_parts(self.folder, kinds, nothing)
