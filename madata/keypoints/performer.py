"""One performer out of the people of every frame, where a file tells nobody apart or numbers them.

Legend: T frames, J joints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.keypoints.sequence import Doubles

__all__ = ["Person", "follow_performer"]


@dataclass(frozen=True)
class Person:
    """One person in one frame.

    Attributes:
        joints: (J, 3) x, y in px, and confidence.
        track: what the file calls this person in all frames, where it does.
    """

    joints: Doubles
    track: Any = None


def follow_performer(frames: Mapping[int, Sequence[Person]], joints: int) -> tuple[Doubles, Doubles]:
    """Keypoints of one performer, 0 in frames in which nobody, or nobody near, is seen.

    Where the file numbers people, the one seen longest; else the largest of the first frame that shows anybody, and
    from then on whoever is nearest to where the performer was.

    Args:
        frames: number of the frame -> people in it; frames from the first to the last number are given back.

    Returns:
        xy (T, J, 2) px and score (T, J).

    Raises:
        MediaError: nobody is in any frame.
    """
    seen = {frame: people for frame, people in sorted(frames.items()) if people}
    if not seen:
        raise MediaError("nobody is seen in any frame", reason="no_person")
    first = min(frames)
    count = max(frames) - first + 1
    if count > 10_000_000 // joints:
        raise MediaError(f"its frame numbers reach from {first} to {max(frames)}", reason="wrong_shape")
    rows = np.zeros((count, joints, 3))
    tracks = Counter(
        person.track for people in seen.values() for person in people if person.track is not None
    )
    longest = tracks.most_common(1)[0][0] if tracks else None
    last: Doubles | None = None
    for frame, people in seen.items():
        if longest is not None:
            chosen = next((person for person in people if person.track == longest), None)
        elif last is None:
            chosen = max(people, key=_extent)
        else:
            near = last
            chosen = min(people, key=lambda person: _distance(person.joints, near))
        if chosen is not None:
            last = rows[frame - first] = chosen.joints
    missing = (rows[..., :2] == 0).all(-1)  # a joint in the very corner is one that was not found
    rows[missing] = 0
    return np.ascontiguousarray(rows[..., :2]), np.ascontiguousarray(rows[..., 2])


def _extent(person: Person) -> float:
    found = person.joints[(person.joints[:, 2] > 0) & (person.joints[:, :2] != 0).any(1), :2]
    return float(np.prod(np.ptp(found, axis=0))) if len(found) else 0.0


def _distance(first: Doubles, second: Doubles) -> float:
    both = (first[:, 2] > 0) & (second[:, 2] > 0)
    return (
        float(np.linalg.norm(first[both, :2] - second[both, :2], axis=-1).mean())
        if both.any()
        else float("inf")
    )
