"""What goes in, compared with what a network was trained on: the deviations named before hours are spent.

Users of the release complain of noise outside its own examples: poses drawn otherwise, another canvas, a person cut
off. Each system says once what it was trained on (:class:`TrainedOn`), with the source. A deviation is no error:
networks may take it. Bounds without a published number are ours, and say so here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.systems import Request
from mace_dance.appearance.controls import ControlOptions, Style, find_person, points_of_request
from madata.errors import MadanceError, WeightsError
from madata.video.stills import read_still

if TYPE_CHECKING:
    from mace_dance.appearance.pose_video import PosePoints, ReferencePose

__all__ = ["TrainedOn", "deviations"]

Size = tuple[int, int]

# Ours: a tenth of the published rate, half of the published area and of the stick's width, are seen at once.
_RATE_OFF = 0.1
_AREA_OFF = 1.5
_STICK_OFF = 1.6
# Ours: a smaller person shows neither hands nor face at 480 px; the release's own tool fills 86 % of the height.
_FIGURE_LEAST, _FIGURE_MOST = 0.4, 0.98
# Ours: from neck to nose it is about 0.4 of the trunk, less where the camera looks down.
_HEAD_LEAST, _HEAD_MOST = 0.15, 0.9
# Ours: a face below an eighth of the 512 px of its control is a blur there.
_FACE_LEAST_PX = 64
_SEEN = 0.5
_CUT_OFF = 0.1

_NOSE, _NECK = 0, 1
_HIPS, _ANKLES = (8, 11), (10, 13)
_HEAD = (0, 14, 15)


@dataclass(frozen=True)
class TrainedOn:
    """What a network was trained on; ``None`` where it is not said, or of no meaning.

    Attributes:
        source: where it is said.
        fps: frames per second.
        sizes: (width, height) px; either may be the longer side.
        style, stick: how poses were drawn, and half the width of a limb over the shorter side of the canvas.
        face_share: least and most of the picture's height that the face fills.
        face_control: it sees the face of the picture in 512 x 512 px.
        whole_body: pictures show the person from head to foot.
    """

    source: str
    fps: float | None = None
    sizes: tuple[Size, ...] = ()
    style: Style | None = None
    stick: float | None = None
    face_share: tuple[float, float] | None = None
    face_control: bool = False
    whole_body: bool = True


def deviations(trained: TrainedOn, request: Request, options: ControlOptions) -> list[str]:
    """In what a request is not what a network was trained on, in lines; nothing where it is.

    Args:
        options: how its poses are drawn and who is looked for in the picture.

    Raises:
        MediaError: the picture cannot be read.
    """
    found = [*_of_canvas(trained, request), *_of_style(trained, request, options)]
    person: ReferencePose | None = None
    if request.image is not None:
        try:
            person = find_person(read_still(request.image), options)
        except WeightsError as error:
            found.append(f"the picture was not looked at: {error}")
        except MadanceError as error:
            found.append(str(error))
        else:
            found += _of_picture(trained, person)
    if request.pose is not None and trained.style is not None:
        is_motion = request.motion is not None
        if person is not None or not options.aligned(is_motion=is_motion):
            aligned = person if options.aligned(is_motion=is_motion) else None
            try:
                found += _of_pose(points_of_request(request, aligned, options.style))
            except MadanceError as error:
                found.append(f"pose: {error}")
    return found


def _of_canvas(trained: TrainedOn, request: Request) -> Iterator[str]:
    if trained.fps is not None and abs(request.fps / trained.fps - 1) > _RATE_OFF:
        yield f"frame rate: {request.fps:g} per second, it was trained at {trained.fps:g} ({trained.source})"
    area = request.size[0] * request.size[1]
    ratios = [area / (width * height) for width, height in trained.sizes]
    if ratios and not any(1 / _AREA_OFF <= ratio <= _AREA_OFF for ratio in ratios):
        known = ", ".join(f"{width}x{height}" for width, height in trained.sizes)
        yield f"canvas: {request.size[0]}x{request.size[1]}, it was trained at {known} ({trained.source})"


def _of_style(trained: TrainedOn, request: Request, options: ControlOptions) -> Iterator[str]:
    if trained.style is None:
        return
    if options.style != trained.style:
        yield f"pose style: {options.style}, it was trained on {trained.style} (--set style={trained.style})"
    if trained.stick is not None:
        from mace_dance.appearance.pose_video import MaceStyle, WanStyle

        is_wan = options.style == "wan"
        width_px = WanStyle().widths_px(request.size)[0] if is_wan else MaceStyle().line_width
        drawn = width_px / min(request.size)
        if not 1 / _STICK_OFF <= drawn / trained.stick <= _STICK_OFF:
            yield (
                f"stick width: {2 * drawn:.2%} of the shorter side, it was trained on {2 * trained.stick:.2%} "
                f"({trained.source})"
            )


def _of_picture(trained: TrainedOn, person: ReferencePose) -> Iterator[str]:
    from mace_dance.appearance.pose_video import head_box

    (body,), size = person.points.body, person.size
    inside = _inside(body, size)
    if trained.whole_body:
        cut = [
            part for part, joints in (("head", _HEAD), ("feet", _ANKLES)) if not inside[list(joints)].any()
        ]
        if cut:
            yield f"picture: the person's {' and '.join(cut)} cannot be seen, show the whole body"
        yield from _share("picture: the person fills", _height(body[inside]) / size[1])
    box = head_box(body, size)
    if trained.face_share is not None:
        share, (least, most) = 0.0 if box is None else (box[3] - box[1]) / size[1], trained.face_share
        if not least <= share <= most:
            yield (
                f"picture: the face fills {share:.0%} of the height, it was trained on {least:.0%} to {most:.0%} "
                f"({trained.source})"
            )
    if trained.face_control:
        if box is None:
            yield "picture: no face is seen, which its face control needs (--set face=none leaves it out)"
        elif (side := max(box[2] - box[0], box[3] - box[1])) < _FACE_LEAST_PX:
            yield f"picture: the face has {side} px, less than {_FACE_LEAST_PX} of the 512 of its control"


def _of_pose(points: PosePoints) -> Iterator[str]:
    bodies, size = points.body, points.size
    there = [body[body[:, 2] >= _SEEN] for body in bodies]
    heights = [_height(body) / size[1] for body in there if len(body) > 1]
    if not heights:
        yield "pose: nobody is in it"
        return
    yield from _share("pose: the figure fills", float(np.median(heights)))
    cut = np.mean([not _inside(body, size)[body[:, 2] >= _SEEN].all() for body in bodies])
    if cut > _CUT_OFF:
        yield f"pose: in {cut:.0%} of the frames a joint lies beyond the canvas"
    heads = [
        np.linalg.norm(body[_NOSE, :2] - body[_NECK, :2])
        / max(float(np.linalg.norm(body[_NECK, :2] - body[list(_HIPS), :2].mean(0))), 1.0)
        for body in bodies
        if (body[[_NOSE, _NECK, *_HIPS], 2] >= _SEEN).all()
    ]
    if heads and not _HEAD_LEAST <= (head := float(np.median(heads))) <= _HEAD_MOST:
        yield f"pose: from neck to nose it is {head:.2f} of the trunk, of people {_HEAD_LEAST:g} to {_HEAD_MOST:g}"


def _share(what: str, share: float) -> Iterator[str]:
    if not _FIGURE_LEAST <= share <= _FIGURE_MOST:
        yield f"{what} {share:.0%} of the height, {_FIGURE_LEAST:.0%} to {_FIGURE_MOST:.0%} do well"


def _height(points: npt.NDArray[np.float64]) -> float:
    return float(np.ptp(points[:, 1])) if len(points) else 0.0


def _inside(body: npt.NDArray[np.float64], size: Size) -> npt.NDArray[np.bool_]:
    """Which of (20, 3) points were seen, on the canvas."""
    low, high = (body[:, :2] >= 0).all(1), (body[:, :2] <= np.array(size)).all(1)
    return np.asarray((body[:, 2] >= _SEEN) & low & high)
