"""The original Wan2.2-Animate-14B repository, loaded without a converted copy on disk.

Its folder holds the transformer in safetensors shards, the VAE, the text encoder and CLIP as ``.pth`` files, and
the tokenizer in ``google/umt5-xxl``. Networks are built empty and filled tensor by tensor, so that the memory
needed is that of the finished pipeline and one tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mace_dance.appearance.names import clip_tensors, convert_tensors, umt5_name
from mace_dance.appearance.tensors import check_safetensors, fill, read_pth, read_safetensors
from madata.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = [
    "WAN_ANIMATE_14B",
    "Architecture",
    "OriginalFiles",
    "load_companions",
    "load_original",
    "original_files",
    "with_companions",
]

_VAE = "Wan2.1_VAE.pth"
_TEXT_ENCODER = "models_t5_umt5-xxl-enc-bf16.pth"
_IMAGE_ENCODER = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
_TOKENIZER = "google/umt5-xxl"


@dataclass(frozen=True)
class Architecture:
    """Sizes of the four networks, as keyword arguments of their classes or configurations."""

    transformer: Mapping[str, Any] = field(default_factory=dict)
    vae: Mapping[str, Any] = field(default_factory=dict)
    text_encoder: Mapping[str, Any] = field(default_factory=dict)
    image_encoder: Mapping[str, Any] = field(default_factory=dict)


WAN_ANIMATE_14B = Architecture(
    transformer={"added_kv_proj_dim": 5120},
    vae={},
    text_encoder={
        "vocab_size": 256384,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
    },
    image_encoder={
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "projection_dim": 1024,
        "image_size": 224,
        "patch_size": 14,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
    },
)
"""The published networks: 17.3, 0.13, 5.7 and 0.63 billion parameters."""


@dataclass(frozen=True)
class OriginalFiles:
    """The files of an original folder that inference reads."""

    transformer: tuple[Path, ...]
    vae: Path
    text_encoder: Path
    image_encoder: Path
    tokenizer: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file with weights."""
        return (*self.transformer, self.vae, self.text_encoder, self.image_encoder)


def original_files(folder: Path) -> OriginalFiles:
    """Find the files, check that none is missing or cut off.

    Raises:
        WeightsError: a file is missing or a shard is damaged; the message names it.
    """
    shards = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    if not shards:
        raise WeightsError(f"{folder}: holds no diffusion_pytorch_model*.safetensors")
    total = int(shards[0].stem.rpartition("-of-")[2]) if "-of-" in shards[0].stem else 1
    if len(shards) != total:
        raise WeightsError(f"{folder}: {len(shards)} of {total} shards of the transformer are here")
    return with_companions(folder, tuple(shards))


def with_companions(folder: Path, transformer: tuple[Path, ...]) -> OriginalFiles:
    """Files of a transformer, and beside them the VAE, encoders and tokenizer of every original Wan folder.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    files = OriginalFiles(
        transformer,
        folder / _VAE,
        folder / _TEXT_ENCODER,
        folder / _IMAGE_ENCODER,
        folder / _TOKENIZER,
    )
    for path in (files.vae, files.text_encoder, files.image_encoder, files.tokenizer):
        if not path.exists():
            raise WeightsError(f"{path}: missing from the original folder")
    for shard in transformer:
        check_safetensors(shard)
    return files


def load_original(
    files: OriginalFiles, dtype: torch.dtype, architecture: Architecture = WAN_ANIMATE_14B
) -> Any:
    """The pipeline (``diffusers.WanAnimatePipeline``, CPU) of an original folder.

    Args:
        dtype: of the weights; the layers that diffusers keeps in float32 stay so.

    Raises:
        WeightsError: a file does not hold the weights of its network.
    """
    from accelerate import init_empty_weights
    from diffusers import WanAnimatePipeline, WanAnimateTransformer3DModel

    with init_empty_weights(include_buffers=False):
        transformer = WanAnimateTransformer3DModel(**architecture.transformer)
    fill(
        transformer,
        _transformer_tensors(files.transformer),
        source=files.transformer[0].parent,
        dtype=dtype,
        float32=transformer._keep_in_fp32_modules,
    )
    return WanAnimatePipeline(transformer=transformer, **load_companions(files, dtype, architecture))


def load_companions(
    files: OriginalFiles, dtype: torch.dtype, architecture: Architecture = WAN_ANIMATE_14B
) -> dict[str, Any]:
    """What every Wan pipeline has beside its transformer, by the names of a pipeline's parts (CPU).

    Raises:
        WeightsError: a file does not hold the weights of its network.
    """
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
    )

    with init_empty_weights(include_buffers=False):
        vae = AutoencoderKLWan(**architecture.vae)
        text_encoder = UMT5EncoderModel(UMT5Config(**architecture.text_encoder))
        image_encoder = CLIPVisionModel(CLIPVisionConfig(**architecture.image_encoder))

    vae_tensors = convert_wan_vae_to_diffusers(read_pth(files.vae))
    fill(vae, vae_tensors.items(), source=files.vae, dtype=dtype)
    fill(text_encoder, _umt5_tensors(read_pth(files.text_encoder)), source=files.text_encoder, dtype=dtype)
    text_encoder.tie_weights()
    clip = clip_tensors(read_pth(files.image_encoder))
    fill(image_encoder, clip.items(), source=files.image_encoder, dtype=dtype)
    return {
        "tokenizer": AutoTokenizer.from_pretrained(files.tokenizer, local_files_only=True),
        "text_encoder": text_encoder,
        "vae": vae,
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0, num_train_timesteps=1000
        ),
        "image_processor": CLIPImageProcessor(),
        "image_encoder": image_encoder,
    }


def _transformer_tensors(shards: tuple[Path, ...]) -> Iterator[tuple[str, Tensor]]:
    for shard in shards:
        for name, tensor in read_safetensors(shard):
            try:
                yield from convert_tensors({name: tensor}).items()
            except WeightsError as error:
                raise WeightsError(f"{shard}: {error}") from error


def _umt5_tensors(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        converted = umt5_name(name)
        yield converted, tensor
        if converted == "shared.weight":
            yield "encoder.embed_tokens.weight", tensor
