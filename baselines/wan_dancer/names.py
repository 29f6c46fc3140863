"""What the tensors of the published Wan-Dancer files are called, and networks filled from them.

Both files, ``global_model.safetensors`` and ``local_model.safetensors``, have the same 1424 tensors. Most are Wan's
own and bear its names (:mod:`mace_dance.appearance.names`); the rest is renamed here. Some have no effect on any
result and are left out: ``ref_conv`` is never called, and with a single key the queries, keys and norms of the music
injectors cancel. A file with other tensors, more or fewer, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mace_dance.appearance.names import ATTENTION, LAYER, transformer_names
from mace_dance.appearance.tensors import fill, read_safetensors, read_shapes
from madata.errors import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from baselines.wan_dancer.network import WanDancerTransformer

__all__ = [
    "STAGE_FILES",
    "check_layout",
    "dancer_name",
    "empty_network",
    "load_stage_network",
    "published_shapes",
]

Shape = tuple[int, ...]

STAGE_FILES = {"global": "global_model.safetensors", "local": "local_model.safetensors"}
"""The published file of each stage."""

_TWINS = {
    "head_global.modulation": ("head.modulation", "scale_shift_table", "scale_shift_table_global"),
    "head_global.head": ("head.head", "proj_out", "proj_out_global"),
    "img_emb_refimage": ("img_emb", "condition_embedder.image_embedder", "image_embedder_reference"),
}
"""Published name of a second part -> that of the first, and both in the network."""

_WITHOUT_EFFECT = re.compile(r"ref_conv\..*|music_injector\.injector\.\d+\.(?:q|k|norm_q|norm_k)\..*")
_BUFFER = re.compile(r"music_encoder\.\d+\.rotary\.freqs")
_SCALED = re.compile(r".*(?:scale_weight|weight_scale|scale_input|input_scale|scaled_fp8)")


def dancer_name(name: str) -> str | None:
    """The parameter of :class:`WanDancerTransformer` that a published tensor fills; ``None``: it has no effect.

    Raises:
        WeightsError: no tensor of Wan-Dancer is called so.
    """
    if _WITHOUT_EFFECT.fullmatch(name):
        return None
    if name.startswith(("patch_embedding_global.", "music_projection.", "music_encoder.")):
        return name
    if name.startswith("music_injector.injector."):
        return name.replace(".injector.", ".", 1)
    for twin, (first, ours, second) in _TWINS.items():
        if name.startswith(twin):
            return transformer_names(name.replace(twin, first, 1))[0].replace(ours, second, 1)
    return transformer_names(name)[0]


def published_shapes(network: WanDancerTransformer) -> dict[str, Shape]:
    """Names and shapes of the tensors that a published file for ``network`` holds."""
    ours = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    width = network.config.num_attention_heads * network.config.attention_head_dim
    square: dict[str, Shape] = {"weight": (width, width), "bias": (width,)}
    shapes: dict[str, Shape] = {
        "ref_conv.weight": (width, network.config.out_channels, 2, 2),
        "ref_conv.bias": (width,),
    }
    for index in range(len(network.music_injector)):
        injector = f"music_injector.injector.{index}"
        shapes |= {f"{injector}.{layer}.{part}": shape for layer in "qk" for part, shape in square.items()}
        shapes |= {f"{injector}.norm_{layer}.weight": (width,) for layer in "qk"}
    for name in _names(network):
        target = dancer_name(name)
        if target in ours:
            shapes[name] = ours[target]
    return shapes


def _names(network: WanDancerTransformer) -> Iterator[str]:
    """Published names of all parameters, and some that there are none of."""
    parts = ["weight", "bias"]
    layers = ["patch_embedding", "patch_embedding_global", "text_embedding.0", "text_embedding.2", "time_embedding.0",
              "time_embedding.2", "time_projection.1", "head.head", "head_global.head", "music_projection"]  # fmt: skip
    layers += [f"{twin}.proj.{index}" for twin in ("img_emb", "img_emb_refimage") for index in (0, 1, 3, 4)]
    layers += [
        f"music_injector.injector.{index}.{layer}"
        for index in range(len(network.music_injector))
        for layer in "vo"
    ]
    for index in range(len(network.blocks)):
        block = f"blocks.{index}"
        yield f"{block}.modulation"
        layers += [f"{block}.{attention}.{layer}" for attention in ATTENTION for layer in LAYER]
        layers += [f"{block}.norm3", f"{block}.ffn.0", f"{block}.ffn.2"]
    yield from (f"{layer}.{part}" for layer in layers for part in parts)
    yield from ("head.modulation", "head_global.modulation")
    yield from (f"music_encoder.{name}" for name, _ in network.music_encoder.named_parameters())


def empty_network(config: dict[str, Any] | None = None) -> WanDancerTransformer:
    """A network without weights (on the meta device) of a configuration; the published one by default."""
    from accelerate import init_empty_weights

    from baselines.wan_dancer.network import WanDancerTransformer

    with init_empty_weights(include_buffers=False):
        network: WanDancerTransformer = WanDancerTransformer(**(config or {}))
    return network


def load_stage_network(
    path: Path, dtype: torch.dtype, config: dict[str, Any] | None = None
) -> WanDancerTransformer:
    """The network of a published file, one tensor at a time, in ``eval`` mode.

    Raises:
        WeightsError: the file is absent or damaged, or does not hold exactly the tensors of the network.
    """
    network = empty_network(config)
    check_layout(path, network)
    fill(network, _tensors(path), source=path, dtype=dtype, float32=network._keep_in_fp32_modules)
    network.eval().requires_grad_(False)
    return network


def check_layout(path: Path, network: WanDancerTransformer) -> None:
    """Compare names and shapes of a file with a network's; reads the header alone.

    Raises:
        WeightsError: they differ; the message names the first difference.
    """
    wanted = published_shapes(network)
    found = {name: shape for name, shape in read_shapes(path).items() if not _BUFFER.fullmatch(name)}
    if any(_SCALED.fullmatch(name) for name in found):
        raise WeightsError(
            f"{path}: holds weights scaled to 8 bits for other tools; take the published file in bfloat16"
        )
    for what, names in (
        ("lacks", wanted.keys() - found.keys()),
        ("has a surplus", found.keys() - wanted.keys()),
    ):
        if names:
            raise WeightsError(
                f"{path}: {what} {min(names)} ({len(names)} such tensors): no file of Wan-Dancer"
            )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise WeightsError(f"{path}: {name} is {found[name]}, Wan-Dancer's is {shape}")


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in read_safetensors(path):
        target = None if _BUFFER.fullmatch(name) else dancer_name(name)
        if target is not None:
            yield target, tensor
