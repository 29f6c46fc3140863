"""Who of the people of a shot performs, and whether the shot is kept.

Legend: S samples, J joints; positions and sizes in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError
from madata.people.rule import PeopleRule
from madata.people.tracks import Track, body_shapes, follow_people, joint_columns, pose_change, sightings
from madata.pose.base import Detections, Image, PoseBackend, Poses
from madata.skeletons import skeleton
from madata.types import FloatArray

__all__ = ["Role", "Verdict", "decide", "examine", "judge_people", "mirror_error"]

Role = Literal["performer", "second", "passer-by", "small", "poster", "mirror", "unsure"]
_COUNTED = ("performer", "second", "passer-by")
_SHOULDERS = ("left_shoulder", "right_shoulder")
_HIPS = ("left_hip", "right_hip")
_POSTER_RATIO = 3.0
_MIRROR_RATIO = 0.6


@dataclass(frozen=True)
class Verdict:
    """The decision about one shot and everything it rests on.

    Attributes:
        reason: ``None`` (keep), ``"multi_person"`` or ``"no_person"``.
        counts: (S,) performers present in each sample.
        seen: (S,) whether the performer is seen well enough.
        boxes: (S, 4) the performer's box, interpolated in short gaps, NaN where there is none.
        xy, score: (S, J, 2) and (S, J) of the performer; NaN and 0 where there is no sighting.
        tracks, roles: every track, heaviest first, and what it was taken for.
        settings: the rule and the backend's identity.
    """

    reason: str | None
    share_two_or_more: float
    share_none: float
    counts: npt.NDArray[np.int64]
    seen: npt.NDArray[np.bool_]
    boxes: FloatArray
    xy: FloatArray
    score: FloatArray
    skeleton: str
    tracks: tuple[Track, ...]
    roles: tuple[Role, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def measured(self) -> dict[str, Any]:
        """Values for a table row: the two shares, the largest count, the number of tracks of each role."""
        return {
            "share_two_or_more": self.share_two_or_more,
            "share_none": self.share_none,
            "max_count": int(self.counts.max(initial=0)),
            "roles": {role: self.roles.count(role) for role in sorted(set(self.roles))},
        }


def examine(
    backend: PoseBackend, images: Sequence[Image], times_s: npt.ArrayLike, rule: PeopleRule | None = None
) -> Verdict:
    """Look at the sampled pictures of one shot and decide.

    Args:
        backend: made by :func:`madata.pose.load`.
        images: S pictures (H, W, 3) uint8 RGB of one size, upright.
        times_s: (S,) ascending seconds.
        rule: thresholds; default :class:`PeopleRule`.

    Raises:
        MadanceError: there is no picture, or the times do not fit.
    """
    rule = rule or PeopleRule()
    times = np.asarray(times_s, np.float64)
    if len(images) == 0 or times.shape != (len(images),) or (np.diff(times) <= 0).any():
        raise MadanceError(
            f"expected one ascending time for each of {len(images)} pictures, got {times.shape}"
        )
    people = backend.detect(images)
    poses = backend.estimate(images, people)
    return decide(list(zip(people, poses, strict=True)), times, backend.skeleton, rule, backend.identity)


def decide(
    found: Sequence[tuple[Detections, Poses]],
    times_s: npt.NDArray[np.float64],
    skeleton_name: str,
    rule: PeopleRule,
    identity: dict[str, Any],
) -> Verdict:
    """Decide by what a backend found in each sample: the part of :func:`examine` that needs no picture.

    Args:
        found: people and poses of each of the S samples.
        times_s: (S,) ascending seconds.
        identity: of the backend, stored in the verdict.
    """
    seen = [sightings(people, poses, skeleton_name, rule) for people, poses in found]
    tracks = follow_people(seen, times_s, skeleton_name, rule)
    return judge_people(tracks, times_s, skeleton_name, rule, settings={"backend": identity})


def judge_people(
    tracks: Sequence[Track],
    times_s: npt.NDArray[np.float64],
    skeleton_name: str,
    rule: PeopleRule,
    settings: dict[str, Any] | None = None,
) -> Verdict:
    """Give every track its role, count, and decide.

    Args:
        tracks: heaviest first, as :func:`madata.people.follow_people` gives them.
        times_s: (S,) seconds.
        settings: stored in the verdict beside the rule.
    """
    num_samples = len(times_s)
    roles = _roles(tracks, num_samples, skeleton_name, rule)
    counts = _count([one for one, role in zip(tracks, roles, strict=True) if role in _COUNTED], times_s, rule)
    boxes = np.full((num_samples, 4), np.nan, np.float32)
    xy = np.full((num_samples, skeleton(skeleton_name).num_joints, 2), np.nan, np.float32)
    score = np.zeros(xy.shape[:2], np.float32)
    sure = np.zeros(num_samples, np.float32)
    for one, role in zip(tracks, roles, strict=True):
        if role == "performer":
            boxes[one.samples], xy[one.samples], score[one.samples] = one.boxes, one.xy, one.score
            sure[one.samples] = one.confidence
    seen = (sure >= rule.strong) & _torso_visible(score, skeleton_name, rule)
    share_two, share_none = float((counts >= 2).mean()), float((~seen).mean())
    reason = None
    if share_two >= rule.multi_share:
        reason = "multi_person"
    elif share_none >= rule.none_share:
        reason = "no_person"
    return Verdict(
        reason=reason,
        share_two_or_more=share_two,
        share_none=share_none,
        counts=counts,
        seen=seen,
        boxes=_bridge_boxes(boxes, times_s, rule.max_gap_s),
        xy=xy,
        score=score,
        skeleton=skeleton_name,
        tracks=tuple(tracks),
        roles=tuple(roles),
        settings={"rule": asdict(rule), **(settings or {})},
    )


def _torso_visible(score: FloatArray, skeleton_name: str, rule: PeopleRule) -> npt.NDArray[np.bool_]:
    shoulders = score[:, joint_columns(skeleton_name, _SHOULDERS)].mean(axis=1)
    hips = score[:, joint_columns(skeleton_name, _HIPS)].mean(axis=1)
    return np.asarray((shoulders >= rule.min_shoulders) & (hips >= rule.min_hips))


def _roles(tracks: Sequence[Track], num_samples: int, skeleton_name: str, rule: PeopleRule) -> list[Role]:
    """One role for each track.

    Tracks never seen beside the performer may be him again, and are taken for him.
    """
    hits = rule.min_hits if num_samples >= 2 * rule.min_hits else 1
    roles: list[Role] = ["unsure"] * len(tracks)
    people = [
        number
        for number, one in enumerate(tracks)
        if len(one) >= hits and float(one.confidence.max()) >= rule.strong
    ]
    changes = {number: pose_change(tracks[number]) for number in people}
    liveliest = max((change for change in changes.values() if np.isfinite(change)), default=0.0)
    main: list[Track] = []
    for number in people:
        one = tracks[number]
        beside = [other for other in main if np.intersect1d(other.samples, one.samples).size]
        if changes[number] < min(rule.poster_change, liveliest / _POSTER_RATIO):
            roles[number] = "poster"
        elif main and _relative_size(one, main[0]) < rule.relative_size:
            roles[number] = "small"
        elif not beside:
            roles[number] = "performer"
            main.append(one)
        elif min(mirror_error(one, other, skeleton_name) for other in beside) < rule.mirror_distance:
            roles[number] = "mirror"
        else:
            roles[number] = "second" if len(one) >= rule.multi_share * num_samples else "passer-by"
    return roles


def _relative_size(one: Track, performer: Track) -> float:
    """Median size against the performer's, over the samples with both, else over all."""
    shared, rows, columns = np.intersect1d(one.samples, performer.samples, return_indices=True)
    sizes, others = (one.size[rows], performer.size[columns]) if len(shared) else (one.size, performer.size)
    return float(np.median(sizes) / max(float(np.median(others)), 1e-6))


def mirror_error(track: Track, performer: Track, skeleton_name: str) -> float:
    """How far a track is from being the performer's mirror image, in units of :func:`body_shapes`.

    In a mirror left and right joints are exchanged; in one at the side of the picture x is turned round
    too. The error is the mean distance of the joints over the samples both share. People who dance the same
    steps match without any exchange, so unless the exchange explains the poses clearly better the answer is
    infinity; so it is where they share fewer than three samples.
    """
    shared, rows, columns = np.intersect1d(track.samples, performer.samples, return_indices=True)
    if len(shared) < 3:
        return float("inf")
    poses, others = body_shapes(track.xy)[rows], body_shapes(performer.xy)[columns]
    exchanged = others[:, skeleton(skeleton_name).mirrored]
    turned = exchanged * np.array([-1.0, 1.0], np.float32)
    double, facing, beside = (
        float(np.linalg.norm(poses - other, axis=-1).mean()) for other in (others, exchanged, turned)
    )
    best = min(facing, beside)
    return best if best < _MIRROR_RATIO * double else float("inf")


def _count(
    tracks: Sequence[Track], times_s: npt.NDArray[np.float64], rule: PeopleRule
) -> npt.NDArray[np.int64]:
    """People present in each sample, (S,).

    All who are seen count, and of those who are not, whoever is seen shortly before and after and is known to be
    somebody else than those who are seen.
    """
    seen = np.zeros((len(tracks), len(times_s)), bool)
    bridged = np.zeros_like(seen)
    for row, one in enumerate(tracks):
        seen[row, one.samples] = True
        for first, last in pairwise(one.samples):
            bridged[row, first + 1 : last] = times_s[last] - times_s[first] <= rule.max_gap_s
    together = (seen.astype(int) @ seen.T.astype(int)) > 0
    counts = seen.sum(axis=0)
    for row, sample in zip(*np.nonzero(bridged), strict=True):
        others = np.flatnonzero(seen[:, sample])
        counts[sample] += bool(together[row, others].all())
    return np.asarray(counts, np.int64)


def _bridge_boxes(boxes: FloatArray, times_s: npt.NDArray[np.float64], max_gap_s: float) -> FloatArray:
    """Interpolate boxes (S, 4) between two sightings that are at most ``max_gap_s`` apart."""
    known = np.flatnonzero(np.isfinite(boxes[:, 0]))
    filled = boxes.copy()
    for first, last in pairwise(known):
        if last - first > 1 and times_s[last] - times_s[first] <= max_gap_s:
            share = (times_s[first + 1 : last] - times_s[first]) / (times_s[last] - times_s[first])
            filled[first + 1 : last] = boxes[first] + share[:, None] * (boxes[last] - boxes[first])
    return filled
