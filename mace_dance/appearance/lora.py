r"""LoRA files of the Aesthetic stage: W + strength * (alpha / rank) * B A on ten layers of every block.

The ten are q, k, v, o of both attention layers and the two feed-forward layers: 400 in the full model. Files come
in three namings, each with or without an adapter's name inside (``lora_A.default.weight``) and with or without a
prefix: DiffSynth (``blocks.0.self_attn.q.lora_A.weight``, the release's), kohya
(``lora_unet_blocks_0_self_attn_q.lora_down.weight`` with ``.alpha``) and diffusers or peft
(``transformer.blocks.0.attn1.to_q.lora_A.weight``). All are counted before and after loading, because a loader that
matches names and skips the rest loads nothing and says nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mace_dance.appearance.names import ATTENTION, FEED_FORWARD, LAYER
from mace_dance.appearance.tensors import read_metadata, read_tensors
from madata.errors import ConfigError, WeightsError
from madata.files import parse_json, read_json

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "ADAPTER_NAME",
    "LAYERS",
    "Factors",
    "Lora",
    "LoraLoad",
    "expected_layers",
    "load_lora",
    "read_lora",
]

ADAPTER_NAME = "dance"
"""Name of the adapter in the transformer."""

LAYERS = r"blocks\.\d+\.(attn1|attn2)\.(to_q|to_k|to_v|to_out\.0)|blocks\.\d+\.ffn\.net\.(0\.proj|2)"
"""Regular expression (full match) of the layers: a list of suffixes would hit the face adapter, too."""

_PREFIXES = re.compile(
    r"(?:base_model\.model\.|model\.|module\.|pipe\.|dit\.|diffusion_model\.|transformer\.)+"
)
_KOHYA = re.compile(r"lora_(?:unet|transformer)_")
_FACTOR = re.compile(r"(?P<layer>.+)\.lora_(?P<part>A|B|down|up)(?:\.\w+)?\.weight")
_ATTENTION_LAYER = re.compile(
    r"blocks[._](\d+)[._](self_attn|cross_attn|attn1|attn2)[._]"
    r"(q|k|v|o|k_img|v_img|to_q|to_k|to_v|to_out[._]0|add_k_proj|add_v_proj)"
)
_FEED_FORWARD_LAYER = re.compile(r"blocks[._](\d+)[._]ffn[._](0|2|net[._]0[._]proj|net[._]2)")
_IMAGE_KEYS = ("add_k_proj", "add_v_proj")
_METADATA = "lora_adapter_metadata"


@dataclass(frozen=True, eq=False)
class Factors:
    """The update of one layer: (alpha / rank) * up @ down.

    Attributes:
        down: A (rank, inputs).
        up: B (outputs, rank).
        alpha: the file's, else the rank.
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        """Number of rows of A."""
        return int(self.down.shape[0])


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA file: its layers by diffusers name, and which naming it came in."""

    path: Path
    layers: dict[str, Factors]
    naming: Literal["diffsynth", "kohya", "diffusers"]


@dataclass(frozen=True)
class LoraLoad:
    """What was loaded.

    Attributes:
        layers, expected: both are the same number when loading succeeded.
        ranks: the different ranks of the layers.
        alphas: the different alphas.
        fused: the update was added to the weights.
    """

    layers: int
    expected: int
    ranks: tuple[int, ...]
    alphas: tuple[float, ...]
    naming: str
    strength: float
    fused: bool


def expected_layers(transformer: nn.Module) -> tuple[str, ...]:
    """The layers a dance LoRA has in this transformer: ten for every block."""
    pattern = re.compile(LAYERS)
    return tuple(name for name, _ in transformer.named_modules() if pattern.fullmatch(name))


def read_lora(path: Path) -> Lora:
    """Read a LoRA file of any of the namings; nothing is compared with a network yet.

    The alpha is the file's ``.alpha`` tensors, else what diffusers wrote into its metadata or peft into
    ``adapter_config.json`` beside it, else the rank.

    Raises:
        WeightsError: a tensor is no LoRA tensor of Wan's blocks (the first such is named), or one of a pair is
            missing.
    """
    tensors = read_tensors(path)
    if not tensors:
        raise WeightsError(f"{path}: holds no tensors")
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        layer, part = _parse(key, path)
        if part in parts.setdefault(layer, {}):
            raise WeightsError(f"{path}: {key!r} is there twice, under two names")
        parts[layer][part] = tensor
    configured = _configured_alpha(path)
    layers = {name: _factors(name, found, configured, path) for name, found in sorted(parts.items())}
    return Lora(
        path, {name: one for name, one in layers.items() if not _is_padding(name, one)}, _naming(tensors)
    )


def _parse(key: str, path: Path) -> tuple[str, str]:
    """``(layer by its diffusers name, "down" | "up" | "alpha")`` of a key."""
    match = _FACTOR.fullmatch(key)
    if match:
        part = {"A": "down", "B": "up"}.get(match["part"], match["part"])
        layer = _layer(match["layer"])
    else:
        part = "alpha"
        layer = _layer(key.removesuffix(".alpha")) if key.endswith(".alpha") else None
    if layer is None:
        raise WeightsError(
            f"{path}: {key!r} is not a LoRA tensor of Wan-Animate's blocks; the file belongs to another model"
        )
    return layer, part


def _layer(name: str) -> str | None:
    """Diffusers name of a layer in any naming, ``None`` for a layer outside the blocks."""
    bare = _KOHYA.sub("", _PREFIXES.sub("", name, count=1), count=1)
    attention = _ATTENTION_LAYER.fullmatch(bare)
    if attention:
        block, kind, layer = attention.groups()
        kind = ATTENTION.get(kind, kind)
        return f"blocks.{block}.{kind}.{LAYER.get(layer, layer.replace('to_out_0', 'to_out.0'))}"
    feed_forward = _FEED_FORWARD_LAYER.fullmatch(bare)
    if feed_forward:
        block, layer = feed_forward.groups()
        return f"blocks.{block}.ffn.{FEED_FORWARD.get(layer, layer.replace('_', '.'))}"
    return None


def _naming(keys: Iterable[str]) -> Literal["diffsynth", "kohya", "diffusers"]:
    first = next(iter(keys))
    if _KOHYA.match(first):
        return "kohya"
    return "diffusers" if re.search(r"\.(attn\d|net)\.", first) else "diffsynth"


def _configured_alpha(path: Path) -> dict[str, Any]:
    """``lora_alpha`` and ``alpha_pattern`` of a file's own metadata or of the configuration beside it."""
    written = read_metadata(path).get(_METADATA)
    if written is not None:
        table = parse_json(written, f"{path}: its metadata {_METADATA}", error=WeightsError)
        return {str(key).removeprefix("transformer."): value for key, value in table.items()}
    beside = path.with_name("adapter_config.json")
    return dict(read_json(beside)) if path.name == "adapter_model.safetensors" and beside.is_file() else {}


def _factors(name: str, parts: Mapping[str, Tensor], configured: Mapping[str, Any], path: Path) -> Factors:
    for part, letter in (("down", "A"), ("up", "B")):
        if part not in parts:
            raise WeightsError(f"{path}: {name} has no lora_{letter} ({part}) tensor; the file is incomplete")
    down, up = parts["down"], parts["up"]
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
        raise WeightsError(
            f"{path}: {name}: A {tuple(down.shape)} and B {tuple(up.shape)} are not the factors of a matrix"
        )
    if "alpha" in parts:
        alpha = float(parts["alpha"])
    else:
        patterns = configured.get("alpha_pattern") or {}
        fitting = (value for key, value in patterns.items() if re.match(rf"(?:.*\.)?(?:{key})$", name))
        alpha = float(next(fitting, configured.get("lora_alpha") or down.shape[0]))
    if not math.isfinite(alpha) or alpha <= 0:
        raise WeightsError(f"{path}: {name}: alpha is {alpha}; it must be positive")
    return Factors(down, up, alpha)


def _is_padding(name: str, factors: Factors) -> bool:
    """Diffusers adds zero factors for the image keys and values, and stores them when it saves again."""
    return name.endswith(_IMAGE_KEYS) and not factors.up.any()


def load_lora(transformer: Any, path: Path, *, strength: float = 0.5, fuse: bool = False) -> LoraLoad:
    """Load a LoRA file into a Wan-Animate transformer as the adapter :data:`ADAPTER_NAME`.

    Args:
        transformer: a ``diffusers.WanAnimateTransformer3DModel``.
        strength: 0.5 is the release's.
        fuse: add the update to the weights and keep no LoRA layers: faster, and not reversible.

    Returns:
        The counts; ``layers == expected``.

    Raises:
        WeightsError: the file is not one for this transformer, or not all of its layers would take effect; the
            transformer is then unchanged.
        ConfigError: the strength is not a finite number.
    """
    if not math.isfinite(strength):
        raise ConfigError(f"the strength of the LoRA is {strength}; it must be a finite number")
    lora = read_lora(path)
    expected = expected_layers(transformer)
    _compare(lora, transformer, expected)
    _inject(transformer, lora)
    loaded = _loaded_layers(transformer)
    if loaded != lora.layers.keys():
        transformer.delete_adapters(ADAPTER_NAME)
        raise WeightsError(f"{path}: only {len(loaded)} of {len(lora.layers)} layers took the LoRA")
    transformer.set_adapters([ADAPTER_NAME], [strength])
    if fuse:
        transformer.fuse_lora(adapter_names=[ADAPTER_NAME])
        transformer.unload_lora()
    return LoraLoad(
        layers=len(loaded),
        expected=len(expected),
        ranks=tuple(sorted({one.rank for one in lora.layers.values()})),
        alphas=tuple(sorted({one.alpha for one in lora.layers.values()})),
        naming=lora.naming,
        strength=strength,
        fused=fuse,
    )


def _compare(lora: Lora, transformer: nn.Module, expected: Iterable[str]) -> None:
    expected = set(expected)
    modules = dict(transformer.named_modules())
    for name, factors in lora.layers.items():
        layer: Any = modules.get(name)
        if name not in expected:
            raise WeightsError(
                f"{lora.path}: has the layer {name}, which a dance LoRA for this transformer "
                f"({len(expected) // 10} blocks) does not have; the file belongs to another model"
            )
        shape = (factors.up.shape[0], factors.down.shape[1])
        if shape != tuple(layer.weight.shape):
            raise WeightsError(
                f"{lora.path}: {name} is for a {shape[0]} x {shape[1]} layer, this transformer's is "
                f"{' x '.join(map(str, layer.weight.shape))}; the file belongs to another model"
            )
    missing = sorted(expected - lora.layers.keys())
    if missing:
        raise WeightsError(
            f"{lora.path}: {len(expected) - len(missing)} of {len(expected)} layers, first missing {missing[0]}; "
            "the file belongs to another model or is incomplete"
        )


def _inject(transformer: Any, lora: Lora) -> None:
    """Through the loader of diffusers, under a configuration that names every layer's own rank and alpha."""
    ranks = {name: one.rank for name, one in lora.layers.items()}
    alphas = {name: one.alpha for name, one in lora.layers.items()}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    state = {}
    for name, factors in lora.layers.items():
        weight = transformer.get_submodule(name).weight
        state[f"{name}.lora_A.weight"] = factors.down.to(weight)
        state[f"{name}.lora_B.weight"] = factors.up.to(weight)
    transformer.load_lora_adapter(
        state,
        prefix=None,
        adapter_name=ADAPTER_NAME,
        low_cpu_mem_usage=True,
        metadata={
            "r": rank,
            "lora_alpha": alpha,
            "target_modules": LAYERS,
            "rank_pattern": {f"^{re.escape(name)}": one for name, one in ranks.items() if one != rank},
            "alpha_pattern": {f"^{re.escape(name)}": one for name, one in alphas.items() if one != alpha},
        },
    )


def _loaded_layers(transformer: nn.Module) -> set[str]:
    """Layers of the network that hold the adapter's factors."""
    loaded = set()
    for name, module in transformer.named_modules():
        factors = getattr(module, "lora_B", None)
        if factors is not None and ADAPTER_NAME in factors and not factors[ADAPTER_NAME].weight.is_meta:
            loaded.add(name)
    return loaded
