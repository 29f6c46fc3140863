"""Settings of ``madance train kinematic`` and ``madance train aesthetic``.

The defaults are the recipe of the release: AdamW with weight decay 0.01, a constant rate of 1e-5 (kinematic) or 1e-4
(aesthetic), one clip per device and step, bf16, two epochs, a checkpoint every 100 steps, 832 x 480. A TOML file,
``--set section.key=value`` and the flags of the command follow in this order.

Two layouts put a clip beside its poses:

| | ``wan`` (default, what inference does) | ``diffsynth`` (the release) |
|---|---|---|
| target | reference picture and F frames, encoded apart | F + 4 frames, encoded together |
| known | reference and F empty frames, encoded apart | reference and F + 3 empty frames, together |
| pose latent i | beside the latent of the same frames | beside that of the 4 frames after them |

An empty frame is 0 in -1..1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from mace_dance.appearance.settings import DEFAULT_PROMPT
from mace_dance.training.shared.settings import LoopSettings
from madata.config import ClosedModel, merged, parse_override, validated
from madata.files import read_toml

__all__ = [
    "AppearanceTraining",
    "ClipSettings",
    "FlowSettings",
    "Layout",
    "LoraSettings",
    "Stage",
    "VideoSampleSettings",
    "training_settings",
]

Stage = Literal["kinematic", "aesthetic"]
Layout = Literal["wan", "diffsynth"]

_SIDE = 16
_RATES: dict[Stage, float] = {"kinematic": 1e-5, "aesthetic": 1e-4}


class ClipSettings(ClosedModel):
    """How footage becomes training samples.

    Attributes:
        width, height: px, multiples of 16.
        fps: of the samples; frame i of one shows time i / fps of it.
        frames: F, frames of a sample that have a pose, 4 n + 1.
        windows: cut a clip into as many samples as it holds, or take the ``first`` only.
        fit: ``crop`` fills the frame and cuts the overhang, ``pad`` adds black.
        split: of a MA-Data folder, what is trained on.
        style: how poses are drawn from keypoints, see :mod:`mace_dance.appearance.pose_video`.
        face: ``reference`` is the face of the first frame, held, as generation has it; ``video`` the face of every
            frame; ``none`` black.
        pose_backend: finds the face where a clip has neither keypoints nor a face video, see :mod:`madata.pose`.
        prompt: of every clip that brings none.
    """

    width: int = Field(default=480, ge=16, le=4096)
    height: int = Field(default=832, ge=16, le=4096)
    fps: float = Field(default=16.0, gt=0, le=240)
    frames: int = Field(default=77, ge=5)
    windows: Literal["all", "first"] = "all"
    fit: Literal["crop", "pad"] = "crop"
    split: Literal["train", "val", "test"] = "train"
    style: Literal["wan", "mace"] = "wan"
    face: Literal["reference", "video", "none"] = "reference"
    pose_backend: str = "wholebody"
    prompt: str = Field(default=DEFAULT_PROMPT, min_length=1)

    @model_validator(mode="after")
    def _fit_the_network(self) -> ClipSettings:
        for name, side in (("width", self.width), ("height", self.height)):
            if side % _SIDE:
                below = side // _SIDE * _SIDE
                raise ValueError(
                    f"{name} must be a multiple of 16, not {side}; the nearest are {below or _SIDE} and "
                    f"{below + _SIDE}"
                )
        if self.frames % 4 != 1:
            below = (self.frames - 1) // 4 * 4 + 1
            raise ValueError(f"frames is 4 n + 1, not {self.frames}; the nearest are {below} and {below + 4}")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) px."""
        return self.width, self.height


class FlowSettings(ClosedModel):
    """The loss, see :mod:`mace_dance.training.appearance.loss`.

    Attributes:
        shift: moves the noise levels towards noise.
        weighting: the bell-shaped weights of the release, or ``none``.
        rounding: of the time the network is told; ``auto`` is ``bf16`` in the layout of the release.
        reference_slot: count the first latent frame, which holds the reference picture.
    """

    shift: float = Field(default=5.0, gt=0)
    weighting: Literal["bell", "none"] = "bell"
    rounding: Literal["auto", "bf16", "none"] = "auto"
    reference_slot: bool = True


class LoraSettings(ClosedModel):
    """The update W + alpha / rank B A of the Aesthetic stage; ``alpha`` is the rank when not given."""

    rank: int = Field(default=32, ge=1, le=1024)
    alpha: float | None = Field(default=None, gt=0)

    @property
    def scale(self) -> float:
        """Numerator of the update."""
        return float(self.rank if self.alpha is None else self.alpha)


class VideoSampleSettings(ClosedModel):
    """Clips that are generated while it trains, to look at.

    Attributes:
        clips: how many of the training clips are generated again from their first frame, spread evenly.
        every_steps: optimiser steps between, 0 for the end only.
        steps: of the sampler.
        seed: of the noise.
    """

    clips: int = Field(default=1, ge=0)
    every_steps: int = Field(default=500, ge=0)
    steps: int = Field(default=20, ge=1, le=1000)
    seed: int = Field(default=0, ge=0)


class AppearanceTraining(ClosedModel):
    """Everything about a run but its folders, files and device.

    Attributes:
        stage: what is trained.
        layout: see the module.
        pose: drive the network by pose and face; without, as the Aesthetic scripts of the release train.
        checkpointing: recompute blocks in the backward pass instead of keeping their activations.
        offload: keep what autograd saves in the memory of the machine.
        shard: divide the frozen weights among the processes; without samples, which one process generates alone.
        loop: length, rates, checkpoints; ``loop.batch_size`` is one clip per device and micro-batch by default.
    """

    stage: Stage
    layout: Layout = "wan"
    pose: bool = True
    checkpointing: bool = True
    offload: bool = False
    shard: bool = False
    loop: LoopSettings
    data: ClipSettings = ClipSettings()
    flow: FlowSettings = FlowSettings()
    lora: LoraSettings = LoraSettings()
    samples: VideoSampleSettings = VideoSampleSettings()

    @model_validator(mode="after")
    def _agree(self) -> AppearanceTraining:
        if self.stage == "kinematic" and not self.pose:
            raise ValueError("pose: the kinematic stage trains what reads the pose and cannot do without")
        if self.loop.precision == "fp16":
            raise ValueError("loop.precision: Wan overflows in fp16; choose bf16 or no")
        if self.shard and self.samples.clips:
            raise ValueError(
                "shard: one process generates the samples and needs all weights; say samples.clips=0"
            )
        if self.loop.sample_every:
            raise ValueError("loop.sample_every counts epochs; say samples.every_steps")
        return self

    @property
    def target_frames(self) -> int:
        """Frames of a sample that are read: F, and four more in the layout of the release."""
        return self.data.frames + (4 if self.layout == "diffsynth" else 0)

    @property
    def rounding(self) -> Literal["none", "bf16"]:
        """Rounding of the times, ``auto`` resolved."""
        if self.flow.rounding == "auto":
            return "bf16" if self.layout == "diffsynth" else "none"
        return self.flow.rounding


def training_settings(
    stage: Stage,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> AppearanceTraining:
    """Settings of a run from their layers.

    Args:
        stage: what is trained; decides the defaults.
        config: TOML file of the user.
        overrides: ``section.key=value``.
        flags: nested values of the command's own flags.

    Raises:
        ConfigError: a setting is unknown (the nearest is named), malformed or out of range.
    """
    loop = {
        "epochs": 2,
        "precision": "bf16",
        "optimizer": "adamw",
        "learning_rate": _RATES[stage],
        "weight_decay": 0.01,
        "average_decay": 0.0,
        "checkpoint_every": 100,
        "sample_every": 0,
    }
    layers = [read_toml(config) if config else {}, *map(parse_override, overrides), flags or {}]
    values = merged([{"loop": loop}, *layers, {"stage": stage}])
    chosen = values["loop"]
    if isinstance(chosen, Mapping) and "batch_size" not in chosen:
        accumulate = chosen.get("accumulate", 1)
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        if isinstance(accumulate, int):
            values["loop"] = {**chosen, "batch_size": processes * accumulate}
    return validated(AppearanceTraining, values)
