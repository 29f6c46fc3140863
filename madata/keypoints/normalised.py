"""Keypoints in shares of the picture (DWPose, MediaPipe); pixels need to know its size.

| tool | file | a frame |
|---|---|---|
| DWPose | a list | bodies: candidate (18 N, 2), subset (N, 18) of rows or -1; or bodies (18, 2 or 3) |
| MediaPipe | a list, or frames / landmarks | 33 landmarks of x, y, z, visibility, as objects or rows |

A size, a rate, stand in ``width``, ``height``, ``fps`` where the file has them. MediaPipe's world landmarks are metres
about the hips, not places in the picture, and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.keypoints.performer import Person, follow_performer
from madata.keypoints.sequence import Doubles, PoseSequence, numbers, positive
from madata.skeletons import skeleton

__all__ = ["holds", "read"]

_LANDMARKS = ("landmarks", "pose_landmarks", "keypoints", "pose_world_landmarks")
_FRAMES = ("frames", "landmarks", "pose_landmarks", "poses", "pose_world_landmarks")
_DWPOSE, _MEDIAPIPE = "openpose-18", "blazepose-33"
# Beyond this a coordinate is no share of the picture: limbs reach past its edges, not past its double.
_SHARE = 3.0
_AT_ORIGIN = 1e-3


def holds(content: Any) -> bool:
    """Whether ``content`` is of one of these formats."""
    frames = _frames(content)
    return bool(frames) and all(frame is None or isinstance(frame, (Mapping, list)) for frame in frames[:8])


def read(content: Any, size: tuple[int, int] | None) -> PoseSequence:
    """Keypoints of one performer.

    Args:
        size: (width, height) px, where the caller knows it.

    Raises:
        MediaError: a frame is not of these shapes, nobody is seen, or nothing tells the size.
    """
    facts = content if isinstance(content, Mapping) else {}
    width, height = positive(facts.get("width")), positive(facts.get("height"))
    if size is None and width and height:
        size = (int(width), int(height))
    frames = {number: _people(frame) for number, frame in enumerate(_frames(content))}
    counts = {len(person.joints) for people in frames.values() for person in people}
    if counts not in ({18}, {33}):
        seen = ", ".join(map(str, sorted(counts))) or "no"
        raise MediaError(
            f"its people have {seen} joints, expected 18 (DWPose) or 33 (MediaPipe)",
            reason="wrong_shape" if counts else "no_person",
        )
    dwpose = counts == {18}
    xy, score = follow_performer(frames, 18 if dwpose else 33)
    if not dwpose and _about_the_hips(xy, score):
        raise MediaError(
            "holds world landmarks, metres about the hips; save pose_landmarks, which are places in the picture",
            reason="no_keypoints",
        )
    if np.abs(xy[score > 0]).max(initial=0.0) <= _SHARE:
        if size is None:
            raise MediaError(
                "holds shares of the picture and not its size; say it: madance convert IN OUT.npz --size 720x1280",
                reason="no_size",
            )
        xy = xy * np.array(size, np.float64)
    name, origin = (_DWPOSE, "dwpose") if dwpose else (_MEDIAPIPE, "mediapipe")
    return PoseSequence(xy, score, name, positive(facts.get("fps")), size, origin)


def _about_the_hips(xy: Doubles, score: Doubles) -> bool:
    """Whether the middle of the hips is the origin in every frame, as it is in MediaPipe's world landmarks."""
    hips = [skeleton(_MEDIAPIPE).index(f"{side}_hip") for side in ("left", "right")]
    there = (score[:, hips] > 0).all(axis=1)
    return bool(there.any()) and float(np.abs(xy[there][:, hips].mean(axis=1)).max()) < _AT_ORIGIN


def _frames(content: Any) -> list[Any]:
    if isinstance(content, Mapping):
        content = next((content[key] for key in _FRAMES if key in content), None)
    return content if isinstance(content, list) else []


def _people(frame: Any) -> list[Person]:
    if isinstance(frame, Mapping) and "bodies" in frame:
        return _dwpose_people(frame["bodies"])
    if isinstance(frame, Mapping):
        frame = next((frame[key] for key in _LANDMARKS if key in frame), None)
    if not frame:
        return []
    if not isinstance(frame, list):
        raise MediaError(f"a frame is a {type(frame).__name__}, expected landmarks", reason="wrong_shape")
    people = (
        frame
        if isinstance(frame[0], list) and frame[0] and isinstance(frame[0][0], (list, Mapping))
        else [frame]
    )
    return [Person(_landmarks(person)) for person in people]


def _landmarks(person: Any) -> Doubles:
    rows = [
        [point.get("x"), point.get("y"), point.get("visibility", 1.0)]
        if isinstance(point, Mapping)
        else [*point[:2], point[3] if len(point) > 3 else 1.0]
        for point in person
    ]
    return numbers(rows, "landmarks", (None, 3))


def _dwpose_people(bodies: Any) -> list[Person]:
    if not isinstance(bodies, Mapping):
        rows = numbers(bodies, "bodies", (18, None))
        score = rows[:, 2] if rows.shape[1] > 2 else (rows[:, :2] >= 0).all(1)
        return [Person(np.column_stack([rows[:, :2], score]))]
    candidate = numbers(bodies.get("candidate"), "candidate", (None, None))
    subset = np.atleast_2d(numbers(bodies.get("subset"), "subset", (None, 18)))
    people = []
    for row in subset:
        there = (row >= 0) & (row < len(candidate))
        joints = np.zeros((18, 3))
        joints[there, :2] = candidate[row[there].astype(np.intp), :2]
        joints[there, 2] = 1.0
        people.append(Person(joints))
    return people
