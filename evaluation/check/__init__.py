"""The contract of a system on three made clips, before anyone spends GPU hours.

``made`` makes the clips, ``rules`` holds the system to its contract, ``child`` does so in a process of its
own.
"""

from evaluation.check.child import check_in_child
from evaluation.check.made import make_clips
from evaluation.check.rules import Finding, check_system

__all__ = ["Finding", "check_in_child", "check_system", "make_clips"]
