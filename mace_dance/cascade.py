"""MACE-Dance: music + a picture -> the Motion Expert's dance -> the Appearance Expert's video (paper, section 3).

An option of a stage has the stage in front (``motion.beta=0.5``, ``animation.weights=FOLDER``); those of
:data:`SHORTCUTS` need none. The dance is made at 30 frames per second and brought to the video's rate by time.
Everything in between is kept beside the clip, see :mod:`evaluation.systems.cascade`.
"""

from __future__ import annotations

from typing import Any

from evaluation.systems import Cascade, Origin, Plugin, Running, stage_options, system
from evaluation.systems.cascade import joint_card
from evaluation.systems.plugin import declaration_of
from mace_dance.appearance.system import CARD as APPEARANCE_CARD
from mace_dance.appearance.system import AppearanceExpert
from mace_dance.motion.system import CARD as MOTION_CARD
from mace_dance.motion.system import MotionExpertSystem

__all__ = ["SHORTCUTS", "MaceDance"]

SHORTCUTS = {
    "beta": ("motion.beta",),
    "genre": ("motion.genre",),
    "preset": ("animation.preset",),
    "prompt": ("animation.prompt",),
    "face": ("animation.face",),
    "lora_strength": ("animation.lora_strength",),
}
"""Options that exist in one stage only, and what they stand for."""

_MOTION_FPS = 30.0


@system(
    "mace-dance",
    task="video",
    card=joint_card(MOTION_CARD, APPEARANCE_CARD),
    weights=("wan-animate-14b", "mace-dance-adapter", "mace-dance-lora"),
    fps=15,
    size=(720, 1280),
)
class MaceDance(Cascade):
    """The cascade of both experts."""

    def __init__(self, **options: Any) -> None:
        """See the module for the options.

        Raises:
            MadanceError: a stage has no such option.
        """
        stages = stage_options(options, shortcuts=SHORTCUTS)
        super().__init__(
            _made(MotionExpertSystem, stages["motion"]),
            _made(AppearanceExpert, stages["animation"]),
            motion_fps=_MOTION_FPS,
        )


def _made(expert: type[MotionExpertSystem | AppearanceExpert], options: dict[str, Any]) -> Running:
    origin = Origin("decorator", f"{expert.__module__}:{expert.__qualname__}")
    return Plugin(declaration_of(expert, expert.name), origin, expert).make(options)
