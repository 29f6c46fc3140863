"""From a request to what drives the backbone: the person's picture, a drawn pose and a face for every frame.

A 3D motion is drawn from the front, aligned to where the person of the picture stands, or filling the canvas.
Keypoints are drawn as seen, or on the person's own limbs. The face is that of the picture, held; or none; or a
video's, taken by time.

Everything is on the grid of the request: frame i shows time i / fps. Poses are drawn when they are asked for, so that a
long clip needs no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from evaluation.systems import Request
from madata.errors import ConfigError, MadanceError, MediaError
from madata.video.stills import read_still

if TYPE_CHECKING:
    from mace_dance.appearance.pose_video import PosePoints, ReferencePose

__all__ = [
    "ControlOptions",
    "Controls",
    "DrawnPoses",
    "check_by_time",
    "check_faces",
    "find_person",
    "make_controls",
    "points_of_request",
    "read_by_time",
    "read_faces",
]

Image = npt.NDArray[np.uint8]
Style = Literal["wan", "mace"]

_FACE_PX = 512
_SLACK = 1e-6


@dataclass(frozen=True)
class ControlOptions:
    """How the controls are made.

    Attributes:
        style: drawing style, see :mod:`mace_dance.appearance.pose_video`.
        align: put the pose on the person of the picture; ``None`` does so for 3D motions alone, since keypoints
            were usually seen on the same person.
        face: ``reference``, ``none``, or a video of faces.
        people: where several are in the picture, insist on ``one``, or take the ``largest``.
        pose_backend: what finds the person in the picture, see :mod:`madata.pose`.
    """

    style: Style = "wan"
    align: bool | None = None
    face: str = "reference"
    people: Literal["one", "largest"] = "one"
    pose_backend: str = "wholebody"

    def __post_init__(self) -> None:
        """Refuse what there is not.

        Raises:
            ConfigError: a value is none of those above.
        """
        for name, value, known in (
            ("style", self.style, ("wan", "mace")),
            ("align", self.align, (None, True, False)),
            ("people", self.people, ("one", "largest")),
        ):
            if value not in known:
                raise ConfigError(f"{name}: expected {' or '.join(map(repr, known))}, got {value!r}")
        if self.face_video is not None and not self.face_video.is_file():
            raise ConfigError(f"face: expected 'reference', 'none' or a video file, got {self.face!r}")

    @property
    def face_video(self) -> Path | None:
        """The video of faces, where one is given."""
        return None if self.face in ("reference", "none") else Path(self.face)

    def needs_person(self, *, is_motion: bool) -> bool:
        """Whether the person has to be found in the picture."""
        return self.face == "reference" or self.aligned(is_motion=is_motion)

    def aligned(self, *, is_motion: bool) -> bool:
        """Whether the pose is put on the person."""
        return is_motion if self.align is None else self.align


@dataclass(frozen=True, eq=False)
class Controls:
    """What drives a clip: one pose and one face (H, W, 3) per frame."""

    picture: Image
    poses: DrawnPoses
    faces: Sequence[Image]


class DrawnPoses(Sequence[Image]):
    """The frames of a pose video, drawn when asked for."""

    def __init__(self, points: PosePoints, style: Style) -> None:
        self.points, self.style = points, style

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Image:  # type: ignore[override]
        from mace_dance.appearance.pose_video import draw

        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return next(draw(self.points.take([index]), self.style))

    def __iter__(self) -> Iterator[Image]:
        from mace_dance.appearance.pose_video import draw

        return draw(self.points, self.style)


def make_controls(request: Request, options: ControlOptions) -> Controls:
    """Draw the poses and take the faces of an ``animation`` request.

    Raises:
        MadanceError: the request has no picture or no pose, or nobody (or several people) are in the picture.
        MediaError: a file cannot be read, or a face video is shorter than the clip.
    """
    if request.image is None or request.pose is None:
        raise MadanceError(f"{request.clip_id}: an animation needs a picture and a pose")
    picture = read_still(request.image)
    is_motion = request.motion is not None
    person = find_person(picture, options) if options.needs_person(is_motion=is_motion) else None
    aligned = person if options.aligned(is_motion=is_motion) else None
    poses = DrawnPoses(points_of_request(request, aligned, options.style), options.style)
    return Controls(picture, poses, _faces(request, picture, person, options.face))


def points_of_request(request: Request, person: ReferencePose | None, style: Style) -> PosePoints:
    """The points of every frame, where they are drawn.

    Args:
        person: whom the pose is put on; ``None`` leaves it as seen, or has it fill the canvas.

    Raises:
        MadanceError: the pose has other rows than frames are wanted.
    """
    from mace_dance.appearance.pose_video import points_of_pose, pose_points, retarget

    size, frames = request.size, request.num_frames
    if request.motion is not None:
        return pose_points(request.motion, size, request.fps, frames, style=style, align=person)
    if request.pose is None or len(request.pose.xy) != frames:
        rows = 0 if request.pose is None else len(request.pose.xy)
        raise MadanceError(f"{request.clip_id}: the pose has {rows} rows, {frames} frames are wanted")
    points = points_of_pose(request.pose).letterboxed(size)
    return points if person is None else retarget(points, person.on_canvas(size).points)


def _faces(request: Request, picture: Image, person: ReferencePose | None, face: str) -> Sequence[Image]:
    from mace_dance.appearance.faces import no_face, repeat_face
    from mace_dance.appearance.pose_video import face_crop

    if face == "none":
        return no_face(request.num_frames)
    if face == "reference" and person is not None:
        return repeat_face(face_crop(picture, person), request.num_frames)
    return read_faces(Path(face), request.num_frames, request.fps)


def find_person(picture: Image, options: ControlOptions) -> ReferencePose:
    """The person of the reference picture.

    Raises:
        MadanceError: there is nobody, or there are several and ``people`` is ``one``.
        WeightsError: the pose backend's weights are not on this machine.
    """
    from mace_dance.appearance.pose_video import ReferencePose

    return ReferencePose.from_image(picture, options.pose_backend, people=options.people)


def read_faces(path: Path, num_frames: int, fps: float) -> list[Image]:
    """The face that a video shows at i / fps, for every frame, 512 x 512.

    Raises:
        MediaError: the video cannot be read, or ends more than a frame before the clip does.
    """
    from mace_dance.appearance.faces import fit_face

    return read_by_time(path, num_frames, fps, lambda face: fit_face(face, _FACE_PX), words=_FACES)


def check_faces(path: Path, num_frames: int, fps: float) -> None:
    """Judge a face video by what its container declares, as :func:`read_faces` will by its frames.

    Raises:
        MediaError: it is no video, or ends more than a frame before the clip does.
    """
    check_by_time(path, num_frames, fps, _FACES)


_FACES = ("face video", "face=reference")


def read_by_time(
    path: Path,
    num_frames: int,
    fps: float,
    fit: Callable[[Image], Image] | None = None,
    *,
    size: tuple[int, int] | None = None,
    words: tuple[str, str],
) -> list[Image]:
    """What a video shows at i / fps, for every frame of a clip.

    Args:
        fit: what is kept of a shown frame (H, W, 3).
        size: (width, height) px to which frames are stretched; their own by default.
        words: what the video is, and what else would do, for the error.

    Raises:
        MediaError: the video cannot be read, or ends more than a frame before the clip does.
    """
    from madata.video import Decoder

    found: list[Image] = []
    lasts_s = 0.0
    with Decoder(path) as decoder:
        for frame in decoder:
            lasts_s = frame.end_s
            # frames of the clip whose time lies before the moment the next picture appears
            due = min(num_frames, int(np.ceil(frame.end_s * fps - _SLACK)))
            if due > len(found):
                shown = frame.scaled(size or decoder.info.size)
                found += [shown if fit is None else fit(shown)] * (due - len(found))
            if len(found) == num_frames:
                return found
    if not found or num_frames - len(found) > 1:
        raise _too_short(path, lasts_s, num_frames / fps, words)
    return [*found, *found[-1:] * (num_frames - len(found))]


def check_by_time(path: Path, num_frames: int, fps: float, words: tuple[str, str]) -> None:
    """Judge a video by what its container declares, as :func:`read_by_time` will by its frames.

    Raises:
        MediaError: it is no video, or ends more than a frame before the clip does.
    """
    from madata.video import probe

    lasts_s = probe(path).duration_s
    if lasts_s is not None and num_frames - np.ceil(lasts_s * fps - _SLACK) > 1:
        raise _too_short(path, lasts_s, num_frames / fps, words)


def _too_short(path: Path, lasts_s: float, clip_s: float, words: tuple[str, str]) -> MediaError:
    kind, instead = words
    return MediaError(
        f"{path}: the {kind} lasts {lasts_s:.2f} s, the clip {clip_s:.2f} s: give one as long, or {instead}",
        reason="too_short",
    )
