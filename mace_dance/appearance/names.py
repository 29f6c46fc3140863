"""What the tensors of Wan-Animate are called: the original repository's names -> those of diffusers and transformers.

A rule is a regular expression for one family of names and what becomes of it. The whole transformer (1441 tensors)
is 1396 renames, 16 fused key-value layers cut in halves, 15 activation biases (1, C, 1, 1) -> (C,), and 14 blur
kernels that diffusers computes itself. A name that no rule covers belongs to another model and is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from madata.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ATTENTION",
    "FEED_FORWARD",
    "LAYER",
    "clip_tensors",
    "convert_tensors",
    "transformer_names",
    "umt5_name",
]

ATTENTION = {"self_attn": "attn1", "cross_attn": "attn2"}
"""Original name of an attention layer of a block -> diffusers name."""

LAYER = {
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "o": "to_out.0",
    "k_img": "add_k_proj",
    "v_img": "add_v_proj",
    "norm_q": "norm_q",
    "norm_k": "norm_k",
    "norm_k_img": "norm_added_k",
}
"""Original name of a layer inside an attention layer -> diffusers name."""

FEED_FORWARD = {"0": "net.0.proj", "2": "net.2"}
"""Original index in a feed-forward sequence -> diffusers name."""

_EMBEDDER = {
    "text_embedding.0": "text_embedder.linear_1",
    "text_embedding.2": "text_embedder.linear_2",
    "time_embedding.0": "time_embedder.linear_1",
    "time_embedding.2": "time_embedder.linear_2",
    "time_projection.1": "time_proj",
    "img_emb.proj.0": "image_embedder.norm1",
    "img_emb.proj.1": "image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "image_embedder.ff.net.2",
    "img_emb.proj.4": "image_embedder.norm2",
}
_MOTION_LAYER = {
    "conv1.0.weight": "conv1.weight",
    "conv1.1.bias": "conv1.act_fn.bias",
    "conv2.1.weight": "conv2.weight",
    "conv2.2.bias": "conv2.act_fn.bias",
    "skip.1.weight": "conv_skip.weight",
}
_FACE_LAYER = {
    "linear1_q": ("to_q",),
    "linear1_kv": ("to_k", "to_v"),
    "linear2": ("to_out",),
    "q_norm": ("norm_q",),
    "k_norm": ("norm_k",),
}

_Names = tuple[str, ...]
_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], _Names]]


def _any_of(names: Iterable[str]) -> str:
    return "(" + "|".join(map(re.escape, names)) + ")"


def _rule(pattern: str, make: Callable[[re.Match[str]], str | _Names]) -> _Rule:
    def names(match: re.Match[str]) -> _Names:
        made = make(match)
        return (made,) if isinstance(made, str) else made

    return re.compile(pattern), names


_TRANSFORMER: tuple[_Rule, ...] = (
    _rule(r"(?:pose_)?patch_embedding\.(?:weight|bias)", lambda m: m[0]),
    _rule(_any_of(_EMBEDDER) + r"\.(weight|bias)", lambda m: f"condition_embedder.{_EMBEDDER[m[1]]}.{m[2]}"),
    _rule(r"head\.modulation", lambda m: "scale_shift_table"),
    _rule(r"head\.head\.(weight|bias)", lambda m: f"proj_out.{m[1]}"),
    _rule(r"(blocks\.\d+)\.modulation", lambda m: f"{m[1]}.scale_shift_table"),
    _rule(
        rf"(blocks\.\d+)\.{_any_of(ATTENTION)}\.{_any_of(LAYER)}\.(weight|bias)",
        lambda m: f"{m[1]}.{ATTENTION[m[2]]}.{LAYER[m[3]]}.{m[4]}",
    ),
    # The block applies its norms in another order than the original numbers them.
    _rule(r"(blocks\.\d+)\.norm3\.(weight|bias)", lambda m: f"{m[1]}.norm2.{m[2]}"),
    _rule(r"(blocks\.\d+)\.ffn\.([02])\.(weight|bias)", lambda m: f"{m[1]}.ffn.{FEED_FORWARD[m[2]]}.{m[3]}"),
    _rule(
        rf"face_adapter\.fuser_blocks\.(\d+)\.{_any_of(_FACE_LAYER)}\.(weight|bias)",
        lambda m: tuple(f"face_adapter.{m[1]}.{layer}.{m[3]}" for layer in _FACE_LAYER[m[2]]),
    ),
    _rule(r"face_encoder\.(?:padding_tokens|out_proj\.(?:weight|bias))", lambda m: m[0]),
    _rule(r"face_encoder\.(conv\d(?:_local)?)\.conv\.(weight|bias)", lambda m: f"face_encoder.{m[1]}.{m[2]}"),
    _rule(r"motion_encoder\.dec\.direction\.weight", lambda m: "motion_encoder.motion_synthesis_weight"),
    _rule(
        r"motion_encoder\.enc\.fc\.(\d+\.(?:weight|bias))", lambda m: f"motion_encoder.motion_network.{m[1]}"
    ),
    _rule(r"motion_encoder\.enc\.net_app\.convs\.0\.0\.weight", lambda m: "motion_encoder.conv_in.weight"),
    _rule(r"motion_encoder\.enc\.net_app\.convs\.0\.1\.bias", lambda m: "motion_encoder.conv_in.act_fn.bias"),
    _rule(r"motion_encoder\.enc\.net_app\.convs\.\d+\.weight", lambda m: "motion_encoder.conv_out.weight"),
    _rule(
        rf"motion_encoder\.enc\.net_app\.convs\.(\d+)\.{_any_of(_MOTION_LAYER)}",
        lambda m: f"motion_encoder.res_blocks.{int(m[1]) - 1}.{_MOTION_LAYER[m[2]]}",
    ),
    _rule(r"motion_encoder\.enc\.net_app\.convs\.\d+\.(?:conv2|skip)\.0\.kernel", lambda m: ()),
)

_UMT5: dict[str, str] = {
    "norm1": "layer.0.layer_norm",
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm2": "layer.1.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
}

_CLIP: dict[str, str] = {
    "norm1": "layer_norm1",
    "attn.proj": "self_attn.out_proj",
    "norm2": "layer_norm2",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
}
_CLIP_OUTSIDE = {
    "visual.cls_embedding": "embeddings.class_embedding",
    "visual.pos_embedding": "embeddings.position_embedding.weight",
    "visual.patch_embedding.weight": "embeddings.patch_embedding.weight",
    "visual.pre_norm.weight": "pre_layrnorm.weight",
    "visual.pre_norm.bias": "pre_layrnorm.bias",
    "visual.post_norm.weight": "post_layernorm.weight",
    "visual.post_norm.bias": "post_layernorm.bias",
}


def transformer_names(name: str) -> tuple[str, ...]:
    """What an original tensor becomes: one name, two for a fused key-value layer, none when it is computed.

    Raises:
        WeightsError: no tensor of Wan-Animate is called so.
    """
    for pattern, names in _TRANSFORMER:
        match = pattern.fullmatch(name)
        if match:
            return names(match)
    raise WeightsError(f"{name!r} is not the name of a tensor of Wan-Animate")


def convert_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the original transformer under their diffusers names and shapes, in any selection.

    Raises:
        WeightsError: a tensor is not one of Wan-Animate.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        targets = transformer_names(name)
        if len(targets) == 2:
            if len(tensor) % 2:
                raise WeightsError(f"{name}: {len(tensor)} rows cannot be halves for keys and values")
            converted.update(zip(targets, tensor.chunk(2, dim=0), strict=True))
        elif targets:
            is_activation_bias = name.startswith("motion_encoder.enc.net_app.") and tensor.ndim == 4
            flat = is_activation_bias and name.endswith(".bias")
            converted[targets[0]] = tensor.reshape(-1) if flat else tensor
    return converted


def umt5_name(name: str) -> str:
    """Name in ``transformers.UMT5EncoderModel`` of a tensor of the original text encoder.

    Raises:
        WeightsError: no tensor of that encoder is called so.
    """
    outside = {"token_embedding.weight": "shared.weight", "norm.weight": "encoder.final_layer_norm.weight"}
    if name in outside:
        return outside[name]
    match = re.fullmatch(rf"blocks\.(\d+)\.{_any_of(_UMT5)}\.weight", name)
    if match is None:
        raise WeightsError(f"{name!r} is not the name of a tensor of the UMT5 encoder")
    return f"encoder.block.{match[1]}.{_UMT5[match[2]]}.weight"


def clip_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The vision tower of the original CLIP under the names and shapes of ``transformers.CLIPVisionModel``.

    The text tower and the projection head are left out: Wan uses neither.

    Raises:
        WeightsError: a tensor of the vision tower has an unknown name.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith("visual.") or name == "visual.head":
            continue
        for target, part in _clip_parts(name, tensor):
            converted[target] = part
    return converted


def _clip_parts(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    if name in _CLIP_OUTSIDE:
        squeezed = tensor.reshape(tensor.shape[-1]) if name.endswith("cls_embedding") else tensor
        yield _CLIP_OUTSIDE[name], squeezed[0] if name.endswith("pos_embedding") else squeezed
        return
    match = re.fullmatch(
        rf"visual\.transformer\.(\d+)\.(attn\.to_qkv|{'|'.join(map(re.escape, _CLIP))})\.(weight|bias)", name
    )
    if match is None:
        raise WeightsError(f"{name!r} is not the name of a tensor of CLIP's vision tower")
    layer = f"encoder.layers.{match[1]}"
    if match[2] == "attn.to_qkv":
        for letter, part in zip("qkv", tensor.chunk(3, dim=0), strict=True):
            yield f"{layer}.self_attn.{letter}_proj.{match[3]}", part
    else:
        yield f"{layer}.{_CLIP[match[2]]}.{match[3]}", tensor
