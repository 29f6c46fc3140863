"""A system over a split: requests, seeds, one whole file per clip, a journal, the paper's frames per second.

``clips`` reads the data set, ``requests`` makes what a system is asked, ``output`` judges and stores what it
gives, ``journal`` remembers, ``run`` goes through the clips, ``report`` adds up.
"""

from evaluation.generate.clips import ClipSet, DataClip, read_clips
from evaluation.generate.output import BrokenContractError
from evaluation.generate.report import Summary, describe_run
from evaluation.generate.run import Progress, Settings, Shard, generate

__all__ = [
    "BrokenContractError",
    "ClipSet",
    "DataClip",
    "Progress",
    "Settings",
    "Shard",
    "Summary",
    "describe_run",
    "generate",
    "read_clips",
]
