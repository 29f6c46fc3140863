"""What can be chosen about a video made by the Appearance Expert, and whether given inputs fit it.

Two presets hold what was published:

| | ``release`` (MACE-Dance) | ``upstream`` (Wan-Animate) |
|---|---|---|
| sampler | Euler | UniPC |
| shift, steps, guidance | 5, 20, 1 | 5, 20, 1 |
| segment, overlap | 77 frames, 1 | 77 frames, 1 |
| rate | 15 fps | 30 fps |
| size (w x h) | 720 x 1280 | 720 x 1280 |
| LoRA strength | 0.5 | 0: plain Wan-Animate has none |

The release calls its segment "81 frames": it counts four frames for the reference picture, uses 77 control frames and
returns 77. It makes one segment only; here its settings serve longer videos with upstream's plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from mace_dance.appearance.drift import ColourMatch
from mace_dance.appearance.segments import SegmentPlan, plan_segments
from madata.config import ClosedModel, validated
from madata.errors import ConfigError, did_you_mean

__all__ = [
    "DEFAULT_PROMPT",
    "PRESETS",
    "InferenceSettings",
    "check_inputs",
    "inference_settings",
]

DEFAULT_PROMPT = "视频中的人在跳舞"
"""The prompt the experts were trained and released with for every clip: "the person in the video is dancing"."""

_SIDE = 16
_FEWEST_PX, _MOST_PX = 16, 4096


class InferenceSettings(ClosedModel):
    """Settings of one video; closed, frozen, compared key by key when a run is resumed.

    Attributes:
        width, height: of the video in px, multiples of 16.
        fps: of the pose video and of the result.
        segment_frames: frames made in one go, 4 n + 1.
        overlap: frames a segment shares with the one before, 1 or 5.
        sampler, shift, steps: see :mod:`mace_dance.appearance.schedules`.
        guidance: weight of classifier-free guidance; 1 is none and costs half. Above 1 the unconditional pass sees
            ``negative_prompt`` and no face.
        negative_prompt: used with ``guidance`` above 1 only.
        lora_strength: how much of the LoRA is added to the weights; 0 is none.
        match_colour: correction against drift, see :mod:`mace_dance.appearance.drift`.
    """

    width: int = Field(default=720, ge=_FEWEST_PX, le=_MOST_PX)
    height: int = Field(default=1280, ge=_FEWEST_PX, le=_MOST_PX)
    fps: float = Field(default=15.0, gt=0, le=240)
    segment_frames: int = Field(default=77, ge=5)
    overlap: Literal[1, 5] = 1
    sampler: Literal["euler", "unipc", "dpm++"] = "euler"
    shift: float = Field(default=5.0, gt=0)
    steps: int = Field(default=20, ge=1, le=1000)
    guidance: float = Field(default=1.0, ge=1)
    negative_prompt: str = ""
    lora_strength: float = Field(default=0.5, ge=0, le=4)
    match_colour: ColourMatch = "none"

    @model_validator(mode="after")
    def _fit_the_network(self) -> InferenceSettings:
        for name, side in (("width", self.width), ("height", self.height)):
            if side % _SIDE:
                lower = max(side // _SIDE * _SIDE, _FEWEST_PX)
                raise ValueError(
                    f"{name} must be a multiple of 16, not {side}; the nearest are {lower} and {lower + _SIDE}"
                )
        try:
            plan_segments(self.overlap + 1, self.segment_frames, self.overlap)
        except ConfigError as error:
            raise ValueError(f"segment_frames: {error}") from error
        return self

    @property
    def guided(self) -> bool:
        """Whether every step takes a second, unconditional pass."""
        return self.guidance > 1


PRESETS: dict[str, InferenceSettings] = {
    "release": InferenceSettings(),
    "upstream": InferenceSettings(sampler="unipc", fps=30.0, lora_strength=0.0),
}


def inference_settings(
    preset: str = "release", overrides: Mapping[str, Any] | None = None
) -> InferenceSettings:
    """A preset with single settings changed.

    Raises:
        ConfigError: there is no such preset or setting (the nearest is named), or a value is out of range.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}{did_you_mean(preset, PRESETS)}")
    return validated(InferenceSettings, PRESETS[preset].model_dump() | dict(overrides or {}))


def check_inputs(
    settings: InferenceSettings,
    reference: np.ndarray[Any, Any],
    pose_frames: Sequence[np.ndarray[Any, Any]] | np.ndarray[Any, Any],
    face_frames: Sequence[np.ndarray[Any, Any]] | np.ndarray[Any, Any],
) -> SegmentPlan:
    """Refuse what would fail hours later; looks at lengths, and at the first and last frame.

    Returns:
        How the clip will be cut.

    Raises:
        ConfigError: a length, size or type does not fit; the message says which was expected.
    """
    if not _is_picture(reference):
        raise ConfigError(f"the reference picture is uint8 (H, W, 3), not {_kind(reference)}")
    plan = plan_segments(len(pose_frames), settings.segment_frames, settings.overlap)
    if len(face_frames) != len(pose_frames):
        raise ConfigError(
            f"the face video has {len(face_frames)} frames and the pose video {len(pose_frames)}: give one face "
            "per pose (cut or resample the face video to the pose video's times)"
        )
    for index in (0, len(pose_frames) - 1):
        pose, face = pose_frames[index], face_frames[index]
        if not _is_picture(pose) or pose.shape[:2] != (settings.height, settings.width):
            raise ConfigError(
                f"pose frame {index} is {_kind(pose)}; the settings ask for uint8 "
                f"{(settings.height, settings.width, 3)} (H, W, 3): render the pose video at that size"
            )
        if not _is_picture(face):
            raise ConfigError(f"face frame {index} is uint8 (H, W, 3), not {_kind(face)}")
    return plan


def _is_picture(image: np.ndarray[Any, Any]) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0


def _kind(image: np.ndarray[Any, Any]) -> str:
    return f"{image.dtype} {image.shape}"
