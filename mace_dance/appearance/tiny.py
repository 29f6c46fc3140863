"""A Wan-Animate pipeline with random weights, small enough to run and train in seconds on a CPU.

Every component is the real class with a tiny configuration, made without a network: a byte-level tokenizer that
takes any text, UMT5, the Wan VAE (8 x 8 x 4), a CLIP tower of 4 px and a transformer of 2 blocks of width 24. What
it generates is noise; the folder carries :data:`LABEL` in :data:`MARKER`, so that every result made with it says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import saving
from madata.errors import MadanceError
from madata.files import scratch_folder, write_json

__all__ = ["LABEL", "MARKER", "TRANSFORMER", "make_tiny", "tiny_pipeline"]

LABEL = "tiny-random"
MARKER = "madance.json"

TRANSFORMER: dict[str, Any] = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 36,
    "latent_channels": 16,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 256,
    "ffn_dim": 32,
    "num_layers": 2,
    "image_dim": 4,
    "added_kv_proj_dim": 24,
    "rope_max_seq_len": 1024,
    "motion_encoder_channel_sizes": {"4": 16, "8": 16, "16": 16},
    "motion_encoder_size": 16,
    "motion_style_dim": 8,
    "motion_dim": 4,
    "motion_encoder_dim": 16,
    "face_encoder_hidden_dim": 16,
    "face_encoder_num_heads": 4,
    "inject_face_latents_blocks": 2,
}
"""Configuration of the transformer: the published one, reduced."""

_SPECIALS = ("<pad>", "</s>", "<unk>")


def make_tiny(folder: Path, seed: int = 0) -> None:
    """Write a tiny pipeline (about 0.5 MB, the layout of ``save_pretrained``); the same seed gives the same weights.

    Raises:
        MadanceError: ``folder`` holds something already, or it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MadanceError(f"{folder}: exists and is not an empty folder; choose another one")
    marker = {
        "label": LABEL,
        "seed": seed,
        "what": "Wan-Animate with random weights, for tests; it draws noise",
    }
    with saving(folder), scratch_folder(folder.parent) as scratch:
        made = scratch / folder.name
        with quiet_libraries():
            tiny_pipeline(seed).save_pretrained(made)
        write_json(made / MARKER, marker)
        made.replace(folder)


def tiny_pipeline(seed: int = 0) -> Any:
    """The pipeline itself (``diffusers.WanAnimatePipeline``, float32, CPU), every component in ``eval`` mode."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanAnimatePipeline,
        WanAnimateTransformer3DModel,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
    )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
        text_encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=len(_SPECIALS) + 256,
                d_model=TRANSFORMER["text_dim"],
                d_kv=8,
                d_ff=37,
                num_layers=2,
                num_heads=4,
            )
        )
        image_encoder = CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=TRANSFORMER["image_dim"],
                projection_dim=4,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=4,
                intermediate_size=16,
                patch_size=1,
            )
        )
        transformer = WanAnimateTransformer3DModel(**TRANSFORMER)
    for network in (vae, text_encoder, image_encoder, transformer):
        network.eval()
    return WanAnimatePipeline(
        tokenizer=_byte_tokenizer(),
        text_encoder=text_encoder,
        vae=vae,
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0, num_train_timesteps=1000
        ),
        image_processor=CLIPImageProcessor(
            size={"height": 4, "width": 4}, crop_size={"height": 4, "width": 4}, do_center_crop=False
        ),
        image_encoder=image_encoder,
        transformer=transformer,
    )


def _byte_tokenizer() -> Any:
    """One token per byte, ``</s>`` at the end: no vocabulary file, and every script is covered."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = [*_SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", alphabet.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
    )
