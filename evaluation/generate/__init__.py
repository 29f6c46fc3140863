"""A system over a split, or on one clip of a user's own: requests, seeds, whole files, records, the paper's speed.

``clips`` reads a data set and ``own_clip`` judges a user's files; ``requests`` makes what a system is asked, ``output``
judges and stores what it gives, ``records`` remembers, ``run`` goes through the clips. ``split`` and ``single`` are the
two ways in, ``summary`` adds up.
"""

from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.output import BrokenContractError
from evaluation.generate.own_clip import ClipInputs
from evaluation.generate.run import Progress
from evaluation.generate.settings import Settings
from evaluation.generate.single import generate_clip, plan_clip
from evaluation.generate.split import generate, plan_split
from evaluation.generate.summary import Summary, describe_run

__all__ = [
    "BrokenContractError",
    "ClipInputs",
    "ClipSet",
    "DataClip",
    "Progress",
    "Settings",
    "Summary",
    "describe_run",
    "generate",
    "generate_clip",
    "plan_clip",
    "plan_split",
    "read_clips",
]
