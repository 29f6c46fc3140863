"""Does the video follow the pose it was driven by? How late, how far off, how many joints in place.

Both sides are what a pose estimator found: in the driving video, and in the video made of it. The pictures are laid
over each other by their middle and their height, and no side is moved to fit the other.

**Lag** is the shift of whole frames by which the paths of the joints correlate best, each path seen from the hips and
about its own mean, all joints as one signal, so that neither the size of the body nor its place nor a camera that moves
matters; positive where the video comes after its pose. A clip has none where even the best shift correlates by less
than :data:`LEAST_CORRELATION` (somebody stands still, or dances something else), or where the best is the furthest
that was tried.

Legend: N rows, T frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import body_track
from evaluation.features.motion.picture_pose import picture_pose
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables
from madata.skeletons import skeleton

__all__ = ["METRICS", "frames_of_lag", "joints_in_place", "pose_distance"]

Floats = npt.NDArray[np.float64]

_POSE = "pose"
LONGEST_LAG_S = 0.5
"""A beat of fast music: dance repeats itself, and one beat further on it may fit again."""
LEAST_CORRELATION = 0.5
"""In windows of motion capture, seen from the front, the same dance correlates more, with noise on both sides too (535
of 549 with a twentieth of a torso); two dances do at any shift in 6 of 3,660 pairs."""
LEAST_SEEN = 0.25
NEAR = 0.2
"""Torso lengths within which a joint is in its place."""


def frames_of_lag(video: Floats, pose: Floats, longest: int) -> float:
    """Frames by which the joints of a video come after those of its pose; negative where they come before.

    Args:
        video, pose: (T, J, 2), NaN where a joint was not seen.
        longest: largest lag that is told, both ways; never more than a quarter of the clip.

    Raises:
        ValueError: they correlate at no shift, or best beyond the largest lag.

    Example:
        >>> pose = np.sin(np.arange(60.0) ** 1.5 / 9)[:, None, None] * np.ones((60, 2, 2))
        >>> frames_of_lag(np.roll(pose, 4, axis=0), pose, 15)
        4.0
    """
    frames = len(pose)
    longest = min(longest, frames // 4)
    shifts = range(-longest - 1, longest + 2)  # one more each way tells a peak from a slope
    found = [
        _correlation(
            video[max(shift, 0) : frames + min(shift, 0)], pose[max(-shift, 0) : frames - max(shift, 0)]
        )
        for shift in shifts
    ]
    best = int(np.argmax(found))
    if found[best] < LEAST_CORRELATION:
        raise ValueError("the video does not move as the pose does, at any shift")
    if abs(shifts[best]) > longest:
        raise ValueError(f"more than {longest} frames apart")
    return float(shifts[best])


def _correlation(first: Floats, second: Floats) -> float:
    """Of all paths as one signal, each about its mean over what both sides see; 0 where that is little, or still."""
    seen = np.isfinite(first) & np.isfinite(second)
    if seen.sum() <= LEAST_SEEN * seen.size:
        return 0.0
    count = np.maximum(seen.sum(axis=0), 1)
    a, b = (np.where(seen, side, 0.0) for side in (first, second))
    a, b = (np.where(seen, side - side.sum(axis=0) / count, 0.0) for side in (a, b))
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0


def pose_distance(video: Floats, pose: Floats) -> float:
    """Mean distance of the joints that both sides see, in the unit of the paths; NaN where there is none.

    Example:
        >>> pose_distance(np.full((3, 2, 2), 5.0), np.zeros((3, 2, 2)) + (2.0, 1.0))
        5.0
    """
    away = np.linalg.norm(video - pose, axis=-1)
    seen = np.isfinite(away)
    return float(away[seen].mean()) if seen.any() else float("nan")


def joints_in_place(video: Floats, pose: Floats, near: float) -> float:
    """Share of the joints of the pose that the video has within ``near``; one it does not show is out of place.

    Example:
        >>> pose = np.zeros((1, 4, 2))
        >>> joints_in_place(pose + np.array([0.0, 0.1, 0.3, np.nan])[:, None], pose, 0.2)
        0.5
    """
    asked = np.isfinite(pose).all(axis=-1)
    with np.errstate(invalid="ignore"):
        met = np.linalg.norm(video - pose, axis=-1) <= near
    return float(met[asked].mean()) if asked.any() else float("nan")


class _Clip(NamedTuple):
    """Joints of one row in the picture, in its heights, and from the hips; NaN where not seen."""

    places: Floats
    from_hips: Floats
    torso: float
    fps: float

    def first(self, frames: int) -> _Clip:
        return self._replace(places=self.places[:frames], from_hips=self.from_hips[:frames])


def _clips(tables: Tables, side: Side) -> dict[tuple[str, int], _Clip]:
    """(clip, window) -> every row of a side, in its order.

    Raises:
        ValueError: the features hold no joints, or the protocol does not say which they are.
    """
    protocol, table = tables.protocol, tables.motion(side)
    if protocol.clips.skeleton == "reference":
        raise ValueError(f"protocol {protocol.name} must name a skeleton in clips.skeleton, not 'reference'")
    names = skeleton(protocol.clips.skeleton).joints
    keys = zip(table.clip_ids, table.numbers.tolist(), strict=True)
    found = {}
    for key, kept, fps in zip(keys, table.kept(_POSE), table.fps.tolist(), strict=True):
        places = kept.reshape(-1, len(names), 2)
        body = body_track(places, names, fps, up="-y")
        found[key] = _Clip(places, np.where(body.valid[..., None], body.points, np.nan), body.unit, fps)
    return found


def _column(tables: Tables, side: Side, measured: Callable[[_Clip, _Clip], float]) -> RowValues:
    """A number of every row of a side and the same row of the reference; NaN where there is none."""
    poses = tables.shared(_clips, "reference")
    values = []
    for key, video in tables.shared(_clips, side).items():
        pose = poses.get(key, video.first(0))
        frames = min(len(video.places), len(pose.places))  # rates within 1 % may differ by a frame
        values.append(measured(video.first(frames), pose.first(frames)))
    return RowValues(np.array(values, np.float64))


def _lag(video: _Clip, pose: _Clip) -> float:
    try:
        return frames_of_lag(video.from_hips, pose.from_hips, int(LONGEST_LAG_S * pose.fps))
    except ValueError:
        return float("nan")


def _error(video: _Clip, pose: _Clip) -> float:
    return pose_distance(video.places, pose.places) / pose.torso


def _pck(video: _Clip, pose: _Clip) -> float:
    return joints_in_place(video.places, pose.places, NEAR * pose.torso)


def _spec(name: str, measured: Callable[[_Clip, _Clip], float], **more: Any) -> MetricSpec:
    return MetricSpec(
        name=name,
        version=1,
        needs=frozenset({"keypoints"}),
        panel="Following",
        kept={_POSE: picture_pose},
        values=lambda tables, side: _column(tables, side, measured),
        **more,
    )


METRICS = (
    _spec(
        "pose_lag",
        _lag,
        label="Lag",
        title="Frames by which the video comes after its pose",
        direction="reference",
        unit="frames",
        decimals=2,
        absent="no shift at which they follow their pose",
    ),
    _spec(
        "pose_error",
        _error,
        label="Pose",
        title="Distance of joints from those of the pose",
        direction="lower",
        unit="torso",
        bounds=(0.0, np.inf),
        decimals=3,
        absent="no joint that both sides see",
    ),
    _spec(
        "pck",
        _pck,
        label="PCK",
        title="Share of joints within 0.2 torso lengths of those of the pose",
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=1,
        scale=100.0,
        absent="no joint in the pose",
    ),
)
