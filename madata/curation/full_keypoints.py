"""Keypoints of every frame of a clip, in place of those at the samples by which it was judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from madata.errors import MediaError
from madata.keypoints import write_keypoints
from madata.pose.base import PoseBackend

__all__ = ["full_keypoints"]


def full_keypoints(out: Path, clip: Mapping[str, Any], backend: Callable[[], PoseBackend]) -> str:
    """Follow the performer through a finished clip of the data set ``out``; return the name of his keypoints.

    What is there is not made again. Where nobody can be followed, the sampled keypoints stay.

    Args:
        clip: its row.
        backend: gives the pose backend; called only if there is something to do.
    """
    from madata.pose.performer import follow_performer

    sampled = Path(clip["keypoints"])
    full = sampled.with_name(f"{clip['clip_id']}-full.npz")
    if not (out / full).exists():
        try:
            found, _ = follow_performer(out / clip["path"], backend())
        except MediaError:
            return str(sampled)
        write_keypoints(out / full, found)
    if sampled != full:
        (out / sampled).unlink(missing_ok=True)
    return str(full)
