"""Poses in the columns of another skeleton."""

from __future__ import annotations

import numpy as np

from madata.pose.base import Poses
from madata.skeletons import mapping

__all__ = ["convert_poses"]


def convert_poses(poses: Poses, source: str, target: str) -> Poses:
    """The same people in the joints of ``target``, by the names both skeletons share.

    A midpoint (neck, hip) takes the lower of its two scores. A joint that ``source`` cannot give, such as
    the small toes of ``coco-25`` for ``blazepose-33``, gets (0, 0) and score 0.
    """
    columns = mapping(source, target)
    found = columns[:, 0] >= 0
    xy = poses.xy[:, columns].mean(axis=2) * found[:, None]
    score = poses.score[:, columns].min(axis=2) * found
    return Poses(xy.astype(np.float32), score.astype(np.float32), poses.presence)
