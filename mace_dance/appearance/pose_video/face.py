"""Where the face is, and the 512 x 512 crop of it that Wan-Animate takes as face control.

The box is that of the 68 landmarks with 1.3 times its area, three quarters of the added height above it (the
landmarks end at the brows). Without landmarks it is estimated from nose, eyes and ears. Boxes are whole px
``x0, y0, x1, y1`` inside the picture, x1 and y1 exclusive. Source: Wan2.2 animate preprocessing,
``get_face_bboxes(scale=1.3)``.

Legend: T frames.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.points import BODY, PosePoints
from madata.errors import MadanceError

__all__ = ["FACE_PX", "crop_face", "face_boxes", "head_box", "landmark_box"]

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

FACE_PX = 512
"""Side of the face control."""

_SCALE = 1.3
_SEEN = 0.3

_NOSE = BODY.index("nose")
_EYES = [BODY.index("right_eye"), BODY.index("left_eye")]
_EARS = [BODY.index("right_ear"), BODY.index("left_ear")]

# A face seen from the front, in distances between the eyes: width and height of the landmarks' box, how much of
# the height lies above the eyes, and what the other distances of the head amount to.
_WIDTH, _HEIGHT, _ABOVE_EYES = 2.2, 2.2, 0.4
_EAR_TO_EAR, _NOSE_TO_EYES, _EAR_TO_EYE = 2.2, 0.75, 1.2


def landmark_box(landmarks: npt.ArrayLike, size: tuple[int, int], scale: float = _SCALE) -> Box | None:
    """The face box of landmarks.

    Args:
        landmarks: (N, 2) or (N, 3) px; scores are not looked at.
        size: (width, height) px of the picture.
        scale: area of the box over that of the landmarks' box.

    Returns:
        The box, or ``None`` where it is empty: landmarks that are no numbers, in one line, or off the picture.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    if not np.isfinite(points).all():
        return None
    low, high = points.min(0), points.max(0)
    return _expanded(low, high, size, scale)


def head_box(body: npt.ArrayLike, size: tuple[int, int], scale: float = _SCALE) -> Box | None:
    """The face box estimated from nose, eyes and ears; ``None`` when fewer than two of them were found.

    Args:
        body: (20, 3) body points, px and score.
        size: (width, height) px of the picture.
        scale: area of the box over that of the estimated box of the landmarks.
    """
    points = np.asarray(body, np.float64)
    found = np.isfinite(points).all(1) & (points[:, 2] >= _SEEN)
    eyes = points[[eye for eye in _EYES if found[eye]], :2]
    ears = points[[ear for ear in _EARS if found[ear]], :2]
    nose = points[[_NOSE], :2] if found[_NOSE] else np.zeros((0, 2))
    level = eyes if len(eyes) else ears
    spans = [0.0]
    if len(eyes) == 2:
        spans.append(float(np.linalg.norm(eyes[0] - eyes[1])))
    if len(ears) == 2:
        spans.append(float(np.linalg.norm(ears[0] - ears[1])) / _EAR_TO_EAR)
    if len(nose) and len(level):
        spans.append(float(np.linalg.norm(nose[0] - level.mean(0))) / _NOSE_TO_EYES)
    spans += [
        float(np.linalg.norm(points[ear, :2] - points[eye, :2])) / _EAR_TO_EYE
        for eye, ear in zip(_EYES, _EARS, strict=True)
        if found[eye] and found[ear]
    ]
    span = max(spans)
    if span < 1:
        return None
    centre_x = float(np.concatenate([eyes, ears, nose])[:, 0].mean())
    top = float(level.mean(0)[1] if len(level) else nose[0, 1]) - _ABOVE_EYES * span
    low = np.array([centre_x - _WIDTH * span / 2, top])
    return _expanded(low, low + np.array([_WIDTH * span, _HEIGHT * span]), size, scale)


def face_boxes(points: PosePoints) -> npt.NDArray[np.int64]:
    """The face box of every frame.

    A frame whose face was not found (the dancer has turned away) keeps the last box; frames before the first
    face take a centred square half as wide as the picture's shorter side.

    Returns:
        (T, 4) px.
    """
    width, height = points.size
    half = max(min(width, height) // 4, 1)
    box: Box = (
        max(width // 2 - half, 0),
        max(height // 2 - half, 0),
        min(width // 2 + half, width),
        min(height // 2 + half, height),
    )
    boxes = []
    for body, face in zip(points.body, points.face, strict=True):
        box = _face_box(body, face, points.size) or box
        boxes.append(box)
    return np.array(boxes, np.int64).reshape(-1, 4)


def crop_face(image: Image, box: npt.ArrayLike) -> Image:
    """The part of an RGB picture in ``box``, resized to 512 x 512.

    Raises:
        MadanceError: the box holds no px of the picture.
    """
    import cv2

    x0, y0, x1, y1 = (int(edge) for edge in np.asarray(box))
    part = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if part.size == 0:
        raise MadanceError(
            f"the face box {x0}, {y0}, {x1}, {y1} holds nothing of the {image.shape[1]}x{image.shape[0]} picture"
        )
    return np.asarray(cv2.resize(part, (FACE_PX, FACE_PX)), np.uint8)


def _face_box(body: Array, face: Array, size: tuple[int, int]) -> Box | None:
    if np.isfinite(face).all() and face[:, 2].mean() >= _SEEN:
        box = landmark_box(face, size)
        if box is not None:
            return box
    return head_box(body, size)


def _expanded(low: Array, high: Array, size: tuple[int, int], scale: float) -> Box | None:
    width, height = high - low
    if width <= 0 or height <= 0:
        return None
    # Both sides grow by the same share, so the area grows by ``scale``.
    grow = np.sqrt(scale) - 1
    aside, upright = width * grow / 2, height * grow / 4
    x0, y0 = int(max(low[0] - aside, 0)), int(max(low[1] - 3 * upright, 0))
    x1, y1 = int(min(high[0] + aside, size[0])), int(min(high[1] + upright, size[1]))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
