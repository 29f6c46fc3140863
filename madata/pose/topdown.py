"""What backends share that place joints inside boxes: a person detector, crops in, heat maps out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from madata.errors import WeightsError
from madata.networks import BatchNetwork
from madata.pose.base import Detections, Image, Poses, check_images, empty_poses
from madata.pose.crops import box_crop, warp
from madata.pose.heatmaps import Method, decode_heatmaps, to_picture
from madata.types import FloatArray

__all__ = ["CROP_SIZE", "PADDING", "estimate_in_boxes", "presence_of", "skeleton_of"]

CROP_SIZE = (192, 256)
PADDING = 1.25
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_BATCH = 16
_SKELETONS = {17: "coco-17", 25: "coco-25"}


def skeleton_of(num_joints: int, model: str) -> str:
    """Skeleton of a network by its number of joints.

    Raises:
        WeightsError: there is none of that number.
    """
    if num_joints not in _SKELETONS:
        raise WeightsError(f"{model} gives {num_joints} joints; expected 17 (coco-17) or 25 (coco-25)")
    return _SKELETONS[num_joints]


def presence_of(score: FloatArray) -> FloatArray:
    """Presence (N,) of people from their joint scores (N, J): the mean of the better half.

    So a body cut off by the picture counts for what is seen of it.
    """
    better = np.sort(score, axis=1)[:, score.shape[1] // 2 :]
    return np.asarray(np.clip(better.mean(axis=1), 0.0, 1.0), np.float32)


def estimate_in_boxes(
    network: BatchNetwork,
    num_joints: int,
    images: Sequence[Image],
    people: Sequence[Detections],
    padding: float,
    method: Method,
) -> list[Poses]:
    """Poses of all people of all pictures, in batches across pictures.

    Args:
        network: normalised crops (B, 3, 256, 192) -> heat maps (B, J, rows, columns).
    """
    check_images(images, people)
    owners = [number for number, some in enumerate(people) for _ in range(len(some))]
    matrices = [box_crop(box, CROP_SIZE, padding) for some in people for box in some.boxes]
    xy: list[FloatArray] = []
    score: list[FloatArray] = []
    for start in range(0, len(owners), _BATCH):
        part = range(start, min(start + _BATCH, len(owners)))
        crops = np.stack([warp(images[owners[row]], matrices[row], CROP_SIZE) for row in part])
        normal = (crops.astype(np.float32) / 255.0 - _MEAN) / _DEVIATION
        (heatmaps,) = network(np.ascontiguousarray(normal.transpose(0, 3, 1, 2)))
        cells, values = decode_heatmaps(heatmaps, method)
        size = (heatmaps.shape[3], heatmaps.shape[2])
        xy += [to_picture(cells[row - start], size, CROP_SIZE, matrices[row]) for row in part]
        score += list(np.clip(values, 0.0, 1.0).astype(np.float32))
    poses = []
    for number in range(len(images)):
        rows = [row for row, owner in enumerate(owners) if owner == number]
        if not rows:
            poses.append(empty_poses(num_joints))
            continue
        scores = np.stack([score[row] for row in rows])
        poses.append(Poses(np.stack([xy[row] for row in rows]), scores, presence_of(scores)))
    return poses
