"""From the people of single pictures to people over time.

Legend: S samples, N people of one sample, K sightings of a track, J joints; positions and sizes in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madata.people.rule import PeopleRule
from madata.pose.base import Detections, Poses
from madata.skeletons import skeleton
from madata.types import FloatArray

__all__ = [
    "Sightings",
    "Track",
    "body_shapes",
    "bone_distance",
    "confidence",
    "follow_people",
    "joint_change",
    "joint_columns",
    "pose_change",
    "sightings",
]

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_VISIBLE = 0.3
_IMPOSSIBLE = 1e6


@dataclass(frozen=True)
class Sightings:
    """The distinct people of one sample, best first.

    Attributes:
        boxes: (N, 4) round the visible joints; size, confidence: (N,).
        xy, score: (N, J, 2) and (N, J).
    """

    boxes: FloatArray
    size: FloatArray
    confidence: FloatArray
    xy: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.size)


@dataclass(frozen=True)
class Track:
    """One person over time.

    Attributes:
        samples: (K,) samples with a sighting, ascending; the other arrays have one row for each.
        boxes: (K, 4); size, confidence: (K,); xy: (K, J, 2); score: (K, J).
    """

    samples: npt.NDArray[np.intp]
    boxes: FloatArray
    size: FloatArray
    confidence: FloatArray
    xy: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def weight(self) -> float:
        """Size times confidence, summed: whoever has most of it is the performer."""
        return float((self.size * self.confidence).sum())


def confidence(people: Detections, poses: Poses) -> FloatArray:
    """How surely each person is one, (N,) 0..1: the geometric mean of detection score and presence."""
    return np.asarray(np.sqrt(np.clip(people.score * poses.presence, 0.0, 1.0)), np.float32)


def sightings(people: Detections, poses: Poses, skeleton_name: str, rule: PeopleRule) -> Sightings:
    """The distinct people of one sample.

    Where a detector reports one person twice, or the legs of one as another, the second pose has the head of
    the first or lies on its bones. The less confident one is dropped, and so is whoever stays below
    ``rule.weak``.
    """
    head = joint_columns(skeleton_name, _HEAD)
    sure = confidence(people, poses)
    kept: list[int] = []
    for row in np.argsort(-sure, kind="stable").tolist():
        if sure[row] < rule.weak:
            break
        known = poses.xy[kept]
        heads = np.linalg.norm(known[:, head].mean(1) - poses.xy[row, head].mean(0), axis=-1)
        smaller = np.minimum(people.size[kept], people.size[row])
        placed = poses.score[row] > 0
        off_bones = bone_distance(poses.xy[row], known, skeleton_name, placed, poses.score[kept] > 0)
        same = (heads < rule.same_head * smaller) | (off_bones < rule.same_body * people.size[kept])
        if not same.any():
            kept.append(row)
    xy, score = poses.xy[kept], poses.score[kept]
    return Sightings(_boxes(xy, score), people.size[kept], sure[kept], xy, score)


def bone_distance(
    pose: FloatArray,
    others: FloatArray,
    skeleton_name: str,
    placed: npt.NDArray[np.bool_] | None = None,
    others_placed: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Mean distance (N,) px of the joints of a pose (J, 2) from the bones of each other one (N, J, 2).

    Args:
        placed, others_placed: (J,) and (N, J), joints that were found at all; others count for nothing.
    """
    parents, children = np.transpose(skeleton(skeleton_name).edges)
    start, bone = others[:, parents], others[:, children] - others[:, parents]
    joints = pose if placed is None or not placed.any() else pose[placed]
    about = joints[None, :, None] - start[:, None]
    length = np.maximum((bone**2).sum(axis=-1), 1e-9)[:, None]
    along = np.clip((about * bone[:, None]).sum(axis=-1) / length, 0.0, 1.0)
    away = np.linalg.norm(about - along[..., None] * bone[:, None], axis=-1)
    if others_placed is not None:
        whole = others_placed[:, parents] & others_placed[:, children]
        away = np.where(whole[:, None], away, np.inf)
    return np.asarray(away.min(axis=-1).mean(axis=-1), np.float64)


def joint_columns(skeleton_name: str, joints: Sequence[str]) -> list[int]:
    """Columns of the named joints."""
    return [skeleton(skeleton_name).index(joint) for joint in joints]


def _boxes(xy: FloatArray, score: FloatArray) -> FloatArray:
    """Boxes (N, 4) round the joints (N, J, 2) that are visible, or round all where none is."""
    seen = score >= _VISIBLE
    seen |= ~seen.any(axis=1, keepdims=True)
    low = np.where(seen[..., None], xy, np.inf).min(axis=1)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float32)


def follow_people(
    found: Sequence[Sightings], times_s: npt.NDArray[np.float64], skeleton_name: str, rule: PeopleRule
) -> list[Track]:
    """Join the sightings of successive samples into tracks, heaviest first.

    In each sample the cheapest matching of open tracks with sightings counts. The cost is the distance of the
    torso centres in mean sizes plus the logarithm of the ratio of the sizes.
    """
    torso = joint_columns(skeleton_name, _TORSO)
    tracks: list[list[tuple[int, int]]] = []
    for sample, here in enumerate(found):
        alive = [one for one in tracks if times_s[sample] - times_s[one[-1][0]] <= rule.max_gap_s]
        cost = np.full((len(alive), len(here)), _IMPOSSIBLE)
        for row, one in enumerate(alive):
            before, person = one[-1]
            cost[row] = _step(found[before], person, here, torso)
        matched = set()
        for mate, column in _cheapest_matching(cost):
            if cost[mate, column] <= rule.max_step:
                alive[mate].append((sample, column))
                matched.add(column)
        tracks += [[(sample, column)] for column in range(len(here)) if column not in matched]
    return sorted((_gather(found, one) for one in tracks), key=lambda one: (-one.weight, int(one.samples[0])))


def _cheapest_matching(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows and columns (R, C) that make pairs, min(R, C) of them, of least total cost."""
    if cost.shape[0] > cost.shape[1]:
        return [(row, column) for column, row in _cheapest_matching(cost.T)]
    if not cost.size:
        return []
    nearest = cost.argmin(axis=1).tolist()
    if len(set(nearest)) == len(nearest):
        # no two are nearest to the same: nothing is cheaper, and scipy.optimize is not imported
        return list(enumerate(nearest))
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _step(before: Sightings, person: int, here: Sightings, torso: list[int]) -> npt.NDArray[np.float64]:
    """Cost (N,) of taking each sighting of a sample for a person of an earlier one."""
    sizes, size = np.maximum(here.size, 1e-6), max(float(before.size[person]), 1e-6)
    moved = here.xy[:, torso].mean(axis=1) - before.xy[person, torso].mean(axis=0)
    return np.asarray(
        np.linalg.norm(moved, axis=-1) * 2.0 / (sizes + size) + np.abs(np.log(sizes / size)), np.float64
    )


def _gather(found: Sequence[Sightings], rows: Sequence[tuple[int, int]]) -> Track:
    def column(name: str) -> FloatArray:
        return np.stack([getattr(found[sample], name)[person] for sample, person in rows])

    samples = np.array([sample for sample, _ in rows], np.intp)
    return Track(samples, *(column(name) for name in ("boxes", "size", "confidence", "xy", "score")))


def pose_change(track: Track) -> float:
    """How much the pose of a track changes, see :func:`joint_change`."""
    return joint_change(track.xy, track.score)


def joint_change(xy: FloatArray, score: FloatArray) -> float:
    """How much a pose changes: mean deviation over time of its visible joints, in :func:`body_shapes`.

    Position and scale of the body are taken out, so a poster does not change under a moving camera. Infinity
    where fewer than three sightings say nothing.

    Args:
        xy: (K, J, 2) px of K sightings.
        score: (K, J).
    """
    visible = score.min(axis=0, initial=1.0) >= _VISIBLE
    if len(xy) < 3 or not visible.any():
        return float("inf")
    return float(np.linalg.norm(body_shapes(xy)[:, visible].std(axis=0), axis=-1).mean())


def body_shapes(xy: FloatArray) -> FloatArray:
    """Poses (K, J, 2) about the centre of their joints, scaled to a mean distance of 1 from it."""
    about = xy - xy.mean(axis=1, keepdims=True)
    spread = np.linalg.norm(about, axis=-1).mean(axis=1)
    return np.asarray(about / np.maximum(spread, 1e-6)[:, None, None], np.float32)
