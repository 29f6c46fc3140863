"""The one interface behind every person detector and keypoint estimator.

Legend: N people of one picture, J joints. Pictures are (H, W, 3) uint8 RGB. Positions are px of the picture
given, x to the right, y down, measured from its top-left *corner*: the picture spans 0..W and 0..H, the
first pixel has its centre at (0.5, 0.5), and a change of resolution is one multiplication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from madata.errors import MadanceError
from madata.types import FloatArray

__all__ = ["Detections", "Image", "PoseBackend", "Poses", "check_images", "empty_detections", "empty_poses"]

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Detections:
    """The people found in one picture, best first.

    Attributes:
        boxes: (N, 4) body boxes ``x0, y0, x1, y1`` px; they may reach beyond the picture.
        score: (N,) 0..1.
        size: (N,) px, how large each person is: half the height of the whole standing body, also where only
            a part of it is in the picture. Ratios of sizes compare people; a box cannot (arms out, legs cut
            off).
        axis: (N, 2, 2) hip centre and head centre px where the detector knows them.
        anchor: (N, 2, 2) hip centre and full-body circle point px, from which BlazePose aligns its crop.
    """

    boxes: FloatArray
    score: FloatArray
    size: FloatArray
    axis: FloatArray | None = None
    anchor: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: npt.ArrayLike) -> Detections:
        """The people of ``rows`` (indices or a mask), in that order."""
        index = np.asarray(rows)
        index = index if index.dtype == bool else index.astype(np.intp)
        return Detections(
            self.boxes[index],
            self.score[index],
            self.size[index],
            None if self.axis is None else self.axis[index],
            None if self.anchor is None else self.anchor[index],
        )


@dataclass(frozen=True)
class Poses:
    """The keypoints of N people of one picture.

    Attributes:
        xy: (N, J, 2) px; joints outside the picture may lie beyond its edge.
        score: (N, J) 0..1, how surely each joint is visible where it was placed.
        presence: (N,) 0..1, how surely there is a person at all.
    """

    xy: FloatArray
    score: FloatArray
    presence: FloatArray

    def __len__(self) -> int:
        return len(self.xy)


class PoseBackend(Protocol):
    """What every backend offers; :func:`madata.pose.load` makes one by name.

    Attributes:
        skeleton: name in :mod:`madata.skeletons` of what :meth:`estimate` returns.
        identity: name, SHA-256 of the weights and every setting that changes a result; stored with the
            results.
    """

    skeleton: str
    identity: dict[str, Any]

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find the people of each picture."""
        ...

    def estimate(self, images: Sequence[Image], people: Sequence[Detections]) -> list[Poses]:
        """Place the joints of ``people[i]`` in ``images[i]``; one row of :class:`Poses` for each person."""
        ...


def empty_detections() -> Detections:
    """Nobody."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))


def empty_poses(num_joints: int) -> Poses:
    """The poses of nobody."""
    return Poses(
        np.zeros((0, num_joints, 2), np.float32),
        np.zeros((0, num_joints), np.float32),
        np.zeros(0, np.float32),
    )


def check_images(images: Sequence[Image], people: Sequence[Detections] | None = None) -> None:
    """Refuse what is not a sequence of RGB pictures.

    Raises:
        MadanceError: a picture is not (H, W, 3) uint8, or ``people`` has another length.
    """
    for number, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise MadanceError(
                f"picture {number}: expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
            )
    if people is not None and len(people) != len(images):
        raise MadanceError(f"expected the people of {len(images)} pictures, got {len(people)}")
