"""A driving person's pose on the limbs of another person.

The limb lengths of a driving frame and of the reference picture give one ratio for each limb; every frame is
rebuilt from the neck outwards with these ratios along its own directions, and put where the reference stands: on
the ground line and hip centre when both show hips and ankles, else on the neck.

The two pictures are first brought to one scale (height from nose to ankles, else to hips, else the picture's
area), so a ratio of 1 means "the same proportions", not "the same px". Left and right share the larger ratio of
the two, the two halves of the head their mean. A foot is at most half as long as the lower leg. Each hand is
scaled with the shoulders and hung on its wrist. Source: Wan2.2 ``get_retarget_pose`` without picture editing.

Legend: T frames; body points as in :mod:`mace_dance.appearance.pose_video.points`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mace_dance.appearance.pose_video.points import BODY, PosePoints
from madata.errors import MadanceError

__all__ = ["limb_ratios", "retarget"]

Array = npt.NDArray[np.float64]

_NOSE, _NECK = BODY.index("nose"), BODY.index("neck")
_ANKLES = [BODY.index("right_ankle"), BODY.index("left_ankle")]
_HIPS = [BODY.index("right_hip"), BODY.index("left_hip")]
_TOES = [BODY.index("right_toe"), BODY.index("left_toe")]
_WRISTS = [BODY.index("left_wrist"), BODY.index("right_wrist")]

# (start, end) of every limb, from the neck outwards: each starts where an earlier one ended.
_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
    (13, 18), (10, 19),
)  # fmt: skip
_SHOULDERS = [0, 1]
_PAIRS = ((0, 1), (2, 4), (3, 5), (6, 9), (7, 10), (8, 11), (17, 18))
_HEAD_PAIRS = ((13, 15), (14, 16))
_FOOT_OF_LEG = {17: 11, 18: 8}
_LONGEST_FOOT = 0.5

_SURE = 0.5
_SEEN = 0.4
_HAND_SEEN = 0.4


def limb_ratios(
    driving: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    ratio_limits: tuple[float, float] | None = (0.5, 2.0),
    min_score: float = 0.3,
) -> Array:
    """Length of every limb of the reference over that of the driving person.

    Args:
        driving: (20, 3) body points of one frame, px.
        reference: (20, 3) body points, px, at the same scale.
        ratio_limits: smallest and largest ratio allowed; ``None`` leaves them as measured, as upstream does (a
            limb that points at the camera in either picture then stretches in every frame).
        min_score: a limb with an end below, in either picture, is not measured and takes the mean ratio of the
            shoulders, or 1 where these are not seen either; 0 trusts every point, as upstream does.

    Returns:
        (19,) ratios, in the order of the drawn limbs.
    """
    ours, theirs = np.asarray(driving, np.float64), np.asarray(reference, np.float64)
    starts, ends = (list(side) for side in zip(*_LIMBS, strict=True))
    lengths = [np.linalg.norm(points[starts, :2] - points[ends, :2], axis=1) for points in (ours, theirs)]
    trusted = np.isfinite(lengths).all(0) & (lengths[0] > 1e-6)
    for points in (ours, theirs):
        found = points[:, 2] >= min_score
        trusted &= found[starts] & found[ends]
    ratios: Array = np.divide(lengths[1], lengths[0], out=np.ones(len(_LIMBS)), where=trusted)
    if not trusted.all():
        shoulders = ratios[_SHOULDERS][trusted[_SHOULDERS]]
        ratios[~trusted] = shoulders.mean() if len(shoulders) else 1.0
    if ratio_limits is not None:
        ratios = np.clip(ratios, *ratio_limits)
    for a, b in _PAIRS:
        ratios[[a, b]] = ratios[[a, b]].max()
    for a, b in _HEAD_PAIRS:
        ratios[[a, b]] = ratios[[a, b]].mean()
    return ratios


def retarget(
    driving: PosePoints,
    reference: PosePoints,
    *,
    ratio_limits: tuple[float, float] | None = (0.5, 2.0),
    min_score: float = 0.3,
    as_upstream: bool = False,
) -> PosePoints:
    """The driving pose on the body of the reference, on the canvas of the reference.

    Args:
        driving: T frames; the first one is measured.
        reference: one frame.
        ratio_limits: see :func:`limb_ratios`.
        min_score: see :func:`limb_ratios`.
        as_upstream: what upstream computes, faults included: every ratio as measured and every point trusted
            (``ratio_limits`` and ``min_score`` are not looked at); a hand whose root was not found keeps its
            distance to the wrist; and both hands trade places, each still moved by the root of the other, in frames
            where the right hand's root lies nearer to the left wrist than to the right one (a root that was not
            found lies as far beyond the top left corner as the picture is large).

    Returns:
        T frames with the scores of ``driving``. Score 0 get: points that can only be reached over a joint which
        was not found (score 0; not with ``as_upstream``), hand points below 0.4, and the face landmarks, which are
        not drawn.

    Raises:
        MadanceError: ``reference`` has not exactly one frame, or ``driving`` none.
    """
    if len(reference) != 1 or len(driving) == 0:
        raise MadanceError(
            f"retargeting needs driving frames and one reference frame, got {len(driving)} and {len(reference)}"
        )
    theirs = reference.body[0]
    scale = _common_scale(driving.body[0], theirs, driving.size, reference.size)
    shape = np.array([int(reference.size[0] * scale), int(reference.size[1] * scale)])
    theirs = theirs * np.array([*(shape / np.array(reference.size)), 1.0])
    if as_upstream:
        ratio_limits, min_score = None, -np.inf
    ratios = limb_ratios(driving.body[0], theirs, ratio_limits=ratio_limits, min_score=min_score)

    full = _shows_legs(driving.body[0], driving.size[1]) and _shows_legs(theirs, float(shape[1]))
    first = _rebuild(driving.body[:1, :, :2], ratios)[0]
    has_toes = as_upstream or bool((theirs[_TOES, 2] > 0).all())
    shift = _anchor_shift(first, theirs, full, _TOES if has_toes else _ANKLES)
    rebuilt = _rebuild(driving.body[..., :2], ratios, foot_limit=_LONGEST_FOOT)
    score = driving.body[..., 2] if as_upstream else _reached(driving.body[..., 2])
    body = np.concatenate([(rebuilt - shift) / scale, score[..., None]], axis=-1)
    hang = _exchange_hands if as_upstream else _hang_hands
    hands = hang(driving, body, float(ratios[_SHOULDERS].max()) / scale)
    return PosePoints(body, hands, np.zeros_like(driving.face), reference.size)


def _common_scale(ours: Array, theirs: Array, our_size: tuple[int, int], size: tuple[int, int]) -> float:
    """Px of the driving picture for one px of the reference."""
    for low in (_ANKLES, _HIPS):
        needed = [_NOSE, *low]
        if (ours[needed, 2] > _SURE).all() and (theirs[needed, 2] > _SURE).all():
            heights = [abs(points[low, 1].mean() - points[_NOSE, 1]) for points in (ours, theirs)]
            if min(heights) > 0:
                return float(heights[0] / heights[1])
    return float(np.sqrt(our_size[0] * our_size[1]) / np.sqrt(size[0] * size[1]))


def _shows_legs(body: Array, height: float) -> bool:
    points = body[_ANKLES + _HIPS]
    return bool((points[:, 1] <= height).all() and (points[:, 2] >= _SEEN).all())


def _rebuild(xy: Array, ratios: Array, foot_limit: float | None = None) -> Array:
    """(T, 20, 2) with every limb times its ratio; a foot at most ``foot_limit`` of the lower leg."""
    bones = {end: (xy[:, end] - xy[:, start]) * ratios[k] for k, (start, end) in enumerate(_LIMBS)}
    if foot_limit is not None:
        for foot, leg in _FOOT_OF_LEG.items():
            toe, ankle = _LIMBS[foot][1], _LIMBS[leg][1]
            length = np.linalg.norm(bones[toe], axis=-1, keepdims=True)
            longest = foot_limit * np.linalg.norm(bones[ankle], axis=-1, keepdims=True)
            bones[toe] = bones[toe] * np.minimum(1.0, longest / np.maximum(length, 1e-9))
    rebuilt = xy.copy()
    for start, end in _LIMBS:
        rebuilt[:, end] = rebuilt[:, start] + bones[end]
    return rebuilt


def _anchor_shift(first: Array, theirs: Array, full: bool, feet: list[int]) -> Array:
    """(2,) how far the rebuilt first frame stands from the reference."""
    if not full:
        shift: Array = first[_NECK] - theirs[_NECK, :2]
        return shift
    ground_y = ((theirs[_ANKLES, 1] + theirs[feet, 1]) / 2).max()
    return np.array([first[_HIPS, 0].mean() - theirs[_HIPS, 0].mean(), first[_ANKLES, 1].max() - ground_y])


def _reached(score: Array) -> Array:
    """(T, 20) scores, 0 from the first joint of a chain on that was not found."""
    score = score.copy()
    for start, end in _LIMBS:
        score[score[:, start] <= 0, end] = 0.0
    return score


def _hang_hands(driving: PosePoints, body: Array, scale: float) -> Array:
    """Hands times ``scale`` about their roots, the roots on the wrists."""
    points, score = driving.hands[..., :2], driving.hands[..., 2:]
    root = np.where(score[:, :, :1] > 0, points[:, :, :1], driving.body[:, _WRISTS, None, :2])
    return _seen_hands(body[:, _WRISTS, None, :2] + scale * (points - root), score)


def _exchange_hands(driving: PosePoints, body: Array, scale: float) -> Array:
    """Hands as upstream hangs them; see :func:`retarget`."""
    points, score = driving.hands[..., :2], driving.hands[..., 2:]
    root, wrist = points[:, :, :1], driving.body[:, _WRISTS, None, :2]
    seen = score[:, :, :1] >= _HAND_SEEN
    xy = root + scale * (points - root)
    moved = body[:, _WRISTS, None, :2] - np.where(seen, root, wrist)
    right_root = np.where(seen, root, -np.array(driving.size, np.float64))[:, 1:]
    left_away, right_away = np.moveaxis(np.linalg.norm(wrist - right_root, axis=-1), 1, 0)
    traded = (right_away > left_away)[..., None, None]
    xy, score = (np.where(traded, part[:, ::-1], part) for part in (xy, score))
    return _seen_hands(xy + moved, score)


def _seen_hands(xy: Array, score: Array) -> Array:
    seen = score >= _HAND_SEEN
    return np.concatenate([np.where(seen, xy, 0.0), np.where(seen, score, 0.0)], axis=-1)
