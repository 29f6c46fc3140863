"""A folder of one JSON a frame, as OpenPose writes it: ``<clip>_000000000012_keypoints.json``.

``people`` holds ``pose_keypoints_2d``, 25 (BODY_25) or 18 (COCO) times x, y, confidence; ``person_id`` is [-1] where
nobody is tracked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madata.errors import MadanceError, MediaError
from madata.files import read_json
from madata.keypoints.performer import Person, follow_performer
from madata.keypoints.sequence import PoseSequence, numbers

__all__ = ["frame_files", "read"]

_FRAME = re.compile(r"(?:(?:^|_)(\d{1,15})_keypoints|^(\d{1,15}))\.json$", re.IGNORECASE)
_BODIES = {25: "openpose-25", 18: "openpose-18"}
_MAX_FRAMES = 1_000_000


def frame_files(folder: Path) -> dict[int, Path]:
    """Frame number -> file of a folder that holds one JSON a frame; empty for any other folder.

    Clips may be called by numbers too (FineDance): files that are bare numbers are frames where the first one holds
    ``people``.
    """
    found: dict[int, Path] = {}
    for path in folder.iterdir():
        match = _FRAME.search(path.name)
        if match is None or not path.is_file():
            return {}
        found[int(match[1] or match[2])] = path
    first = found[min(found)] if found else None
    return found if first is None or not first.stem.isdecimal() or _holds_people(first) else {}


def _holds_people(path: Path) -> bool:
    try:
        content = read_json(path)
    except MadanceError:
        return True  # a damaged frame among others; reading names it
    return isinstance(content, Mapping) and "people" in content


def read(folder: Path) -> PoseSequence:
    """Keypoints of one performer.

    Raises:
        MediaError: a file is not of this form, or nobody is in any frame.
    """
    files = frame_files(folder)
    if not files or max(files) - min(files) > _MAX_FRAMES:
        raise MediaError("is no folder of one JSON a frame", reason="no_keypoints")
    frames: dict[int, list[Person]] = {}
    counts = set()
    for number, path in sorted(files.items()):
        people = _people(path)
        counts |= {len(person.joints) for person in people}
        frames[number] = people
    if len(counts) != 1 or counts.isdisjoint(_BODIES):
        raise MediaError(
            f"its people have {', '.join(map(str, sorted(counts))) or 'no'} joints, expected 25 (BODY_25) or 18 (COCO)",
            reason="wrong_shape" if counts else "no_person",
        )
    joints = counts.pop()
    xy, score = follow_performer(frames, joints)
    return PoseSequence(xy, score, _BODIES[joints], None, None, "openpose")


def _people(path: Path) -> list[Person]:
    try:
        content: Any = read_json(path)
    except MadanceError as error:
        raise MediaError(str(error), reason="not_json") from None
    people = content.get("people") if isinstance(content, Mapping) else None
    if not isinstance(people, list):
        raise MediaError(f"{path.name}: has no list 'people'", reason="no_keypoints")
    found = []
    for person in people:
        known = person if isinstance(person, Mapping) else {}
        flat = numbers(known.get("pose_keypoints_2d"), f"{path.name}: pose_keypoints_2d", (None,))
        if not len(flat):
            continue
        if len(flat) % 3:
            raise MediaError(
                f"{path.name}: {len(flat)} numbers are no x, y, confidence", reason="wrong_shape"
            )
        track = known.get("person_id", [-1])
        number = track[0] if isinstance(track, list) and track else -1
        found.append(Person(flat.reshape(-1, 3), number if number != -1 else None))
    return found
