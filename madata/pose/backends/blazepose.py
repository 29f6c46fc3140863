"""BlazePose: many people per picture from two networks embedded in a wheel, without that wheel's runtime.

``pose_detection.tflite`` finds people (:mod:`madata.pose.ssd`). One pass over the whole picture finds
little more than the largest person, so it also looks at overlapping squares and the people of all squares
are merged. ``pose_landmark_full.tflite`` sees one person in an upright 256 px crop: the square round the
hip with 2.5 times the body radius as its side. It gives 39 points of (x, y, z, visibility, presence), of
which 33 are landmarks and two (hip centre, full-body circle) align the crop of the next frame, a person
flag, and heat maps that refine x and y.

One thread, XNNPACK: the same pictures give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from madata.cache import remembered_sha256
from madata.errors import ConfigError
from madata.pose import crops, ssd
from madata.pose.base import Detections, Image, Poses, check_images, empty_poses
from madata.pose.lite import LiteNetwork
from madata.types import FloatArray
from madata.weights import find_weights

__all__ = ["BACKEND", "BlazePose", "BlazePoseSettings", "decode_landmarks", "hip_agreement"]

CROP_PX = 256
NUM_LANDMARKS = 33
_POINTS, _VALUES = 39, 5
_ALIGN = slice(33, 35)
_HIPS = [23, 24]
_HIP_SPREAD = 0.15
_CROP_SIDE = 2.5
_REFINE_KERNEL = 7
_REFINE_MIN = 0.5


_Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class BlazePoseSettings:
    """What changes a result.

    Attributes:
        min_score: a detection below it is nobody.
        tile_side: side of the small squares as a share of the picture's long side; 1 looks at the whole
            picture only.
        merge_reach: two detections whose body axes pass nearer than this share of the radius are one person.
        min_presence: :meth:`BlazePose.follow` looks for the person anew below this person flag.
    """

    min_score: float = 0.3
    tile_side: float = 0.6
    merge_reach: float = 0.4
    min_presence: float = 0.5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 < value <= 1.0:
                raise ConfigError(f"blazepose: {name} must be above 0 and at most 1, got {value}")


class BlazePose:
    """Person detector and 33-landmark estimator; see :class:`madata.pose.base.PoseBackend`."""

    skeleton = "blazepose-33"

    def __init__(self, detector: Path, landmarks: Path, settings: BlazePoseSettings | None = None) -> None:
        """Load the two networks.

        Raises:
            MissingDependencyError: ``ai-edge-litert`` is not installed.
        """
        self.settings = settings or BlazePoseSettings()
        self.identity: dict[str, Any] = {
            "name": "blazepose",
            "weights": {path.name: remembered_sha256(path) for path in (detector, landmarks)},
            "settings": asdict(self.settings),
        }
        self._detector = LiteNetwork(detector)
        self._landmarks = LiteNetwork(landmarks)

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
    ) -> BlazePose:
        """Find the two files (see :mod:`madata.weights`) and load them.

        Args:
            weights: folder searched first.
            device: not used, the networks run on the CPU.
            min_score, tile_side, merge_reach, min_presence: see :class:`BlazePoseSettings`.
        """
        return cls(
            find_weights("blazepose-detector", weights),
            find_weights("blazepose-landmarks", weights),
            BlazePoseSettings(min_score, tile_side, merge_reach, min_presence),
        )

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """The people of each picture, best first, merged over all squares."""
        check_images(images)
        return [self._detect(image) for image in images]

    def estimate(self, images: Sequence[Image], people: Sequence[Detections]) -> list[Poses]:
        """33 landmarks of each person; ``score`` is the network's visibility.

        ``presence`` is the person flag times the agreement of both networks: shown legs without a body or a
        curtain, each invents another hip.
        """
        check_images(images, people)
        return [
            _weigh(self._estimate(image, _anchors_of(found))[0], found)
            for image, found in zip(images, people, strict=True)
        ]

    def follow(self, images: Iterable[Image]) -> Iterator[Poses]:
        """One person through consecutive frames, at most one row a frame.

        The crop comes from the landmarks of the frame before, as in the network's training; only where the
        person flag falls below ``min_presence`` the picture is searched again. The largest of the people
        found is followed.
        """
        anchor: FloatArray | None = None
        for image in images:
            check_images([image])
            if anchor is not None:
                pose, anchor_next = self._estimate(image, anchor)
                if pose.presence[0] >= self.settings.min_presence:
                    anchor = anchor_next
                    yield pose
                    continue
            found = self._detect(image)
            if len(found) == 0:
                anchor = None
                yield empty_poses(NUM_LANDMARKS)
                continue
            pose, anchor_next = self._estimate(image, _anchors_of(found.take([int(found.size.argmax())])))
            anchor = anchor_next if pose.presence[0] >= self.settings.min_presence else None
            yield pose

    def _detect(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        squares = ssd.tiles(width, height, self.settings.tile_side)
        levels = {
            scale: crops.shrink(image, (max(1, round(width * scale)), max(1, round(height * scale))))
            for scale in {square.scale for square in squares}
        }
        batch = np.stack([_cut(levels[square.scale], square.x0, square.y0) for square in squares])
        outputs = self._detector(batch.astype(np.float32) / 127.5 - 1.0)
        logits, raw = sorted(
            (ssd.split_batch(output, len(squares)) for output in outputs), key=lambda output: output.shape[-1]
        )
        points, scores = [], []
        for square, values, logit in zip(squares, raw, logits, strict=True):
            found, score = ssd.suppress(*ssd.decode_boxes(values, logit, self.settings.min_score))
            points.append(square.to_picture(found))
            scores.append(score)
        return _people(np.concatenate(points), np.concatenate(scores), self.settings.merge_reach)

    def _estimate(self, image: Image, anchors: FloatArray) -> tuple[Poses, FloatArray]:
        """Poses and the next frame's anchors (N, 2, 2) of the people at ``anchors`` (N, 2, 2)."""
        poses = empty_poses(NUM_LANDMARKS)
        xy, score, presence, following = (
            [poses.xy],
            [poses.score],
            [poses.presence],
            [np.zeros((0, 2, 2), np.float32)],
        )
        for hip, circle in anchors:
            up = circle - hip
            side = max(_CROP_SIDE * float(np.hypot(*up)), 1.0)
            matrix = crops.rotated_square(hip, up, side, CROP_PX)
            crop = crops.warp(image, matrix, (CROP_PX, CROP_PX)).astype(np.float32) / 255.0
            outputs = {output[0].size: output[0] for output in self._landmarks(crop[None])}
            points, visibility = decode_landmarks(
                outputs[_POINTS * _VALUES].reshape(_POINTS, _VALUES),
                outputs[_POINTS * (CROP_PX // 4) ** 2],
            )
            placed = crops.apply(crops.invert(matrix), points)
            xy.append(placed[None, :NUM_LANDMARKS])
            score.append(visibility[None, :NUM_LANDMARKS])
            presence.append(outputs[1].reshape(1))
            following.append(placed[None, _ALIGN])
        return Poses(np.concatenate(xy), np.concatenate(score), np.concatenate(presence)), np.concatenate(
            following
        )


def hip_agreement(poses: Poses, people: Detections) -> FloatArray:
    """How well landmarks and detector place the same hip, (N,) 0..1; 1 where the detector places none.

    Measured on the sample footage, the two are 0.02-0.12 of the body radius apart on people, 0.1-0.4 on legs
    alone, loose limbs and things that are nobody.
    """
    if people.anchor is None:
        return np.ones(len(people), np.float32)
    apart = np.linalg.norm(poses.xy[:, _HIPS].mean(axis=1) - people.anchor[:, 0], axis=-1) / people.size
    return np.asarray(np.exp(-0.5 * (apart / _HIP_SPREAD) ** 2), np.float32)


def _weigh(poses: Poses, people: Detections) -> Poses:
    return Poses(poses.xy, poses.score, poses.presence * hip_agreement(poses, people))


def decode_landmarks(values: FloatArray, heatmaps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points and visibility of one crop.

    Each point moves to the centre of mass of its heat map in the 7 x 7 cells round it, where that holds a
    cell of at least 0.5.

    Args:
        values: (K, 5) x, y, z in crop px, then the logits of visibility and presence.
        heatmaps: (rows, columns, K) logits.

    Returns:
        (K, 2) crop px and visibility (K,) 0..1.
    """
    rows, columns = heatmaps.shape[:2]
    cell_px = np.array([CROP_PX / columns, CROP_PX / rows], np.float32)
    xy = values[:, :2].copy()
    reach = (_REFINE_KERNEL - 1) // 2
    for joint, (column, row) in enumerate(np.floor(xy / cell_px).astype(int)):
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        top, left = max(0, row - reach), max(0, column - reach)
        window = _sigmoid(heatmaps[top : row + reach + 1, left : column + reach + 1, joint])
        if window.max() >= _REFINE_MIN:
            y, x = np.indices(window.shape)
            mean = np.array([(window * (x + left)).sum(), (window * (y + top)).sum()]) / window.sum()
            xy[joint] = mean * cell_px
    return xy, _sigmoid(values[:, 3])


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0))), np.float32)


def _cut(picture: Image, x0: int, y0: int) -> Image:
    """A 224 px square of ``picture``, black beyond its edge."""
    square = np.zeros((ssd.BODIES.side, ssd.BODIES.side, 3), np.uint8)
    part = picture[max(0, y0) : y0 + ssd.BODIES.side, max(0, x0) : x0 + ssd.BODIES.side]
    top, left = max(0, -y0), max(0, -x0)
    square[top : top + part.shape[0], left : left + part.shape[1]] = part
    return square


def _people(points: FloatArray, score: FloatArray, reach: float) -> Detections:
    rows = ssd.merge_people(points, score, reach)
    points, score = points[rows], score[rows]
    return Detections(
        boxes=_body_boxes(points),
        score=score,
        size=ssd.body_radius(points),
        axis=np.stack([points[:, ssd.HIP], ssd.face_centre(points)], axis=1),
        anchor=points[:, [ssd.HIP, ssd.CIRCLE]],
    )


def _body_boxes(points: FloatArray) -> FloatArray:
    """Boxes (K, 4) round the body: along its axis the whole circle, across it half of that."""
    hip, along = points[:, ssd.HIP], points[:, ssd.CIRCLE] - points[:, ssd.HIP]
    across = along[:, ::-1] * np.array([-0.5, 0.5], np.float32)
    half = np.abs(along) + np.abs(across)
    return np.concatenate([hip - half, hip + half], axis=1)


def _anchors_of(people: Detections) -> FloatArray:
    """Hip centre and circle point (N, 2, 2); a box of another detector stands for an upright body that fills it."""
    if people.anchor is not None:
        return people.anchor
    low, high = people.boxes[:, :2], people.boxes[:, 2:]
    hip = (low + high) / 2.0
    radius = (high - low).max(axis=1, initial=0.0) / 2.0
    return np.stack([hip, hip - np.stack([np.zeros_like(radius), radius], axis=1)], axis=1)


BACKEND = BlazePose.load
