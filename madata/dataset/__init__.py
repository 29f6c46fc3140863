"""The data set as a whole: groups and splits, duplicates, verification, merging, removal, release; samples to train on.

Modules that are a verb of ``madance dataset`` work on the tables of :mod:`madata.manifest`; none of them needs the
sources. :class:`ClipTable` is how a folder is read, :class:`DanceClips` how it is trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madata.dataset.clips import ClipTable

if TYPE_CHECKING:
    from madata.dataset.dance_clips import DanceClips

__all__ = ["ClipTable", "DanceClips"]


def __getattr__(name: str) -> Any:
    """``DanceClips`` when it is first asked for: it needs torch, and tables do not."""
    if name == "DanceClips":
        from madata.dataset.dance_clips import DanceClips

        return DanceClips
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
