"""A dancer made comparable: joints by name, origin at the hips, unit one torso length, y up, gaps marked.

Everything the corrected metrics do starts here, for 2D and 3D alike. The torso runs from the middle of the
hips to the neck (the middle of the shoulders where the skeleton has none); the unit is its median length over
the clip, so neither the resolution of the video nor the distance of the camera matters.

Legend: T frames, J joints, C coordinates (2 or 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluation.inputs.pose_files import JointTrack

__all__ = ["HIP_NAMES", "Body", "UpAxis", "body_track", "clip_body", "joint_index"]

UpAxis = Literal["y", "z", "-y"]

HIP_NAMES = frozenset({"hip", "pelvis"})

MIN_SCORE = 0.3

_ALIASES: dict[str, tuple[str, ...]] = {
    "head": ("head", "nose"),
    "left_toe": ("left_foot", "left_big_toe", "left_foot_index"),
    "right_toe": ("right_foot", "right_big_toe", "right_foot_index"),
}
_SHOULDERS = ("left_shoulder", "right_shoulder")


@dataclass(frozen=True)
class Body:
    """One clip in body units.

    Attributes:
        points: (T, J, C) torso lengths from the middle of the hips; x to the right, y up; 0 where not valid.
        valid: (T, J) the joint and both hips were seen.
        hips: (T, C) path of the hips, torso lengths; 0 where not valid.
        hips_valid: (T,).
        names: J joint names.
        unit: median torso length in the units of the input (pixels or metres).
        missing_rate: fraction of the T x J joints that were not seen.
    """

    points: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    hips: npt.NDArray[np.float64]
    hips_valid: npt.NDArray[np.bool_]
    names: tuple[str, ...]
    fps: float
    unit: float
    missing_rate: float

    @property
    def dims(self) -> int:
        """2 or 3 coordinates."""
        return int(self.points.shape[-1])

    def joint(self, role: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Position (T, C) of the joint that plays ``role`` and where it is valid (T,).

        ``hips`` is the origin, ``neck`` the middle of the shoulders where the skeleton has none.

        Raises:
            ValueError: the skeleton has no such joint.
        """
        if role == "hips":
            return np.zeros_like(self.hips), self.hips_valid
        index = joint_index(self.names, role)
        if index is not None:
            return self.points[:, index], self.valid[:, index]
        if role == "neck":
            return _middle(self.points, self.valid, self.names, _SHOULDERS)
        raise ValueError(f"the skeleton has no {role}; its joints are {', '.join(self.names)}")


def joint_index(names: Sequence[str], role: str) -> int | None:
    """Position of the joint that plays ``role`` (a name, or one of its usual other names), or ``None``."""
    for name in _ALIASES.get(role, (role,)):
        if name in names:
            return names.index(name)
    return None


def body_track(
    points: npt.NDArray[np.floating[Any]],
    names: Sequence[str],
    fps: float,
    *,
    up: UpAxis,
    score: npt.NDArray[np.floating[Any]] | None = None,
    min_score: float = MIN_SCORE,
) -> Body:
    """Put one clip into body units.

    Args:
        points: (T, J, C) positions: pixels with C = 2 (x right, y down: ``up="-y"``), metres with C = 3.
        names: J joint names; ``left_hip``, ``right_hip``, ``left_shoulder`` and ``right_shoulder`` must be
            among them.
        fps: true frame rate.
        up: axis that points to the ceiling.
        score: (T, J) confidence; below ``min_score`` a joint counts as not seen. Not finite counts as not
            seen too.

    Raises:
        ValueError: shapes, names or frame rate do not fit, or the torso is never seen.

    Example:
        >>> names = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
        >>> square = np.array([[[10, 50], [20, 50], [10, 30], [20, 30]]] * 3, dtype=float)
        >>> body = body_track(square, names, fps=16, up="-y")
        >>> body.unit, body.points[0, 2].tolist()
        (20.0, [-0.25, 1.0])
    """
    if points.ndim != 3 or points.shape[1] != len(names) or points.shape[2] not in (2, 3):
        raise ValueError(
            f"expected points (T, {len(names)}, 2 or 3) for {len(names)} joint names, got {points.shape}"
        )
    if not fps > 0:
        raise ValueError(f"expected a positive frame rate, got {fps}")
    track = _y_up(np.asarray(points, np.float64), up)
    seen = np.asarray(np.isfinite(track).all(axis=-1), np.bool_)
    if score is not None:
        seen &= np.asarray(score) >= min_score
    track = np.where(seen[..., None], track, 0.0)
    hips, hips_seen = _middle(track, seen, names, ("left_hip", "right_hip"))
    unit = _torso_length(track, seen, names, hips, hips_seen)
    valid = seen & hips_seen[:, None]
    centred = np.where(valid[..., None], (track - hips[:, None]) / unit, 0.0)
    return Body(
        points=centred,
        valid=valid,
        hips=np.where(hips_seen[:, None], hips / unit, 0.0),
        hips_valid=hips_seen,
        names=tuple(names),
        fps=float(fps),
        unit=unit,
        missing_rate=float(1.0 - seen.mean()),
    )


def clip_body(clip: JointTrack) -> Body:
    """The clip in body units.

    Raises:
        ValueError: it gives no frame rate, or the torso is never seen.
    """
    if clip.fps is None:
        raise ValueError("the clip gives no frame rate")
    return body_track(clip.points, clip.names, clip.fps, up=clip.up, score=clip.score)


def _torso_length(
    track: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
    names: Sequence[str],
    hips: npt.NDArray[np.float64],
    hips_seen: npt.NDArray[np.bool_],
) -> float:
    """Median distance from the hips to the neck, or to the middle of the shoulders where there is none."""
    pair = _SHOULDERS if joint_index(names, "neck") is None else ("neck", "neck")
    neck, neck_seen = _middle(track, seen, names, pair)
    lengths = np.linalg.norm((neck - hips)[hips_seen & neck_seen], axis=-1)
    unit = float(np.median(lengths)) if lengths.size else 0.0
    if not unit > 0:
        raise ValueError("the torso is never seen: hips and neck (or shoulders) are missing in every frame")
    return unit


def _y_up(points: npt.NDArray[np.float64], up: UpAxis) -> npt.NDArray[np.float64]:
    """Turn (a picture: mirror) so that the second coordinate points up."""
    if up == "y":
        return points
    if up == "-y" and points.shape[-1] == 2:
        return points * (1.0, -1.0)
    if up == "z" and points.shape[-1] == 3:
        return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)
    raise ValueError(f"up axis {up!r} does not fit points of {points.shape[-1]} coordinates")


def _middle(
    track: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_], names: Sequence[str], pair: tuple[str, str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    first, second = (joint_index(names, name) for name in pair)
    if first is None or second is None:
        raise ValueError(f"the skeleton has no {' and '.join(pair)}; its joints are {', '.join(names)}")
    return (track[:, first] + track[:, second]) / 2, seen[:, first] & seen[:, second]
