"""Training data of the Motion Expert and of EDGE: folders of dance and music become windows of frames.

``prepare(source, cache, settings)`` reads a folder as its authors ship it (FineDance, AIST++, EDGE, MA-Data, or any
folder of motions), brings every take to one motion vector at 30 frames per second beside 35 music features per
frame, and keeps the result as a memory-mapped cache. ``prepare_synthetic`` does the same with made-up dances. Both
give :class:`PreparedDances`, whose ``train`` and ``held_out`` are :class:`MotionWindows`.

Names are loaded on first use, so that the worker processes of a preparation do not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mace_dance.training.motion.data.preparation import PreparedDances, prepare, prepare_synthetic
    from mace_dance.training.motion.data.report import DataReport, DroppedTake
    from mace_dance.training.motion.data.settings import (
        EDGE_DATA,
        MOTION_EXPERT_DATA,
        DataSettings,
        SyntheticSettings,
    )
    from mace_dance.training.motion.data.windows import MotionWindows, WindowBatch, frames_from

__all__ = [
    "EDGE_DATA",
    "MOTION_EXPERT_DATA",
    "DataReport",
    "DataSettings",
    "DroppedTake",
    "MotionWindows",
    "PreparedDances",
    "SyntheticSettings",
    "WindowBatch",
    "frames_from",
    "prepare",
    "prepare_synthetic",
]

_HOME = {
    "EDGE_DATA": "settings",
    "MOTION_EXPERT_DATA": "settings",
    "DataReport": "report",
    "DataSettings": "settings",
    "DroppedTake": "report",
    "MotionWindows": "windows",
    "PreparedDances": "preparation",
    "SyntheticSettings": "settings",
    "WindowBatch": "windows",
    "frames_from": "windows",
    "prepare": "preparation",
    "prepare_synthetic": "preparation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
