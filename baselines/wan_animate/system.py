"""Wan-Animate as published (Cheng et al., 2025): the backbone of the Appearance Expert without its fine-tuning.

Row "Wan-Animate" of Table 3, and the painter behind EDGE, Lodge and MEGADance in Table 1
(``cascade:edge+wan-animate``). Settings are upstream's command line: UniPC, 20 steps, shift 5, 77 frames a segment,
30 fps. The options are those of ``appearance-expert`` (:mod:`mace_dance.appearance.system`) less ``adapter`` and
``lora``.
"""

from __future__ import annotations

from evaluation.systems import Card, system
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

    preset = "upstream"
    prompt = UPSTREAM_PROMPT
