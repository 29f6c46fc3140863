"""Wan-Animate as published (Cheng et al., 2025): the backbone of the Appearance Expert without its fine-tuning.

Row "Wan-Animate" of Table 3, and the painter behind EDGE, Lodge and MEGADance in Table 1
(``cascade:edge+wan-animate``). Settings are upstream's command line: UniPC, 20 steps, shift 5, 77 frames a segment,
30 fps. The options are those of ``appearance-expert`` (:mod:`mace_dance.appearance.system`) less ``adapter`` and
``lora``.
"""

from __future__ import annotations

from typing import Any, Literal

from evaluation.systems import Card, system
from mace_dance.appearance.controls import ControlOptions
from mace_dance.appearance.system import WanAnimator

__all__ = ["UPSTREAM_PROMPT", "WanAnimate"]

UPSTREAM_PROMPT = "视频中的人在做动作"
"""Upstream's default: "the person in the video is moving"."""


@system(
    "wan-animate",
    task="animation",
    card=Card(
        paper="Wan-Animate",
        url="https://github.com/Wan-Video/Wan2.2",
        licence="Apache-2.0",
        n_parameters=23_713_385_831,
    ),
    weights=("wan-animate-14b",),
    fps=30,
    size=(720, 1280),
)
class WanAnimate(WanAnimator):
    """Wan-Animate with upstream's settings."""

    def __init__(
        self,
        weights: str | None = None,
        preset: str = "upstream",
        prompt: str | None = None,
        dtype: Literal["auto", "bfloat16", "float32"] = "auto",
        style: Literal["wan", "mace"] = "wan",
        align: bool | None = None,
        face: str = "reference",
        people: Literal["one", "largest"] = "one",
        pose_backend: str = "blazepose",
        **settings: Any,
    ) -> None:
        """See :mod:`mace_dance.appearance.system` for the options.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        super().__init__(
            weights,
            preset=preset,
            prompt=UPSTREAM_PROMPT if prompt is None else prompt,
            dtype=dtype,
            controls=ControlOptions(style, align, face, people, pose_backend),
            settings=settings,
        )
