"""Lists of people: mmpose, AlphaPose, and COCO's results and annotations.

| tool | file | a person |
|---|---|---|
| mmpose | instance_info, or a list: frames of instances | keypoints (J, 2), keypoint_scores (J,) |
| AlphaPose | a list; image_id is the name of the frame's picture | keypoints (3J,), idx where it tracks |
| AlphaPose, by picture | picture -> bodies, or people | 18 joints, or pose_keypoints_2d, of OpenPose (54,) |
| COCO results | a list; image_id is a number | keypoints (3J,) |
| COCO annotations | images, annotations | keypoints (3J,), visibility 0, 1, 2 in place of a confidence |

J = 17 (COCO), 18 (OpenPose's order of COCO) or 26 (Halpe). Of whole bodies with face and hands, 133 (COCO-WholeBody),
134 (DWPose's order) and 136 (Halpe), the 17, 18 or 26 of the body are read, which come first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.keypoints.performer import Person, follow_performer
from madata.keypoints.sequence import PoseSequence, numbers, positive

__all__ = ["holds", "read"]

_BODIES = {
    17: ("coco-17", 17),
    18: ("openpose-18", 18),
    26: ("halpe-26", 26),
    133: ("coco-17", 17),
    134: ("openpose-18", 18),
    136: ("halpe-26", 26),
}
"""Joints of a person: the skeleton of the first of them, and how many these are."""
_BY_PICTURE = (("bodies", "joints"), ("people", "pose_keypoints_2d"))
"""AlphaPose's ``--format cmu`` and ``--format open``: where a picture has its people, and a person the joints."""


def holds(content: Any) -> bool:
    """Whether ``content`` is of one of these formats."""
    if isinstance(content, Mapping):
        return "instance_info" in content or {"images", "annotations"} <= set(content) or _by_picture(content)
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, Mapping) and ("image_id" in first or "instances" in first)


def _by_picture(content: Mapping[str, Any]) -> bool:
    return bool(content) and all(
        isinstance(picture, Mapping) and any(people in picture for people, _ in _BY_PICTURE)
        for picture in content.values()
    )


def read(content: Any) -> PoseSequence:
    """Keypoints of one performer.

    Raises:
        MediaError: a person is not of this shape, or nobody is in the file.
    """
    if isinstance(content, Mapping) and "instance_info" in content:
        return _mmpose(content["instance_info"])
    if isinstance(content, Mapping) and _by_picture(content):
        return _pictures(content)
    if isinstance(content, Mapping):
        return _annotations(content)
    if "instances" in content[0]:
        return _mmpose(content)
    rows = [row for row in content if isinstance(row, Mapping)]
    people = [(_frame_number(row.get("image_id")), _triples(row)) for row in rows]
    # Frames without people have no row. They are counted from 0 or from 1; what comes later lacks its beginning.
    first = min((frame for frame, _ in people), default=0)
    tracked = any("idx" in row for row in rows)
    return _followed(people, {first if first <= 1 else 0}, "alphapose" if tracked else "coco")


def _pictures(content: Mapping[str, Any]) -> PoseSequence:
    frames: dict[int, list[Any]] = {}
    for name, picture in content.items():
        people, joints = next(keys for keys in _BY_PICTURE if keys[0] in picture)
        rows = [{"keypoints": person[joints]} for person in _list(picture[people])]
        frames.setdefault(_frame_number(name), []).extend(rows)
    found = [(number, _triples(row)) for number, rows in frames.items() for row in rows]
    return _followed(found, set(frames), "alphapose")


def _mmpose(content: Any) -> PoseSequence:
    people: list[tuple[int, Person]] = []
    frames = set()
    for row, frame in enumerate(_list(content)):
        known = frame if isinstance(frame, Mapping) else {}
        number = _frame_number(known.get("frame_id", row))
        frames.add(number)
        for person in _list(known.get("instances", [])):
            if not isinstance(person, Mapping):
                raise MediaError(
                    f"a person is a {type(person).__name__}, expected an object", reason="wrong_shape"
                )
            xy = numbers(person.get("keypoints"), "keypoints", (None, 2))
            score = numbers(person.get("keypoint_scores", np.ones(len(xy))), "keypoint_scores", (len(xy),))
            people.append((number, Person(np.column_stack([xy, score]), person.get("track_id"))))
    return _followed(people, frames, "mmpose")


def _annotations(content: Mapping[str, Any]) -> PoseSequence:
    images = [image for image in _list(content["images"]) if isinstance(image, Mapping) and "id" in image]
    images.sort(key=lambda image: _frame_number(image.get("file_name", image["id"])))
    order = {str(image["id"]): row for row, image in enumerate(images)}
    people = []
    for row in _list(content["annotations"]):
        if isinstance(row, Mapping) and "keypoints" not in row:
            continue  # a box: a thing of another category
        person = _triples(row)
        person.joints[:, 2] = person.joints[:, 2] > 0
        people.append((order.get(str(row.get("image_id")), 0), person))
    sizes = {(positive(image.get("width")), positive(image.get("height"))) for image in images}
    width, height = sizes.pop() if len(sizes) == 1 else (None, None)
    size = (int(width), int(height)) if width and height else None
    return _followed(people, set(range(len(order))), "coco", size)


def _followed(
    people: list[tuple[int, Person]],
    numbers_known: set[int],
    origin: str,
    size: tuple[int, int] | None = None,
) -> PoseSequence:
    """One performer from the first frame known to the last, by frame numbers."""
    counts = {len(person.joints) for _, person in people}
    if len(counts) != 1 or counts.isdisjoint(_BODIES):
        seen = ", ".join(map(str, sorted(counts))) or "no"
        raise MediaError(
            f"its people have {seen} joints, expected 17 (COCO), 18 (OpenPose), 26 (Halpe) or 133, 134, 136 with "
            "face and hands",
            reason="wrong_shape" if counts else "no_person",
        )
    name, kept = _BODIES[counts.pop()]
    frames: dict[int, list[Person]] = {number: [] for number in numbers_known}
    for frame, person in people:
        frames.setdefault(frame, []).append(Person(person.joints[:kept], person.track))
    xy, score = follow_performer(frames, kept)
    return PoseSequence(xy, score, name, None, size, origin)


def _triples(row: Any) -> Person:
    if not isinstance(row, Mapping):
        raise MediaError(f"a person is a {type(row).__name__}, expected an object", reason="wrong_shape")
    flat = numbers(row.get("keypoints"), "keypoints", (None,))
    if len(flat) % 3:
        raise MediaError(
            f"keypoints of a person are {len(flat)} numbers, expected x, y, confidence", reason="wrong_shape"
        )
    track = row.get("idx")
    return Person(flat.reshape(-1, 3).copy(), track[0] if isinstance(track, list) and track else track)


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise MediaError(f"holds a {type(value).__name__} where a list belongs", reason="wrong_shape")
    return value


def _frame_number(name: Any) -> int:
    """The last number in the name of a picture (``000123.jpg``), or the number itself."""
    digits = re.findall(r"\d{1,9}", str(name).rsplit(".", 1)[0] if isinstance(name, str) else str(name))
    if not digits:
        raise MediaError(f"a frame is called {str(name)[:40]!r}, which holds no number", reason="wrong_shape")
    return int(digits[-1])
