"""Whole bodies: BlazePose's joints, 21 points of each hand and 68 of the face, from networks of one wheel.

BlazePose finds and places the body; its wrists and knuckles say where to look for hands (:mod:`madata.pose.hands`), its
points of the head where to look for the face (:mod:`madata.pose.faces`). Joints come in the order of COCO-WholeBody.
What is not seen has (0, 0) and score 0: a hand or face below ``min_part``, and the small toes, which BlazePose does not
know. Every frame is looked at by itself but for the body in :meth:`WholeBody.follow`, and the side of a hand that both
wrists find there: what the network says of it in all frames in a row so far.

One thread, XNNPACK: the same pictures give the same numbers. Crops go through the networks one by one: a batch of 8
costs as much a crop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from madata.cache import remembered_sha256
from madata.pose.backends.blazepose import BlazePose
from madata.pose.base import Detections, Image, Poses
from madata.pose.faces import FaceNetworks
from madata.pose.hands import Hand, HandNetworks
from madata.pose.joints import convert_poses
from madata.skeletons import skeleton
from madata.types import FloatArray
from madata.weights import find_weights

__all__ = ["BACKEND", "WholeBody"]

SKELETON = "coco-wholebody-133"
_FACE = slice(23, 91)
_HANDS = (slice(91, 112), slice(112, 133))

_BODY = skeleton(BlazePose.skeleton)
_HEAD = slice(0, 11)
_EYES = [_BODY.index("right_eye"), _BODY.index("left_eye")]
_ARMS = [
    [_BODY.index(f"{side}_{joint}") for joint in ("wrist", "index", "pinky")] for side in ("left", "right")
]
_MIN_WRIST = 0.1
_LONG_PARTS = [
    [_BODY.index(f"{side}_{joint}") for side in ("left", "right") for joint in joints]
    for joints in (("shoulder", "hip", "knee"), ("hip", "knee", "ankle"))
]
_REACH = 0.2
"""How far the root of a hand may lie from its wrist, in lengths of the longest part of trunk and legs. Of 215 hands of
four videos half lay within 0.05; the eight beyond 0.2 were the other hand, a sleeve, or far too small."""
_SAME_HAND = 0.5
"""Two hands whose points are nearer, in lengths of the hand, are one."""

_Share = Annotated[float, Field(gt=0, le=1)]


class WholeBody:
    """See :class:`madata.pose.base.PoseBackend`; ``body`` is the cheaper backend that finds the same people."""

    skeleton = SKELETON
    long_side = 1280
    """Px of a video's pictures, at most: at BlazePose's 640 a dancer's hand has about 30."""

    def __init__(
        self,
        body: BlazePose,
        hands: HandNetworks,
        faces: FaceNetworks,
        min_part: float,
        weights: dict[str, str],
    ) -> None:
        self.body, self._hands, self._faces, self._min_part = body, hands, faces, min_part
        self.identity: dict[str, Any] = {
            "name": "wholebody",
            "weights": {**body.identity["weights"], **weights},
            "settings": {**body.identity["settings"], "min_part": min_part},
        }

    @classmethod
    def load(
        cls,
        weights: Path | None = None,
        *,
        device: str = "cpu",
        min_score: _Share = 0.3,
        tile_side: _Share = 0.6,
        merge_reach: _Share = 0.4,
        min_presence: _Share = 0.5,
        min_part: _Share = 0.5,
    ) -> WholeBody:
        """Find the networks (see :mod:`madata.weights`) and load them.

        Args:
            weights: folder searched first.
            device: not used, the networks run on the CPU.
            min_score, tile_side, merge_reach, min_presence: see
                :class:`madata.pose.backends.blazepose.BlazePoseSettings`.
            min_part: a hand or face that is less sure is none.

        Raises:
            MissingDependencyError: ``ai-edge-litert`` is not installed.
            WeightsError: a network is not on this machine; the message holds the command.
        """
        body = BlazePose.load(
            weights,
            device=device,
            min_score=min_score,
            tile_side=tile_side,
            merge_reach=merge_reach,
            min_presence=min_presence,
        )
        hands = [find_weights(name, weights) for name in ("hand-recrop", "hand-landmarks", "palm-detector")]
        faces = [find_weights(name, weights) for name in ("face-detector", "face-landmarks")]
        digests = {path.name: remembered_sha256(path) for path in (*hands, *faces)}
        return cls(body, HandNetworks(*hands), FaceNetworks(*faces), min_part, digests)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """BlazePose's people."""
        return self.body.detect(images)

    def estimate(self, images: Sequence[Image], people: Sequence[Detections]) -> list[Poses]:
        """133 points of each person; ``score`` is the joint's visibility, and how sure the hand and the face are.

        ``presence`` is that of BlazePose.
        """
        found = self.body.estimate(images, people)
        return [self._complete(image, poses) for image, poses in zip(images, found, strict=True)]

    def follow(self, images: Iterable[Image]) -> Iterator[Poses]:
        """One person through consecutive frames, at most one row a frame, as BlazePose follows him."""
        shown, followed = tee(images)
        sides = Sides()
        for image, poses in zip(shown, self.body.follow(followed), strict=True):
            if not len(poses):
                sides = Sides()  # who is found next may be another
            yield self._complete(image, poses, sides)

    def _complete(self, image: Image, body: Poses, sides: Sides | None = None) -> Poses:
        """The people of a picture with hands and faces; ``sides`` remembers those of a person who is followed."""
        whole = convert_poses(body, BlazePose.skeleton, SKELETON)
        for row, (points, score) in enumerate(zip(body.xy, body.score, strict=True)):
            xy, sure = whole.xy[row], whole.score[row]
            face = self._faces.find(image, points[_HEAD], points[_EYES], self._min_part)
            if face is not None:
                xy[_FACE], sure[_FACE] = face.xy, face.score
            for columns, hand in zip(
                _HANDS, self._hands_of(image, points, score, sides or Sides()), strict=True
            ):
                if hand is not None:
                    xy[columns], sure[columns] = hand.xy, hand.score
        return whole

    def _hands_of(
        self, image: Image, points: FloatArray, score: FloatArray, sides: Sides
    ) -> tuple[Hand | None, Hand | None]:
        """The left and the right hand of a body (33, 2)."""
        starts, ends = (points[columns] for columns in _LONG_PARTS)
        reach = _REACH * float(np.linalg.norm(starts - ends, axis=-1).max())
        left, right = (
            self._hands.find(image, points[arm], reach, self._min_part)
            if score[arm[0]] >= _MIN_WRIST
            else None
            for arm in _ARMS
        )
        return sides.told_apart(left, right)


class Sides:
    """Which side a hand is of that both wrists find, by all frames in a row in which they do.

    The network says it for each frame, and may err where the hand is blurred or seen from its edge; a hand does not
    change its side while it is one for both. Two hands, or none, end the row.
    """

    def __init__(self) -> None:
        self._votes: list[float] = []

    def told_apart(self, left: Hand | None, right: Hand | None) -> tuple[Hand | None, Hand | None]:
        """The left and the right hand of what a left and a right wrist found in the next frame."""
        if left is None or right is None or not _are_one(left, right):
            self._votes.clear()
            return left, right
        surer = max((left, right), key=lambda hand: hand.score)
        self._votes.append((left.right + right.right) / 2.0)
        return (None, surer) if np.mean(self._votes) >= 0.5 else (surer, None)


def _are_one(left: Hand, right: Hand) -> bool:
    apart = float(np.linalg.norm(left.xy - right.xy, axis=-1).mean())
    return apart < _SAME_HAND * min(left.length, right.length)


BACKEND = WholeBody.load
