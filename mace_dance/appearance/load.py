"""A Wan-Animate pipeline from a folder: the diffusers layout, or the original repository's; adapter and LoRA on top.

Nothing is downloaded unless asked for, no pickle is run, and all files are checked for being whole before the first
byte of weights is read. What was loaded is told file by file (:attr:`LoadedPipeline.provenance`), and a folder made by
``madance weights tiny`` keeps its label.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from mace_dance.appearance.adapter import load_adapter
from mace_dance.appearance.convert import load_original, original_files
from mace_dance.appearance.lora import load_lora
from mace_dance.appearance.quiet import quiet_libraries
from mace_dance.appearance.tensors import check_shards
from mace_dance.appearance.tiny import LABEL, MARKER
from madata.cache import remembered_sha256
from madata.devices import unusable
from madata.errors import ConfigError, MissingDependencyError, WeightsError
from madata.files import read_json
from madata.formats import suffix_of

__all__ = [
    "NETWORKS",
    "PUBLISHED",
    "REPOSITORY",
    "LoadedPipeline",
    "Network",
    "check_folder",
    "is_hub_id",
    "label_of",
    "label_of_marker",
    "load_parts",
    "load_pipeline",
]

REPOSITORY = "Wan-AI/Wan2.2-Animate-14B-Diffusers"
"""Where the published pipeline lies on the hub."""

PUBLISHED = "wan2.2-animate-14b"
"""Label of a pipeline with the published network's sizes."""

Network = Literal["transformer", "vae", "text_encoder", "image_encoder"]
NETWORKS: tuple[Network, ...] = ("transformer", "vae", "text_encoder", "image_encoder")
"""The parts of a pipeline that have weights."""

_PUBLISHED_SIZES = {"num_layers": 40, "num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMAND = "madance weights fetch wan-animate"
_PIPELINE = "WanAnimatePipeline"


@dataclass(frozen=True, eq=False)
class LoadedPipeline:
    """A pipeline ready to generate.

    Attributes:
        pipeline: ``diffusers.WanAnimatePipeline``; every network in ``eval`` mode and without gradients.
        label: what the weights are: :data:`PUBLISHED`, ``"tiny-random"`` or ``"custom"``.
        provenance: what was loaded, fit for JSON: source, layout, files (part, name, size in bytes, sha256),
            adapter, LoRA and its layer count, dtype, versions of the libraries.
    """

    pipeline: Any
    label: str
    provenance: dict[str, Any]

    @property
    def is_tiny(self) -> bool:
        """Random weights: whatever it generates is no result."""
        return self.label == LABEL


def load_pipeline(
    source: Path | str,
    *,
    adapter: Path | None = None,
    whole_adapter: bool = False,
    lora: Path | None = None,
    lora_strength: float = 0.5,
    fuse_lora: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    allow_download: bool = False,
    hashes: bool = True,
) -> LoadedPipeline:
    """Load a pipeline and what fine-tuning put on top of it.

    Args:
        source: a folder in the diffusers layout, the folder of the original Wan2.2-Animate-14B, or a hub id
            (``owner/name``), which is looked up in the hub's cache on this machine.
        adapter: a Body Adapter (:mod:`mace_dance.appearance.adapter`).
        whole_adapter: take the face modules of the adapter, too.
        lora: a LoRA (:mod:`mace_dance.appearance.lora`).
        lora_strength: 0.5 is the release's.
        fuse_lora: add the LoRA to the weights instead of keeping it beside them.
        dtype: of the weights; layers that diffusers keeps in float32 stay so.
        device: where the networks go; ``"cpu"`` for a caller that offloads.
        allow_download: fetch a hub id that is not in the cache.
        hashes: put SHA-256 into the provenance (read once for each file, then remembered on this machine).

    Raises:
        WeightsError: a file is missing, damaged or belongs to another model.
        MissingDependencyError: a library of the extra ``mace`` is not installed.
        ConfigError: the device or the strength is not usable.
    """
    for path in (adapter, lora):
        if path is not None and not path.is_file():
            raise WeightsError(
                f"{path}: no such file; madance weights fetch appearance-weights gets the released ones"
            )
    with quiet_libraries():
        pipeline, folder, layout = _base(source, dtype, allow_download=allow_download)
        files = _records(_weight_files(folder), folder, hashes=hashes)
        label = label_of(folder, pipeline.transformer.config)
        _clip_input(pipeline)
        top: dict[str, Any] = {"adapter": None, "lora": None}
        if adapter is not None:
            taken = load_adapter(pipeline.transformer, adapter, whole=whole_adapter)
            top["adapter"] = {**_record(adapter, adapter.name, hashes=hashes), "loaded": list(taken.loaded)}
        if lora is not None:
            added = load_lora(pipeline.transformer, lora, strength=lora_strength, fuse=fuse_lora)
            top["lora"] = {**_record(lora, lora.name, hashes=hashes), **asdict(added)}
        for network in pipeline.components.values():
            if hasattr(network, "requires_grad_"):
                network.eval().requires_grad_(False)
        _move(pipeline, device)
    versions = {name: version(name) for name in ("torch", "diffusers", "transformers", "peft")}
    made_of = {"source": str(source), "layout": layout, "label": label, "dtype": dtype, "files": files}
    return LoadedPipeline(pipeline, label, {**made_of, **top, "versions": versions})


def _base(source: Path | str, dtype: str, *, allow_download: bool) -> tuple[Any, Path, str]:
    """``(pipeline, folder of its files, layout)``."""
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("the Appearance Expert needs: pip install 'madance[mace]'") from error
    hub = is_hub_id(source)
    folder = _from_hub(str(source), allow_download=allow_download) if hub else Path(source)
    layout = check_folder(folder)
    if layout == "original":
        return load_original(original_files(folder), getattr(torch, dtype)), folder, layout
    return load_parts(folder, getattr(torch, dtype)), folder, "hub" if hub else layout


def is_hub_id(source: Path | str) -> bool:
    """Whether a source is an ``owner/name`` of the hub and no folder."""
    return isinstance(source, str) and _HUB_ID.fullmatch(source) is not None and not Path(source).is_dir()


def check_folder(folder: Path) -> Literal["diffusers", "original"]:
    """The layout of a pipeline's folder that is whole.

    Reads headers of files and no weights, so that a long job hears of a damaged one at its start.

    Raises:
        WeightsError: there is no such folder, it is of neither layout, or a file is missing or cut off.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder}: no such folder; run: {_COMMAND}")
    index = folder / "model_index.json"
    if index.is_file():
        _check_diffusers(folder, read_json(index))
        return "diffusers"
    if not any(folder.glob("diffusion_pytorch_model*.safetensors")):
        raise WeightsError(
            f"{folder}: neither a pipeline of diffusers (no model_index.json) nor the original repository "
            f"(no diffusion_pytorch_model*.safetensors); run: {_COMMAND}"
        )
    original_files(folder)
    return "original"


def _check_diffusers(folder: Path, index: dict[str, Any]) -> None:
    if index.get("_class_name") != _PIPELINE:
        raise WeightsError(f"{folder}: is a {index.get('_class_name')}, not a {_PIPELINE}")
    for part in (*NETWORKS, "tokenizer"):
        if not (folder / part).is_dir():
            raise WeightsError(f"{folder / part}: missing from the pipeline; run: {_COMMAND}")
    for part in NETWORKS:
        if not any((folder / part).glob("*.safetensors")):
            raise WeightsError(f"{folder / part}: holds no safetensors file; run: {_COMMAND}")
    check_shards(folder)


def _from_hub(source: str, *, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                source,
                local_files_only=not allow_download,
                allow_patterns=["*.json", "*.safetensors", "*.model"],
            )
        )
    except LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{source}: neither a folder nor in the hub's cache on this machine; run: {_COMMAND}, or "
            f"fetch it (hf download {source})"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise WeightsError(f"{source}: could not be fetched from the hub: {error}") from error


def load_parts(folder: Path, dtype: Any, absent: Collection[str] = ()) -> Any:
    """The pipeline of a folder in the diffusers layout, with ``None`` in place of the parts that are absent.

    Args:
        dtype: of the weights, or one for each part by name.

    Raises:
        WeightsError: the files do not hold the weights.
    """
    from diffusers import WanAnimatePipeline

    try:
        return WanAnimatePipeline.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, **dict.fromkeys(absent)
        )
    except (OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise WeightsError(f"{folder}: the pipeline cannot be loaded: {said}") from error


def label_of(folder: Path, config: Mapping[str, Any]) -> str:
    """What the weights in ``folder`` are, the transformer being of ``config``; see :attr:`LoadedPipeline.label`."""
    is_published = all(config[name] == size for name, size in _PUBLISHED_SIZES.items())
    return label_of_marker(folder) or (PUBLISHED if is_published else "custom")


def label_of_marker(folder: Path) -> str | None:
    """What a folder of ``madance weights tiny`` says of itself; ``None`` for others."""
    marker = folder / MARKER
    return str(read_json(marker)["label"]) if marker.is_file() else None


def _clip_input(pipeline: Any) -> None:
    """CLIP sees the whole picture squashed to its square, as Wan was trained, never its centre crop."""
    from transformers import CLIPImageProcessor

    side = int(pipeline.image_encoder.config.image_size)
    size = {"height": side, "width": side}
    pipeline.register_modules(
        image_processor=CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    )


def _move(pipeline: Any, device: str) -> None:
    if device == "cpu":
        return
    import torch

    try:
        pipeline.to(device)
    except torch.cuda.OutOfMemoryError as error:
        raise ConfigError(f"the weights do not fit on {device}: load them on the cpu and offload") from error
    except (RuntimeError, AssertionError) as error:
        raise unusable(device, error) from error


def _weight_files(folder: Path) -> list[Path]:
    kinds = (".safetensors", ".pth")
    return sorted(path for path in folder.rglob("*") if suffix_of(path) in kinds and path.is_file())


def _records(paths: Iterable[Path], folder: Path, *, hashes: bool) -> list[dict[str, Any]]:
    return [_record(path, path.relative_to(folder).as_posix(), hashes=hashes) for path in paths]


def _record(path: Path, name: str, *, hashes: bool) -> dict[str, Any]:
    digest = remembered_sha256(path) if hashes else None
    return {"file": name, "size": path.stat().st_size, "sha256": digest}
