"""The pose of the person in the reference picture: what a dance is aligned to, and where the face is cropped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.face import crop_face, face_boxes
from mace_dance.appearance.pose_video.points import PosePoints, points_of_pose
from madata.errors import ConfigError, MadanceError
from madata.people import PeopleRule, sightings
from madata.pose.base import PoseBackend
from madata.types import Keypoints2D

__all__ = ["ReferencePose", "face_crop"]

Image = npt.NDArray[np.uint8]

# One picture has no second look: whoever is seen must be as sure as a person of a whole shot.
_RULE = PeopleRule(weak=PeopleRule().strong)


@dataclass(frozen=True, eq=False)
class ReferencePose:
    """The pose of one person in one picture.

    Attributes:
        points: one frame, px of the picture.
    """

    points: PosePoints

    def __post_init__(self) -> None:
        """Refuse anything but one frame."""
        if len(self.points) != 1:
            raise MadanceError(f"a reference pose is one frame, got {len(self.points)}")

    @classmethod
    def from_keypoints(cls, keypoints: Keypoints2D) -> ReferencePose:
        """The first frame of ``keypoints``, in any 2D skeleton."""
        if len(keypoints.xy) == 0:
            raise MadanceError("no keypoints: a reference pose needs one frame")
        return cls(points_of_pose(keypoints).take([0]))

    @classmethod
    def from_image(
        cls,
        image: Image,
        backend: PoseBackend | str = "wholebody",
        *,
        people: Literal["largest", "one"] = "largest",
        weights: Path | None = None,
        device: str = "cpu",
    ) -> ReferencePose:
        """Find the person in a picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            backend: one of :mod:`madata.pose`, or its name (loaded here).
            people: of several people take the ``largest`` (size times confidence), or insist on ``one``; who is
                less than 0.45 of the largest is background. A detection whose pose is not surely a person counts
                as nobody, however large it is.
            weights: folder of the backend's weights, for a name.
            device: torch name of the device, for a name.

        Raises:
            MadanceError: there is nobody in the picture, or several people with ``people="one"``.
            WeightsError: the backend's weights are not on this machine; the message holds the command.
        """
        if people not in ("largest", "one"):
            raise ConfigError(f"people: expected 'largest' or 'one', got {people!r}")
        if isinstance(backend, str):
            from madata.pose import load

            backend = load(backend, weights=weights, device=device)
        (found,) = backend.detect([image])
        (poses,) = backend.estimate([image], [found])
        seen = sightings(found, poses, backend.skeleton, _RULE)
        height, width = image.shape[:2]
        if len(seen) == 0:
            raise MadanceError(
                f"nobody was found in the {width}x{height} reference picture: use one that shows the whole person"
            )
        row = int((seen.size * seen.confidence).argmax())
        count = int((seen.size >= _RULE.relative_size * seen.size[row]).sum())
        if count > 1 and people == "one":
            raise MadanceError(
                f"{count} people were found in the {width}x{height} reference picture: crop it to one person, "
                "or, of a system that has this option, take the largest (--set people=largest)"
            )
        keypoints = Keypoints2D(seen.xy[[row]], seen.score[[row]], backend.skeleton, 1.0, (width, height))
        return cls.from_keypoints(keypoints)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) px of the picture."""
        return self.points.size

    def on_canvas(self, size: tuple[int, int]) -> ReferencePose:
        """The pose where it lies after the picture is letterboxed to ``size``, as it is for the network."""
        return ReferencePose(self.points.letterboxed(size))


def face_crop(image: Image, pose: ReferencePose) -> Image:
    """The face of the reference person, 512 x 512: the default face control, repeated for every frame.

    Where no face was found it is the middle of the picture; see
    :func:`~mace_dance.appearance.pose_video.face.face_boxes`.

    Raises:
        MadanceError: ``pose`` is of a picture of another size.
    """
    if (image.shape[1], image.shape[0]) != pose.size:
        raise MadanceError(
            f"the pose is of a {pose.size[0]}x{pose.size[1]} picture, this one is "
            f"{image.shape[1]}x{image.shape[0]}: estimate it again"
        )
    return crop_face(image, face_boxes(pose.points)[0])
