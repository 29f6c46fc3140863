"""Motion recovered from video: what GVHMR, WHAM and 4D-Humans (PHALP) save.

| name | file | content |
|---|---|---|
| ``gvhmr`` | hmr4d_results.pt | smpl_params_global: global_orient, body_pose (T, 63), transl; 30 fps |
| ``wham`` | wham_output.pkl (joblib) | person -> pose_world (T, 72), trans_world (T, 3) |
| ``4d-humans`` | demo_*.pkl (joblib) | frame -> tid, smpl (matrices), camera, a list of people each |

Where a file holds several people, the one seen longest is taken, unless one is named. Frame rates are those of the
video, which only GVHMR fixes. 4D-Humans places people in the camera's axes; where its track is broken, the longest
unbroken stretch is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madata.errors import MediaError
from madata.motion.formats.body_parts import parts_motion
from madata.motion.formats.fields import Hints, array, rate, rotations, upright_motion
from madata.motion.kinematics import check_motion
from madata.types import Motion3D

__all__ = ["holds_gvhmr", "holds_phalp", "holds_wham", "read_gvhmr", "read_phalp", "read_wham"]

_GVHMR_FPS = 30.0


def holds_gvhmr(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of GVHMR."""
    return isinstance(content.get("smpl_params_global"), Mapping)


def holds_wham(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of WHAM."""
    return bool(content) and all(
        isinstance(person, Mapping) and ("pose_world" in person or "pose" in person)
        for person in content.values()
    )


def holds_phalp(content: Mapping[Any, Any]) -> bool:
    """Whether ``content`` is of 4D-Humans."""
    return bool(content) and all(
        isinstance(frame, Mapping) and {"smpl", "tid"} <= set(frame) for frame in content.values()
    )


def read_gvhmr(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion in the world, as GVHMR recovered it."""
    fps = rate(path, content, hints, _GVHMR_FPS)
    return upright_motion(path, parts_motion(path, content["smpl_params_global"], fps), hints)


def read_wham(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion in the world of one person of WHAM."""
    lengths = {
        person: len(np.atleast_1d(np.asarray(track.get("pose_world", ()))))
        for person, track in content.items()
    }
    track = content[_person(path, lengths, hints)]
    if "pose_world" not in track or "trans_world" not in track:
        raise MediaError(
            f"{path}: holds poses in the camera alone; run WHAM with its global trajectory",
            reason="missing_key",
        )
    rotation = rotations(path, track["pose_world"], "pose_world", 24)
    place = array(path, track["trans_world"], "trans_world", (len(rotation), 3))
    motion = check_motion(Motion3D(rotation, place, rate(path, content, hints), "y", "smpl-24"), path)
    return upright_motion(path, motion, hints)


def read_phalp(path: Path, content: Mapping[Any, Any], hints: Hints) -> Motion3D:
    """The motion of one person of 4D-Humans, in the axes of the camera."""
    seen: dict[Any, list[tuple[int, Any, Any]]] = {}
    for row, name in enumerate(sorted(content, key=str)):
        frame = content[name]
        for person, body, place in zip(frame["tid"], frame["smpl"], frame.get("camera", ()), strict=False):
            seen.setdefault(person, []).append((row, body, place))
    track = _unbroken(seen[_person(path, {person: len(rows) for person, rows in seen.items()}, hints)])
    try:
        orient = np.stack([np.asarray(body["global_orient"]).reshape(1, 3, 3) for _, body, _ in track])
        pose = np.stack([np.asarray(body["body_pose"]).reshape(23, 3, 3) for _, body, _ in track])
        place = np.stack([np.asarray(place, np.float64).reshape(3) for _, _, place in track])
    except (KeyError, TypeError, ValueError) as error:
        raise MediaError(
            f"{path}: its bodies are not those of 4D-Humans ({error})", reason="bad_shape"
        ) from None
    parts = {"global_orient": orient, "body_pose": pose, "transl": place}
    return upright_motion(path, parts_motion(path, parts, rate(path, content, hints)), hints)


def _unbroken(track: list[tuple[int, Any, Any]]) -> list[tuple[int, Any, Any]]:
    """The longest run of consecutive frames."""
    best, start = (0, 0), 0
    for stop in range(1, len(track) + 1):
        if stop == len(track) or track[stop][0] != track[stop - 1][0] + 1:
            best = max(best, (stop - start, -start))
            start = stop
    return track[-best[1] : best[0] - best[1]]


def _person(path: Path, lengths: Mapping[Any, int], hints: Hints) -> Any:
    """The person asked for, else the one seen longest, the first of equals."""
    if not lengths:
        raise MediaError(f"{path}: nobody is in it", reason="no_person")
    if hints.person is None:
        return max(lengths, key=lambda person: lengths[person])
    for person in lengths:
        if str(person) == hints.person:
            return person
    raise MediaError(
        f"{path}: holds nobody called {hints.person!r}; --person may be {', '.join(map(str, lengths))}",
        reason="no_person",
    )
