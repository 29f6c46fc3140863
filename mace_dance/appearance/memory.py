"""How a pipeline of 47 GB fits the graphics memory there is: an estimate, and a plan chosen from it.

What needs memory: the weights; the activations of the transformer, in proportion to its tokens (one per 16 x 16 px
and latent frame, the reference counted as one); those of the VAE, in proportion to the pixels of a frame, or of a tile.
The two factors were found by following every allocation of the full-size networks in bfloat16 (77 frames, 832 x 480
and 1280 x 720) without computing anything; a real card adds its allocator's losses, for which :data:`RESERVE` stands.

Plans from fast to frugal; the first that fits is taken. Each is tried with the VAE working on whole frames, then, as
``<name>-tiled``, on tiles of 256 px, which are blended where they meet:

| plan | on the device | same bits |
|---|---|---|
| ``resident`` | everything, always | yes |
| ``encoders-released`` | transformer and VAE; each encoder while it is used, once | yes |
| ``offload`` | one part at a time | yes |
| ``group-offload`` | two blocks of the transformer at a time, the next one under way | yes |
| ``fp8`` | one part at a time, the transformer stored in 8 bits | no |
| ``fp8-group-offload`` | two blocks at a time, stored in 8 bits | no |

With ``group-offload`` the text encoder computes on the host where the device cannot hold it (11.4 GB); it does so once.
Offloading by blocks comes before 8 bits because it changes nothing and costs little: at 75,600 tokens a block computes
far longer than it travels. 8 bits are for machines whose own memory is short.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mace_dance.appearance.segments import SegmentPlan
from mace_dance.appearance.settings import InferenceSettings
from madata.devices import unusable
from madata.errors import MadanceError

__all__ = [
    "FULL_SIZE",
    "RESERVE",
    "ClipEstimate",
    "MemoryPlan",
    "ModelSizes",
    "check_disk",
    "choose_plan",
    "count_clip",
    "disk_bytes",
    "estimate",
    "free_memory",
    "lossless_bytes",
    "model_sizes",
    "segment_tokens",
]

RESERVE = 0.06
"""Share of the free memory that is left alone: fragmentation, workspaces, the driver."""

_GB = 1e9
_PATCH = 16
_TEMPORAL = 4
_TRANSFORMER_BYTES = 26.4
_VAE_BYTES = 10_350
_TILE_PX = 256 * 256
_VIDEO_COPIES = 3
_LOSSLESS_SHARE = 0.5
_GROUPS = 3


@dataclass(frozen=True)
class ModelSizes:
    """Parameters of the parts of a pipeline.

    Attributes:
        transformer, vae, text_encoder, image_encoder: parameters; LoRA layers count with the transformer.
        block: parameters of one transformer block.
        blocks: how many of them.
        hidden: width of the transformer.
        bytes_each: bytes of a weight as loaded; 2 for bfloat16.
    """

    transformer: int
    vae: int
    text_encoder: int
    image_encoder: int
    block: int
    blocks: int
    hidden: int
    bytes_each: int = 2

    @property
    def all_bytes(self) -> int:
        """Bytes of all weights."""
        parts = (self.transformer, self.vae, self.text_encoder, self.image_encoder)
        return sum(parts) * self.bytes_each

    @property
    def transformer_bytes(self) -> int:
        """Bytes of the transformer."""
        return self.transformer * self.bytes_each

    @property
    def vae_bytes(self) -> int:
        """Bytes of the VAE."""
        return self.vae * self.bytes_each


FULL_SIZE = ModelSizes(
    transformer=17_274_816_884,
    vae=126_892_531,
    text_encoder=5_680_910_336,
    image_encoder=630_766_080,
    block=403_838_464,
    blocks=40,
    hidden=5120,
)
"""Wan2.2-Animate-14B in bfloat16, 47.4 GB."""


@dataclass(frozen=True)
class ClipEstimate:
    """What a clip will take, in bytes unless the name says otherwise.

    Attributes:
        steps: of each segment.
        keyframe_steps: beside them, of a stage that makes keyframes first.
    """

    sizes: ModelSizes
    segments: int
    steps: int
    passes: int
    frames: int
    tokens: int
    transformer_activations: int
    vae_activations: int
    vae_activations_tiled: int
    disk: int
    keyframe_steps: int = 0

    @property
    def network_calls(self) -> int:
        """Passes through the transformer for the whole clip."""
        return (self.segments * self.steps + self.keyframe_steps) * self.passes


@dataclass(frozen=True)
class MemoryPlan:
    """Where the parts of a pipeline are.

    Attributes:
        name: see the table of the module.
        resident: members that stay on the device; the others visit it.
        grouped: the transformer is brought in block by block.
        fp8: the transformer is stored in 8 bits and computes in its own precision.
        tiled: the VAE works in tiles.
        text_on_host: the text encoder never comes to the device.
        peak_bytes: most that is on the device at one time.
        host_bytes: most that is in the memory of the machine.
        free_bytes: what the plan was chosen for.
        estimate: what was counted.
    """

    name: str
    resident: tuple[str, ...]
    grouped: bool
    fp8: bool
    tiled: bool
    text_on_host: bool
    peak_bytes: int
    host_bytes: int
    free_bytes: int
    estimate: ClipEstimate

    def describe(self) -> str:
        """The plan and the estimate, a line each."""
        counted = self.estimate
        vae = counted.vae_activations_tiled if self.tiled else counted.vae_activations
        rows = [
            ("memory plan", self.name + (", text encoder on the host" if self.text_on_host else "")),
            ("peak / free", f"{_gb(self.peak_bytes)} of {_gb(self.free_bytes)} on the device"),
            ("host memory", _gb(self.host_bytes)),
            (
                "weights",
                f"{_gb(counted.sizes.all_bytes)}, transformer {_gb(counted.sizes.transformer_bytes)}",
            ),
            ("activations", f"transformer {_gb(counted.transformer_activations)}, VAE {_gb(vae)}"),
            ("tokens", f"{counted.tokens:,} per segment"),
            (
                "work",
                f"{counted.frames} frames, segments: {counted.segments}, steps in each: {counted.steps}, "
                + (f"steps of the keyframes: {counted.keyframe_steps}, " if counted.keyframe_steps else "")
                + f"passes of the transformer: {counted.network_calls}",
            ),
            ("disk", f"up to {_gb(counted.disk)}"),
        ]
        return "\n".join(f"{name:12s} {value}" for name, value in rows)


def segment_tokens(settings: InferenceSettings) -> int:
    """Tokens of one segment: 75,600 for 77 frames of 1280 x 720."""
    latent_frames = (settings.segment_frames - 1) // _TEMPORAL + 1
    return (latent_frames + 1) * (settings.height // _PATCH) * (settings.width // _PATCH)


def estimate(settings: InferenceSettings, plan: SegmentPlan, sizes: ModelSizes = FULL_SIZE) -> ClipEstimate:
    """Count what a clip takes; loads nothing."""
    pixels = settings.width * settings.height
    return count_clip(
        sizes,
        segments=len(plan.segments),
        steps=settings.steps,
        passes=2 if settings.guided else 1,
        frames=plan.num_frames,
        tokens=segment_tokens(settings),
        vae_px=pixels,
        tile_px=min(pixels, _TILE_PX),
        video=3 * settings.segment_frames * pixels,
        disk=disk_bytes(settings, [plan.kept(part) for part in plan.segments]),
    )


def count_clip(
    sizes: ModelSizes,
    *,
    segments: int,
    steps: int,
    passes: int,
    frames: int,
    tokens: int,
    vae_px: int,
    tile_px: int,
    video: int,
    disk: int,
    keyframe_steps: int = 0,
) -> ClipEstimate:
    """The estimate of a clip of any Wan system.

    Args:
        vae_px, tile_px: pixels that the VAE has before it at once, as it is and in diffusers' tiles.
        video: values of the frames of one segment.
    """
    precision = sizes.bytes_each / 2
    return ClipEstimate(
        sizes=sizes,
        segments=segments,
        steps=steps,
        passes=passes,
        frames=frames,
        tokens=tokens,
        transformer_activations=int(_TRANSFORMER_BYTES * precision * sizes.hidden * tokens),
        vae_activations=int(_VAE_BYTES * precision * vae_px),
        vae_activations_tiled=int(_VAE_BYTES * precision * tile_px)
        + _VIDEO_COPIES * video * sizes.bytes_each,
        disk=disk,
        keyframe_steps=keyframe_steps,
    )


def disk_bytes(settings: InferenceSettings, frames: Sequence[int]) -> int:
    """What segments of so many new frames leave on the disk, and the latents of the one being made.

    Frames count with half of their pixels' bytes; real footage takes 4 to 25 % of them.
    """
    if not frames:
        return 0
    pixels = settings.width * settings.height
    latent_frames = (settings.segment_frames - 1) // _TEMPORAL + 2
    latents = 16 * latent_frames * pixels // 64 * 4
    tails = len(frames) * settings.overlap * pixels * 3 * 4
    return lossless_bytes(sum(frames), pixels) + tails + latents


def lossless_bytes(frames: int, pixels: int) -> int:
    """What so many frames are taken to leave on the disk, half of their bytes."""
    return int(frames * pixels * 3 * _LOSSLESS_SHARE)


def choose_plan(counted: ClipEstimate, free_bytes: int, host_bytes: int | None = None) -> MemoryPlan:
    """The fastest plan that fits.

    Args:
        counted: from :func:`estimate`.
        free_bytes: free on the device, see :func:`free_memory`.
        host_bytes: free in the machine; not looked at when ``None``.

    Raises:
        MadanceError: nothing fits; the message says what the most frugal plan needs.
    """
    plans = [_peak(plan, free_bytes) for plan in _candidates(counted)]
    for plan in plans:
        on_device = plan.peak_bytes <= free_bytes * (1 - RESERVE)
        if on_device and (host_bytes is None or plan.host_bytes <= host_bytes):
            return plan
    least = min(plans, key=lambda plan: plan.peak_bytes)
    lightest = min(plans, key=lambda plan: plan.host_bytes)
    host = "" if host_bytes is None else f" and {_gb(host_bytes)} in the machine"
    raise MadanceError(
        f"no memory plan fits {_gb(free_bytes)} on the device{host}: the most frugal takes {_gb(least.peak_bytes)} "
        f"there (and {_gb(RESERVE * free_bytes)} in reserve) and {_gb(lightest.host_bytes)} in the machine; make the "
        "video smaller or segment_frames less"
    )


def _candidates(counted: ClipEstimate) -> list[MemoryPlan]:
    everything = ("transformer", "vae", "text_encoder", "image_encoder")
    first = MemoryPlan("resident", everything, False, False, False, False, 0, 0, 0, counted)
    offload = replace(first, name="offload", resident=())
    plans = [
        first,
        replace(first, name="encoders-released", resident=("transformer", "vae")),
        offload,
        replace(offload, name="group-offload", grouped=True),
        replace(offload, name="fp8", fp8=True),
        replace(offload, name="fp8-group-offload", grouped=True, fp8=True),
    ]
    return [
        variant for plan in plans for variant in (plan, replace(plan, name=f"{plan.name}-tiled", tiled=True))
    ]


def _peak(plan: MemoryPlan, free_bytes: int) -> MemoryPlan:
    """The plan with its peaks: the largest of encoding, denoising and decoding."""
    counted, sizes = plan.estimate, plan.estimate.sizes
    whole, vae = sizes.transformer_bytes, sizes.vae_bytes
    if plan.fp8:
        whole -= sizes.block * sizes.blocks * (sizes.bytes_each - 1)
    present = whole
    if plan.grouped:
        stored = sizes.block * (1 if plan.fp8 else sizes.bytes_each)
        present = whole - (sizes.blocks - _GROUPS) * stored
    members = {
        "transformer": present,
        "vae": vae,
        "text_encoder": sizes.text_encoder * sizes.bytes_each,
        "image_encoder": sizes.image_encoder * sizes.bytes_each,
    }
    decode = counted.vae_activations_tiled if plan.tiled else counted.vae_activations

    def while_using(member: str, activations: int) -> int:
        staying = sum(members[name] for name in plan.resident if name != member)
        return staying + members[member] + activations

    on_host = plan.grouped and members["text_encoder"] > free_bytes * (1 - RESERVE)
    peak = max(
        while_using("transformer", counted.transformer_activations),
        while_using("vae", decode),
        0 if on_host else while_using("text_encoder", 0),
    )
    host = sizes.all_bytes - sizes.transformer_bytes + whole
    return replace(plan, text_on_host=on_host, peak_bytes=peak, host_bytes=host, free_bytes=free_bytes)


def model_sizes(pipeline: Any) -> ModelSizes:
    """Count a loaded pipeline; encoders may be ``None``."""
    network = pipeline.transformer

    def count(module: Any) -> int:
        return 0 if module is None else sum(weight.numel() for weight in module.parameters())

    return ModelSizes(
        transformer=count(network),
        vae=count(pipeline.vae),
        text_encoder=count(pipeline.text_encoder),
        image_encoder=count(pipeline.image_encoder),
        block=count(network.blocks[0]),
        blocks=len(network.blocks),
        hidden=network.config.num_attention_heads * network.config.attention_head_dim,
        bytes_each=network.dtype.itemsize,
    )


def free_memory(device: str = "cuda") -> int:
    """Free bytes on a device; for ``"cpu"`` what the machine has available.

    Raises:
        ConfigError: there is no such device.
        MadanceError: the system does not say.
    """
    import torch

    try:
        if torch.device(device).type == "cuda":
            return int(torch.cuda.mem_get_info(device)[0])
    except (RuntimeError, AssertionError, ValueError) as error:
        raise unusable(device, error) from error
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise MadanceError("the free memory of this machine is not known: /proc/meminfo has no MemAvailable")


def check_disk(folder: Path, needed: int) -> None:
    """Refuse a run whose segments would not fit the disk of ``folder``.

    Raises:
        MadanceError: there is less room than ``needed`` bytes.
    """
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise MadanceError(
            f"{folder}: the segments may take {_gb(needed)} and the disk has {_gb(free)} free: make room, or choose "
            "another folder"
        )


def _gb(count: float) -> str:
    return f"{count / _GB:.1f} GB" if count >= _GB / 10 else f"{count / 1e6:.1f} MB"
