"""The tiny pipeline written as the original repository lays its files out, under the original names."""

import torch
from safetensors.torch import save_file

from mace_dance.appearance.convert import Architecture
from mace_dance.appearance.names import clip_tensors, transformer_names, umt5_name
from mace_dance.appearance.tiny import TRANSFORMER

ARCHITECTURE = Architecture(
    transformer=TRANSFORMER,
    vae={"base_dim": 4},
    text_encoder={
        "vocab_size": 259,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 37,
        "num_layers": 2,
        "num_heads": 4,
    },
    image_encoder={
        "hidden_size": 4,
        "projection_dim": 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 4,
        "intermediate_size": 16,
        "patch_size": 1,
    },
)


def vae_names():
    """Candidates for the original names of the VAE's tensors."""
    residual = [f"residual.{i}.{kind}" for i in (0, 3) for kind in ("gamma",)]
    residual += [f"residual.{i}.{kind}" for i in (2, 6) for kind in ("weight", "bias")]
    pair = ("weight", "bias")
    inside = [
        *residual,
        *(f"{name}.{kind}" for name in ("shortcut", "resample.1", "time_conv") for kind in pair),
    ]
    for side, stages in (("encoder", "downsamples"), ("decoder", "upsamples")):
        yield from (f"{side}.conv1.{kind}" for kind in pair)
        yield from (f"{side}.head.{name}" for name in ("0.gamma", "2.weight", "2.bias"))
        yield from (f"{side}.middle.{i}.{name}" for i in (0, 2) for name in residual)
        yield f"{side}.middle.1.norm.gamma"
        yield from (f"{side}.middle.1.{name}.{kind}" for name in ("to_qkv", "proj") for kind in pair)
        yield from (f"{side}.{stages}.{i}.{name}" for i in range(15) for name in inside)
    yield from (f"conv{i}.{kind}" for i in (1, 2) for kind in pair)


def original_vae(state):
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    converted = {}
    for name in vae_names():
        (target,) = convert_wan_vae_to_diffusers({name: torch.empty(0)}) or (None,)
        if target in state:
            converted[name] = state[target]
    return converted


def original_umt5(state, layers):
    parts = ["norm1", "norm2", "attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate.0", "ffn.fc1", "ffn.fc2"]
    parts.append("pos_embedding.embedding")
    names = [f"blocks.{i}.{part}.weight" for i in range(layers) for part in parts]
    return {name: state[umt5_name(name)] for name in [*names, "token_embedding.weight", "norm.weight"]}


def original_clip(state, layers):
    """Every shape is found by asking the converter; text tower and head stand for what is left out."""
    outside = {
        "visual.cls_embedding": state["embeddings.class_embedding"].reshape(1, 1, -1),
        "visual.pos_embedding": state["embeddings.position_embedding.weight"][None],
        "visual.patch_embedding.weight": state["embeddings.patch_embedding.weight"],
    }
    for kind in ("weight", "bias"):
        outside[f"visual.pre_norm.{kind}"] = state[f"pre_layrnorm.{kind}"]
        outside[f"visual.post_norm.{kind}"] = state[f"post_layernorm.{kind}"]
        for i in range(layers):
            layer = f"encoder.layers.{i}"
            halves = [state[f"{layer}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
            outside[f"visual.transformer.{i}.attn.to_qkv.{kind}"] = torch.cat(halves)
            for part in ("norm1", "norm2", "attn.proj", "mlp.0", "mlp.2"):
                name = f"visual.transformer.{i}.{part}.{kind}"
                (target,) = clip_tensors({name: torch.empty(0)})
                outside[name] = state[target]
    left_out = {
        "visual.head": torch.ones(4, 4),
        "textual.head.0.weight": torch.ones(2),
        "log_scale": torch.ones(()),
    }
    return outside | left_out


def original_transformer(state, names):
    """Tensors of ``state`` under those of the full model's ``names`` that this size has."""
    tensors = {}
    for name in names:
        targets = transformer_names(name)
        if targets and all(target in state for target in targets):
            tensor = torch.cat([state[target] for target in targets])
            fused_bias = targets[0].endswith("act_fn.bias")
            tensors[name] = tensor.reshape(1, -1, 1, 1) if fused_bias else tensor
    return tensors


def write_original(folder, pipeline, names):
    """Write ``pipeline`` (of :data:`ARCHITECTURE`) into ``folder``; ``names`` are those of the full transformer."""
    folder.mkdir()
    tensors = original_transformer(pipeline.transformer.state_dict(), names)
    for shard in (0, 1):
        part = {name: tensors[name].contiguous() for name in list(tensors)[shard::2]}
        save_file(part, folder / f"diffusion_pytorch_model-0000{shard + 1}-of-00002.safetensors")
    torch.save(original_vae(pipeline.vae.state_dict()), folder / "Wan2.1_VAE.pth")
    torch.save(
        original_umt5(pipeline.text_encoder.state_dict(), 2), folder / "models_t5_umt5-xxl-enc-bf16.pth"
    )
    torch.save(
        original_clip(pipeline.image_encoder.state_dict(), 2),
        folder / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
    )
    pipeline.tokenizer.save_pretrained(folder / "google" / "umt5-xxl")
    return folder
