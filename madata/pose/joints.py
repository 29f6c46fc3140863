"""Poses in the columns of another skeleton."""

from __future__ import annotations

from dataclasses import replace

from madata.pose.base import Poses
from madata.skeletons import mapping, take_points, take_scores

__all__ = ["convert_poses"]


def convert_poses(poses: Poses, source: str, target: str) -> Poses:
    """The same people in the joints of ``target``, by the names both skeletons share.

    A midpoint (neck, hip) takes the lower of its two scores. A joint that ``source`` cannot give, such as
    the small toes of ``coco-25`` for ``blazepose-33``, gets (0, 0) and score 0.
    """
    columns = mapping(source, target)
    return replace(poses, xy=take_points(poses.xy, columns), score=take_scores(poses.score, columns))
