"""One clip as the metrics see it: joint positions over time, whatever file they came from.

2D keypoints and 3D motions meet here in one type. The skeleton goes by name, the frame rate and the up axis
travel with the array, and a file that lies about any of them is refused with what was expected and what came.

Legend: T frames, J joints, C coordinates (2: px, x right, y down; 3: metres).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError, MediaError, did_you_mean
from madata.files import read_npz, sha256_bytes
from madata.skeletons import MISSING, SKELETON_NAMES, mapping, skeleton
from madata.types import Keypoints2D

__all__ = [
    "EXTRACTOR",
    "Track",
    "convert_track",
    "keypoint_track",
    "read_keypoint_file",
    "read_motion_file",
]

EXTRACTOR = "official-extractor"
"""Origin of keypoints read from the JSON of MACE-Dance's own extraction script (easy_ViTPose, 25 joints)."""

_EXTRACTOR_SKELETON = "coco-25"

UpAxis = Literal["y", "z", "-y"]


@dataclass(frozen=True)
class Track:
    """Joint positions of one dancer.

    Attributes:
        points: (T, J, C).
        score: (T, J) confidence 0..1, 0 where a joint was not found; ``None`` for 3D motions.
        skeleton: name in :mod:`madata.skeletons`.
        fps: true frame rate, ``None`` where the file does not say.
        up: axis that points to the ceiling; ``"-y"`` in pictures.
        origin: what made it: a pose backend, or a motion file format.
        oddities: (reason, message) of what is wrong and does not prevent its use; a protocol decides.
    """

    points: npt.NDArray[Any]
    score: npt.NDArray[Any] | None
    skeleton: str
    fps: float | None
    up: UpAxis
    origin: str
    oddities: tuple[tuple[str, str], ...] = ()

    @property
    def frames(self) -> int:
        return len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        return skeleton(self.skeleton).joints

    @property
    def missing_rate(self) -> float:
        """Share of joints that were not found."""
        return 0.0 if self.score is None else float(np.mean(self.score <= 0))

    def cut(self, start: int, stop: int | None) -> Track:
        """Frames [start, stop)."""
        score = None if self.score is None else self.score[start:stop]
        return replace(self, points=self.points[start:stop], score=score)


def keypoint_track(keypoints: Keypoints2D, *, origin: str) -> Track:
    """2D keypoints as a track."""
    return Track(keypoints.xy, keypoints.score, keypoints.skeleton, keypoints.fps, "-y", origin)


def convert_track(track: Track, target: str) -> Track:
    """The joints of skeleton ``target``, found by name; joints 2D keypoints lack get position 0 and score 0.

    Raises:
        MediaError: a 3D skeleton lacks a joint of ``target``.

    Example:
        >>> clip = Track(np.ones((8, 25, 2)), np.ones((8, 25)), "coco-25", 16.0, "-y", "made")
        >>> convert_track(clip, "coco-17").points.shape
        (8, 17, 2)
    """
    if track.skeleton == target:
        return track
    columns = mapping(track.skeleton, target)
    found = columns[:, 0] != MISSING
    if track.score is None and not found.all():
        absent = [name for name, there in zip(skeleton(target).joints, found, strict=True) if not there]
        message = f"skeleton {track.skeleton!r} has no {', '.join(absent)}, which {target!r} needs"
        raise MediaError(message, reason="wrong_skeleton")
    points = track.points[:, columns].mean(axis=2, dtype=track.points.dtype) * found[:, None]
    score = None if track.score is None else track.score[:, columns].min(axis=2) * found
    return replace(track, points=points.astype(track.points.dtype), score=score, skeleton=target)


def read_keypoint_file(path: Path) -> Track:
    """Keypoints from the official extractor's JSON or from our ``.npz``.

    Raises:
        MediaError: the file cannot be used; ``reason`` is one of ``missing``, ``not_json``, ``no_keypoints``,
            ``wrong_shape``, ``not_npz``, ``wrong_skeleton``.
    """
    return _read_extractor_json(path) if path.suffix.lower() == ".json" else _read_keypoint_npz(path)


def _read_extractor_json(path: Path) -> Track:
    """``keypoints`` (T, 25, 3) holds (y px, x px, confidence) and ``skeleton`` the true joint names."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MediaError("no such file", reason="missing") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise MediaError(f"not valid JSON ({error})", reason="not_json") from error
    if not isinstance(content, dict) or "keypoints" not in content:
        keys = list(content) if isinstance(content, dict) else []
        raise MediaError(f"has no key 'keypoints'{did_you_mean('keypoints', keys)}", reason="no_keypoints")
    values = _numbers(content["keypoints"])
    joints = skeleton(_EXTRACTOR_SKELETON).joints
    if values is None or values.ndim != 3 or values.shape[1:] != (len(joints), 3):
        got = "ragged or not numbers" if values is None else str(values.shape)
        raise MediaError(f"expected keypoints (T, {len(joints)}, 3), got {got}", reason="wrong_shape")
    oddities: list[tuple[str, str]] = []
    declared = content.get("total_frames")
    if isinstance(declared, int) and declared != len(values):
        oddities.append(("truncated", f"says it has {declared} frames and holds {len(values)}"))
    if names := _joint_name_oddity(content.get("skeleton"), joints):
        oddities.append(("wrong_skeleton", names))
    fps = _positive(content.get("fps"))
    xy, score = values[..., 1::-1], values[..., 2]
    return Track(xy, score, _EXTRACTOR_SKELETON, fps, "-y", EXTRACTOR, tuple(oddities))


def _numbers(value: Any) -> npt.NDArray[np.float64] | None:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None


def _positive(value: Any) -> float | None:
    number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    return number if np.isfinite(number) and number > 0 else None


def _joint_name_oddity(names: Any, joints: tuple[str, ...]) -> str | None:
    """What differs between the joint names a file gives and the ones its columns should have."""
    if not isinstance(names, dict):
        return "gives no joint names (key 'skeleton', an object of column: name)"
    given = [str(names.get(str(column), "nothing")) for column in range(len(joints))]
    pairs = enumerate(zip(joints, given, strict=True))
    wrong = [
        f"column {column} is {ours}, the file says {theirs}"
        for column, (ours, theirs) in pairs
        if ours != theirs
    ]
    if not wrong:
        return None
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"its joint names are not those of {_EXTRACTOR_SKELETON}: {'; '.join(wrong[:3])}{more}"


def _read_keypoint_npz(path: Path) -> Track:
    """``xy`` (T, J, 2), ``score`` (T, J), ``skeleton``, ``fps``, and ``backend`` where it is known."""
    arrays = read_npz(path)
    if absent := [key for key in ("xy", "score", "skeleton") if key not in arrays]:
        raise MediaError(
            f"lacks {', '.join(absent)}{did_you_mean(absent[0], list(arrays))}", reason="no_keypoints"
        )
    name = str(arrays["skeleton"])
    xy, score = arrays["xy"], arrays["score"]
    _known_skeleton(name)
    expected = (len(xy), skeleton(name).num_joints)
    if xy.ndim != 3 or xy.shape != (*expected, 2) or score.shape != expected:
        wanted = f"xy (T, {expected[1]}, 2) and score (T, {expected[1]})"
        message = f"expected {wanted}, got {xy.shape} and {score.shape}"
        raise MediaError(message, reason="wrong_shape")
    if "fps" not in arrays and "times_s" in arrays:
        message = f"holds keypoints at {len(xy)} sampled times, not of every frame; score the video itself"
        raise MediaError(message, reason="no_fps")
    fps = _positive(float(arrays["fps"])) if "fps" in arrays else None
    return Track(xy.astype(np.float64), score, name, fps, "-y", _backend_name(arrays.get("backend")))


def _backend_name(stored: npt.NDArray[Any] | None) -> str:
    """Name of the backend that made keypoints; its settings, where they are stored too, as a short hash."""
    if stored is None:
        return "unknown"
    text = str(stored)
    try:
        settings = json.loads(text)
    except json.JSONDecodeError:
        return text
    name = settings.get("name", "unknown") if isinstance(settings, dict) else text
    return f"{name}-{sha256_bytes(text.encode())[:12]}"


def read_motion_file(path: Path) -> Track:
    """3D joints from a motion file: as they are where it holds positions, else by forward kinematics.

    Raises:
        MediaError: the file cannot be used.
    """
    from madata.motion import read_positions

    found = read_positions(path)
    origin = path.suffix.lower().removeprefix(".")
    return Track(found.positions, None, found.skeleton, found.fps, _up_axis(found.up), origin)


def _known_skeleton(name: str) -> None:
    if name not in SKELETON_NAMES:
        raise MediaError(
            f"unknown skeleton {name!r}{did_you_mean(name, list(SKELETON_NAMES))}", reason="wrong_skeleton"
        )


def _up_axis(name: str) -> UpAxis:
    if name == "y":
        return "y"
    if name == "z":
        return "z"
    raise MadanceError(f"up axis {name!r}: expected 'y' or 'z'")
