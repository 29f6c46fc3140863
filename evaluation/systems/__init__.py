"""Systems: methods of the field behind one interface, found by name, never imported before they are asked for.

``contract`` says what a system is, ``plugin`` makes one of a class or a function, ``entries`` tells what is
installed without importing it, ``finding`` turns what a user types into a system, ``cascade`` joins two, and
``folder`` is the system that needs no code.
"""

from evaluation.systems.cascade import Cascade, project_motion, stage_options
from evaluation.systems.contract import (
    TASKS,
    Card,
    Output,
    RealClip,
    Request,
    System,
    Task,
    Truth,
    clip_seed,
    optional_method,
    tasks_of,
)
from evaluation.systems.entries import GROUP, InstalledSystem, installed
from evaluation.systems.finding import choose_task, find
from evaluation.systems.folder import FolderSystem, fit_motion
from evaluation.systems.plugin import Declaration, Loaded, Origin, Plugin, Running, system

__all__ = [
    "GROUP",
    "TASKS",
    "Card",
    "Cascade",
    "Declaration",
    "FolderSystem",
    "InstalledSystem",
    "Loaded",
    "Origin",
    "Output",
    "Plugin",
    "RealClip",
    "Request",
    "Running",
    "System",
    "Task",
    "Truth",
    "choose_task",
    "clip_seed",
    "find",
    "fit_motion",
    "installed",
    "optional_method",
    "project_motion",
    "stage_options",
    "system",
    "tasks_of",
]
