"""The points of a pose video: what both drawing styles draw.

body (20): OpenPose's 18 points and two toes, in the order Wan-Animate was trained on (:data:`BODY`). The neck is
    the middle of the shoulders, a toe the middle of big and small toe, or the big toe where only that is found.
hands (2, 21): left and right hand; 0 the root at the wrist, then four points for each finger from the thumb on.
face (68): the iBUG landmarks of COCO-wholebody, jaw first.

Every point is (x, y, score): px of a picture of ``size``, x to the right, y down, measured from the picture's
top-left corner; score 0 means "not there", whatever x and y say. Left and right are the person's own.
Legend: T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.smpl_figure import smpl_body
from mace_dance.appearance.reference import content_box
from madata.errors import MadanceError
from madata.skeletons import skeleton
from madata.types import Keypoints2D

__all__ = ["BODY", "WHOLEBODY", "PosePoints", "points_of_pose", "wholebody_points"]

Array = npt.NDArray[np.float64]

BODY = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear", "left_toe", "right_toe",
)  # fmt: skip
"""Names of the 20 body points."""

WHOLEBODY = "coco-wholebody-133"
"""Skeleton name of COCO-wholebody: 17 body joints, 6 foot points, 68 face landmarks, two hands of 21."""

_COCO_FEET = skeleton(WHOLEBODY).joints[:23]
_FACE = slice(23, 91)
_HANDS = slice(91, 133)

# Joints whose mean is a body point, where that is not the joint of the same name: the first that are found.
_MEANS: dict[str, tuple[tuple[str, ...], ...]] = {
    "neck": (("left_shoulder", "right_shoulder"),),
    "left_toe": (("left_big_toe", "left_small_toe"), ("left_big_toe",), ("left_foot_index",)),
    "right_toe": (("right_big_toe", "right_small_toe"), ("right_big_toe",), ("right_foot_index",)),
}


@dataclass(frozen=True, eq=False)
class PosePoints:
    """The points of one person over T frames; see the module for their order.

    Attributes:
        body: (T, 20, 3) x px, y px, score.
        hands: (T, 2, 21, 3) left and right hand.
        face: (T, 68, 3) landmarks.
        size: (width, height) px of the picture.
    """

    body: Array
    hands: Array
    face: Array
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.body)

    def take(self, rows: npt.ArrayLike) -> PosePoints:
        """The frames ``rows``, in that order."""
        index = np.asarray(rows, np.intp)
        return PosePoints(self.body[index], self.hands[index], self.face[index], self.size)

    def letterboxed(self, size: tuple[int, int]) -> PosePoints:
        """The points where they lie after the picture is letterboxed to ``size`` (width, height)."""
        if size == self.size:
            return self
        top, left, height, width = content_box((self.size[1], self.size[0]), size[1], size[0])
        scale = np.array([width / self.size[0], height / self.size[1], 1.0])
        shift = np.array([left, top, 0.0])
        return PosePoints(
            self.body * scale + shift, self.hands * scale + shift, self.face * scale + shift, size
        )


def wholebody_points(
    keypoints: npt.ArrayLike, size: tuple[int, int], *, as_upstream: bool = False
) -> PosePoints:
    """The points of COCO-wholebody keypoints.

    Args:
        keypoints: (T, 133, 3) x px, y px, score.
        size: (width, height) px of the picture.
        as_upstream: to the last bit what Wan2.2's ``load_pose_metas_from_kp2ds_seq`` computes: neck and toes are
            means even where one of the two joints was not found, and a body that lies wholly left of or above the
            picture is replaced by that of the frame before. By default half a mean is no point (but for a big
            toe) and nothing is replaced.

    Raises:
        MadanceError: the shape is another one.
    """
    points = np.asarray(keypoints, np.float64)
    if points.ndim != 3 or points.shape[1:] != (133, 3):
        raise MadanceError(f"expected (T, 133, 3) COCO-wholebody keypoints, got {points.shape}")
    if as_upstream:
        return _upstream_points(points, size)
    points = _only_found(points)
    return PosePoints(
        _body_by_name(points, _COCO_FEET),
        points[:, _HANDS].reshape(-1, 2, 21, 3),
        points[:, _FACE].copy(),
        size,
    )


def points_of_pose(keypoints: Keypoints2D) -> PosePoints:
    """The points of keypoints in any 2D skeleton; what the skeleton lacks gets score 0.

    Joints with a coordinate or score that is not a number count as not found. ``smpl-24`` has no face: nose,
    eyes and ears are placed as :func:`~mace_dance.appearance.pose_video.smpl_figure.smpl_body` does.

    Raises:
        ConfigError: the skeleton is unknown.
        MadanceError: the arrays do not fit the skeleton.
    """
    joints = keypoints.xy.shape[1] if keypoints.xy.ndim == 3 else -1
    expected = skeleton(keypoints.skeleton).num_joints
    if joints != expected or keypoints.score.shape != keypoints.xy.shape[:2]:
        raise MadanceError(
            f"{keypoints.skeleton}: expected xy (T, {expected}, 2) and score (T, {expected}), "
            f"got {keypoints.xy.shape} and {keypoints.score.shape}"
        )
    points = np.concatenate([keypoints.xy, keypoints.score[..., None]], axis=-1, dtype=np.float64)
    if keypoints.skeleton == WHOLEBODY:
        return wholebody_points(points, keypoints.size)
    points = _only_found(points)
    if keypoints.skeleton == "smpl-24":
        body = smpl_body(points[..., :2], points[..., 2])
    else:
        body = _body_by_name(points, skeleton(keypoints.skeleton).joints)
    frames = len(points)
    return PosePoints(body, np.zeros((frames, 2, 21, 3)), np.zeros((frames, 68, 3)), keypoints.size)


def _upstream_points(points: Array, size: tuple[int, int]) -> PosePoints:
    """Computed in shares of the picture, as upstream does: rounding to px depends on the last bit."""
    unit = np.array([*size, 1.0])
    shares = points / unit
    body = np.stack(
        [
            (shares[:, _COCO_FEET.index(parts[0])] + shares[:, _COCO_FEET.index(parts[-1])]) / 2
            for parts in (_MEANS.get(name, ((name,),))[0] for name in BODY)
        ],
        axis=1,
    )
    for frame in range(1, len(body)):
        if (body[frame, :, :2].min(1) < 0).all():
            body[frame] = body[frame - 1]
    return PosePoints(
        body * unit, (shares[:, _HANDS] * unit).reshape(-1, 2, 21, 3), shares[:, _FACE] * unit, size
    )


def _only_found(points: Array) -> Array:
    """Zeros wherever a coordinate or the score is not finite."""
    return np.where(np.isfinite(points).all(-1, keepdims=True), points, 0.0)


def _body_by_name(points: Array, joints: tuple[str, ...]) -> Array:
    body = np.zeros((len(points), len(BODY), 3))
    for column, name in enumerate(BODY):
        means = ((name,), *_MEANS.get(name, ())) if name != "neck" else _MEANS[name]
        for parts in means:
            if all(joint in joints for joint in parts):
                found = points[:, [joints.index(joint) for joint in parts]]
                whole = (found[..., 2:] > 0).all(1) & (body[:, column, 2:] <= 0)
                body[:, column] = np.where(whole, found.mean(1), body[:, column])
    return body
