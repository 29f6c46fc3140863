"""Geometric features: what poses a dance is made of, as 32 relations between joints that hold or do not.

Published form (Mueller et al. 2005, fairmotion): each of the 32 rows of ``RELATIONS`` is tested in every
frame but the first, and the feature is the fraction of frames in which it holds. Lengths are in units of one
person's humerus, shoulder width and hip width, speeds are per 1/120 s whatever the material. Known defects
are kept: ``move`` ignores its fourth joint, so rows 4 and 5 are the same and know nothing of the arms.

The official 2D form of MACE-Dance keeps the table and little of its meaning: ``plane`` rows are always 0,
``move`` and ``fast`` test the length of the displacement per frame, the joint columns belong to another
skeleton, and the unit of length is one distance in frame 0.

:func:`limb_angles` is the corrected form: the distribution of the directions of eleven limbs, signed and by
name.

Legend: N clips, T frames, J joints, C coordinates (2 or 3), R relations of one kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import Body

__all__ = [
    "RELATIONS",
    "Relation",
    "geometric_features_2d",
    "geometric_features_3d",
    "limb_angle_columns",
    "limb_angles",
]

Array = npt.NDArray[np.floating[Any]]
Kind = Literal["nmove", "move", "fast", "nplane", "plane", "angle"]

_SECONDS = 1.0 / 120.0
_CHUNK_VALUES = 1 << 17

# Rest pose of the fairmotion skeleton, metres: humerus length, shoulder width, hip width.
_LEFT_SHOULDER, _RIGHT_SHOULDER = (
    (0.199113488, 0.236807942, -0.0180702247),
    (-0.191692337, 0.236928746, -0.0123055102),
)
_LEFT_ELBOW = (0.454445392, 0.221158922, -0.0410167128)
_LEFT_HIP, _RIGHT_HIP = (
    (0.0564076714, -0.323069185, 0.0109197125),
    (-0.0624834076, -0.331302464, 0.0150412619),
)
_LENGTHS = {
    "hl": math.dist(_LEFT_SHOULDER, _LEFT_ELBOW),
    "sw": math.dist(_LEFT_SHOULDER, _RIGHT_SHOULDER),
    "hw": math.dist(_LEFT_HIP, _RIGHT_HIP),
}


@dataclass(frozen=True)
class Relation:
    """One row: ``joints`` in the order of the formula of its ``kind``, and a threshold.

    ``nmove``: speed of joint 4 relative to joint 1 along the normal of the plane of joints 1, 2, 3.
    ``move``: speed of joint 3 relative to joint 1 along the direction from 1 to 2 (joint 4 is ignored).
    ``fast``: speed of the joint. ``nplane``: distance of joint 4 from the plane through joint 3 with normal
    1 to 2. ``plane``: distance of joint 4 from the plane of joints 1, 2, 3. ``angle``: between the directions
    1 to 2 and 3 to 4.

    Attributes:
        factor, unit: the threshold is ``factor`` times the length ``unit`` (per second for speeds).
        degrees: range of an ``angle``.
    """

    kind: Kind
    joints: tuple[str, ...]
    factor: float = 0.0
    unit: str = "hl"
    degrees: tuple[float, float] = (0.0, 0.0)


RELATIONS = (
    Relation("nmove", ("neck", "rhip", "lhip", "rwrist"), 1.8),
    Relation("nmove", ("neck", "lhip", "rhip", "lwrist"), 1.8),
    Relation("nplane", ("chest", "neck", "neck", "rwrist"), 0.2),
    Relation("nplane", ("chest", "neck", "neck", "lwrist"), 0.2),
    Relation("move", ("belly", "chest", "chest", "rwrist"), 1.8),
    Relation("move", ("belly", "chest", "chest", "lwrist"), 1.8),
    Relation("angle", ("relbow", "rshoulder", "relbow", "rwrist"), degrees=(0, 110)),
    Relation("angle", ("lelbow", "lshoulder", "lelbow", "lwrist"), degrees=(0, 110)),
    Relation("nplane", ("lshoulder", "rshoulder", "lwrist", "rwrist"), 2.5, "sw"),
    Relation("move", ("lwrist", "rwrist", "rwrist", "lwrist"), 1.4),
    Relation("move", ("rwrist", "root", "lwrist", "root"), 1.4),
    Relation("move", ("lwrist", "root", "rwrist", "root"), 1.4),
    Relation("fast", ("rwrist",), 2.5),
    Relation("fast", ("lwrist",), 2.5),
    Relation("plane", ("root", "lhip", "ltoes", "rankle"), 0.38),
    Relation("plane", ("root", "rhip", "rtoes", "lankle"), 0.38),
    Relation("nplane", ("zero", "y_unit", "y_min", "rankle"), 1.2),
    Relation("nplane", ("zero", "y_unit", "y_min", "lankle"), 1.2),
    Relation("nplane", ("lhip", "rhip", "lankle", "rankle"), 2.1, "hw"),
    Relation("angle", ("rknee", "rhip", "rknee", "rankle"), degrees=(0, 110)),
    Relation("angle", ("lknee", "lhip", "lknee", "lankle"), degrees=(0, 110)),
    Relation("fast", ("rankle",), 2.5),
    Relation("fast", ("lankle",), 2.5),
    Relation("angle", ("neck", "root", "rshoulder", "relbow"), degrees=(25, 180)),
    Relation("angle", ("neck", "root", "lshoulder", "lelbow"), degrees=(25, 180)),
    Relation("angle", ("neck", "root", "rhip", "rknee"), degrees=(50, 180)),
    Relation("angle", ("neck", "root", "lhip", "lknee"), degrees=(50, 180)),
    Relation("plane", ("rankle", "neck", "lankle", "root"), 0.5),
    Relation("angle", ("neck", "root", "zero", "y_unit"), degrees=(70, 110)),
    Relation("nplane", ("zero", "minus_y_unit", "y_min", "rwrist"), -1.2),
    Relation("nplane", ("zero", "minus_y_unit", "y_min", "lwrist"), -1.2),
    Relation("fast", ("root",), 2.3),
)

# SMPL's joints in the words of the table, and four points that are not joints.
_SMPL = (
    "root", "lhip", "rhip", "belly", "lknee", "rknee", "spine", "lankle", "rankle", "chest", "ltoes",
    "rtoes", "neck", "linshoulder", "rinshoulder", "head", "lshoulder", "rshoulder", "lelbow", "relbow",
    "lwrist", "rwrist",
)  # fmt: skip
_EXTRA = ("zero", "y_unit", "minus_y_unit", "y_min")

# Columns the official 2D code takes for these joints: right for COCO-17, wrong for the 25 joints it is given.
_COLUMNS_2D = {
    "root": (11, 12), "belly": (11, 12), "chest": (5, 6), "neck": (5, 6),
    "lhip": (11, 11), "rhip": (12, 12), "lknee": (13, 13), "rknee": (14, 14),
    "lankle": (15, 15), "rankle": (16, 16), "lshoulder": (5, 5), "rshoulder": (6, 6),
    "lelbow": (7, 7), "relbow": (8, 8), "lwrist": (9, 9), "rwrist": (10, 10),
}  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """All relations of one kind: where they stand, (4, R) point columns and (R,) thresholds."""

    at: npt.NDArray[np.intp]
    points: npt.NDArray[np.intp]
    thresholds: npt.NDArray[np.float64]
    degrees: npt.NDArray[np.float64]


def _rows(kind: Kind, columns: dict[str, int]) -> _Rows:
    at = [row for row, relation in enumerate(RELATIONS) if relation.kind == kind]
    chosen = [RELATIONS[row] for row in at]
    points = np.array([[columns[joint] for joint in relation.joints] for relation in chosen]).T
    thresholds = np.array([relation.factor * _LENGTHS[relation.unit] for relation in chosen])
    return _Rows(np.array(at), points, thresholds, np.array([relation.degrees for relation in chosen]).T)


def geometric_features_3d(joints: Array) -> npt.NDArray[np.float32]:
    """The 32 relations of fairmotion's ``manual_new`` on SMPL joints.

    Args:
        joints: (N, T, J, 3) metres, y up, SMPL order, J = 22 or more, T >= 2, already placed as the variant
            wants them.

    Returns:
        (N, 32) float32, fractions of the T - 1 frames after the first.

    Example:
        >>> geometric_features_3d(np.zeros((2, 10, 24, 3), np.float32)).sum()  # all joints in one point
        np.float32(4.0)
    """
    if joints.ndim != 4 or joints.shape[1] < 2 or joints.shape[2] < len(_SMPL) or joints.shape[3] != 3:
        raise ValueError(f"expected joints (N, T >= 2, J >= {len(_SMPL)}, 3), got {joints.shape}")
    count, frames, width, _ = joints.shape
    step = max(1, _CHUNK_VALUES // (frames * width * 3))
    features = np.empty((count, len(RELATIONS)), np.float32)
    for start in range(0, count, step):
        track = np.ascontiguousarray(joints[start : start + step].transpose(2, 3, 0, 1))
        features[start : start + step] = _relations_3d(track).T
    return features


_COLUMNS_3D = {name: column for column, name in enumerate((*_SMPL, *_EXTRA))}
_ROWS_3D = {kind: _rows(kind, _COLUMNS_3D) for kind in ("nmove", "move", "fast", "nplane", "plane", "angle")}


def _relations_3d(track: Array) -> Array:
    """``track`` (J, 3, n, T) -> (32, n)."""
    points = np.zeros((len(_COLUMNS_3D), *track.shape[1:]), track.dtype)
    points[: len(_SMPL)] = track[: len(_SMPL)]
    points[_COLUMNS_3D["y_unit"], 1] = 1.0
    points[_COLUMNS_3D["minus_y_unit"], 1] = -1.0
    points[_COLUMNS_3D["y_min"], 1] = track[:, 1].min(axis=0)
    before, now = points[..., :-1], points[..., 1:]
    holds = np.empty((len(RELATIONS), *now.shape[2:]), bool)

    def place(kind: Kind) -> tuple[_Rows, list[Array]]:
        rows = _ROWS_3D[kind]
        return rows, [now[column] for column in rows.points]

    def above(rows: _Rows, value: Array) -> None:
        holds[rows.at] = value > rows.thresholds[:, None, None]

    with np.errstate(divide="ignore", invalid="ignore"):
        rows, (a, b, c, d) = place("nmove")
        velocity = d - a - (before[rows.points[3]] - before[rows.points[0]])
        normal = _cross(c - a, b - a)
        above(rows, _dot(velocity, normal) / _length(normal) / _SECONDS)

        rows, (a, b, c, _) = place("move")
        velocity = c - a - (before[rows.points[2]] - before[rows.points[0]])
        above(rows, _dot(velocity, b - a) / _length(b - a) / _SECONDS)

        rows, (a,) = place("fast")
        above(rows, _length(a - before[rows.points[0]]) / _SECONDS)

        rows, (a, b, c, d) = place("nplane")
        above(rows, _dot(b - a, d - c) / _length(b - a))

        rows, (a, b, c, d) = place("plane")
        normal = _cross(c - a, b - a)
        above(rows, _dot(normal, d - a) / _length(normal))

        rows, (a, b, c, d) = place("angle")
        first, second = b - a, d - c
        angle = np.degrees(np.arccos(_dot(first, second) / (_length(first) * _length(second))))
        low, high = rows.degrees[:, :, None, None]
        holds[rows.at] = (angle > low) & (angle < high)
    share: Array = holds.mean(axis=-1)
    return share


def geometric_features_2d(points: Array) -> npt.NDArray[np.float32]:
    """The official 2D features, wrong joints and swapped axes included.

    Args:
        points: (N, T, 25, 2) as the official extractor writes them: y px, x px, 25 joints of
            easy_ViTPose, T >= 2.

    Returns:
        (N, 32) float32.

    Example:
        >>> int(geometric_features_2d(np.zeros((1, 10, 25, 2))).sum())  # nobody there: all nine angles hold
        9
    """
    if points.ndim != 4 or points.shape[1] < 2 or points.shape[2:] != (25, 2):
        raise ValueError(f"expected points (N, T >= 2, 25, 2), got {points.shape}")
    count, frames = points.shape[:2]
    step = max(1, _CHUNK_VALUES // (frames * 50))
    features = np.empty((count, len(RELATIONS)), np.float32)
    for start in range(0, count, step):
        track = np.ascontiguousarray(points[start : start + step].transpose(2, 3, 0, 1))
        features[start : start + step] = _relations_2d(track).T
    return features


_POINTS_2D = {name: column for column, name in enumerate(_COLUMNS_2D)}
_EPSILON_2D = np.float32(1e-6)


def _moving_rows() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Rows that test a displacement in 2D: where they stand, which joint moves, threshold in lengths."""
    at = [row for row, relation in enumerate(RELATIONS) if relation.kind in ("nmove", "move", "fast")]
    joints = [_POINTS_2D[RELATIONS[row].joints[0]] for row in at]
    return np.array(at), np.array(joints), np.array([RELATIONS[row].factor for row in at])


_MOVING_2D = _moving_rows()
_ANGLE_AT = [row for row, relation in enumerate(RELATIONS) if relation.kind == "angle"]
_AXIS_AT = next(row for row in _ANGLE_AT if "y_unit" in RELATIONS[row].joints)
_LIMBS_AT = [row for row in _ANGLE_AT if row != _AXIS_AT]
_LIMBS_2D = np.array([[_POINTS_2D[joint] for joint in RELATIONS[row].joints] for row in _LIMBS_AT]).T
_LIMBS_DEGREES = np.array([RELATIONS[row].degrees for row in _LIMBS_AT]).T[:, :, None, None]


def _relations_2d(track: Array) -> Array:
    """``track`` (25, 2, n, T) -> (32, n)."""
    sources = np.array(list(_COLUMNS_2D.values()))
    points = ((track[sources[:, 0]] + track[sources[:, 1]]) / 2).astype(np.float32)
    now = points[..., 1:]
    holds = np.zeros((len(RELATIONS), *now.shape[2:]), bool)
    shoulders = points[_POINTS_2D["lshoulder"], :, :, 0] - points[_POINTS_2D["rshoulder"], :, :, 0]
    unit = _length(shoulders[None])[0] + _EPSILON_2D

    at, movers, factors = _MOVING_2D
    moved = sorted(set(movers.tolist()))
    speed = _length(now[moved] - points[moved][..., :-1])
    limits = factors.astype(np.float32)[:, None] * unit
    holds[at] = speed[[moved.index(joint) for joint in movers]] > limits[..., None]

    first, second = (_unit_vector(now[end] - now[start]) for start, end in (_LIMBS_2D[:2], _LIMBS_2D[2:]))
    angle = np.degrees(np.arccos(np.clip(_dot(first, second), -1.0, 1.0)))
    low, high = _LIMBS_DEGREES
    holds[_LIMBS_AT] = (angle >= low) & (angle <= high)

    trunk = _unit_vector((now[_POINTS_2D["root"]] - now[_POINTS_2D["neck"]])[None])[0]
    tilt = np.degrees(np.arccos(np.clip(trunk[1].astype(np.float64) / (1.0 + 1e-6), -1.0, 1.0)))
    low, high = RELATIONS[_AXIS_AT].degrees
    holds[_AXIS_AT] = (tilt >= low) & (tilt <= high)
    share: Array = holds.mean(axis=-1)
    return share


def _unit_vector(vectors: Array) -> Array:
    return vectors / (_length(vectors) + _EPSILON_2D)[:, None]


def _dot(first: Array, second: Array) -> Array:
    """Dot product over axis 1, term by term in the precision of the input."""
    total = first[:, 0] * second[:, 0]
    for axis in range(1, first.shape[1]):
        total += first[:, axis] * second[:, axis]
    return total


def _length(vectors: Array) -> Array:
    result: Array = np.sqrt(_dot(vectors, vectors))
    return result


def _cross(first: Array, second: Array) -> Array:
    """Cross product over axis 1."""
    out = np.empty_like(first)
    for axis in range(3):
        left, right = (axis + 1) % 3, (axis + 2) % 3
        out[:, axis] = first[:, left] * second[:, right] - first[:, right] * second[:, left]
    return out


@dataclass(frozen=True)
class _Limb:
    """A limb from one joint to the next, and the limb (or ``up``) its direction is measured against in 2D."""

    name: str
    start: str
    end: str
    parent: str


_LIMBS = (
    _Limb("torso", "hips", "neck", "up"),
    _Limb("head", "neck", "head", "torso"),
    _Limb("shoulders", "right_shoulder", "left_shoulder", "torso"),
    *(
        _Limb(f"{side}_{name}", f"{side}_{start}", f"{side}_{end}", parent.format(side))
        for side in ("left", "right")
        for name, start, end, parent in (
            ("upper_arm", "shoulder", "elbow", "torso"),
            ("forearm", "elbow", "wrist", "{}_upper_arm"),
            ("thigh", "hip", "knee", "torso"),
            ("shin", "knee", "ankle", "{}_thigh"),
        )
    ),
)
_MIN_LENGTH = 1e-3


def limb_angles(body: Body) -> npt.NDArray[np.float64]:
    """Mean and spread of the directions of eleven limbs over the frames in which they are seen.

    In 2D a direction is the cosine and sine of the signed angle to the parent limb (the torso: to the
    vertical); in 3D its leftward, upward and forward components in the frame of the body (the torso: in the
    frame of its heading), so that the direction in which the dancer faces does not matter.

    Returns:
        (44,) in 2D, (66,) in 3D, float64, columns as :func:`limb_angle_columns` names them; NaN where a limb
        is never seen.
    """
    directions = {limb.name: _direction(body, limb) for limb in _LIMBS}
    components = _signed_2d(directions) if body.dims == 2 else _in_body_frame(body, directions)
    columns = []
    for limb in _LIMBS:
        values, seen = components[limb.name]
        chosen = values[seen]
        if len(chosen):
            columns.append(np.concatenate([chosen.mean(axis=0), chosen.std(axis=0)]))
        else:
            columns.append(np.full(2 * values.shape[1], np.nan))
    return np.concatenate(columns)


def limb_angle_columns(dims: int) -> tuple[str, ...]:
    """Names of the columns of :func:`limb_angles`.

    Example:
        >>> limb_angle_columns(2)[:4]
        ('torso:mean_cos', 'torso:mean_sin', 'torso:std_cos', 'torso:std_sin')
    """
    parts = ("cos", "sin") if dims == 2 else ("left", "up", "forward")
    return tuple(f"{limb.name}:{how}_{part}" for limb in _LIMBS for how in ("mean", "std") for part in parts)


_Directions = dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]


def _direction(body: Body, limb: _Limb) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Unit vectors (T, C) and where they exist (T,)."""
    (start, start_seen), (end, end_seen) = body.joint(limb.start), body.joint(limb.end)
    vector = end - start
    length = np.linalg.norm(vector, axis=-1)
    return vector / np.maximum(length, _MIN_LENGTH)[:, None], start_seen & end_seen & (length > _MIN_LENGTH)


def _signed_2d(directions: _Directions) -> _Directions:
    components: _Directions = {}
    for limb in _LIMBS:
        values, seen = directions[limb.name]
        if limb.parent == "up":
            parent, parent_seen = np.array([[0.0, 1.0]]), seen
        else:
            parent, parent_seen = directions[limb.parent]
        cosine = (values * parent).sum(axis=-1)
        sine = parent[:, 0] * values[:, 1] - parent[:, 1] * values[:, 0]
        components[limb.name] = np.stack([cosine, sine], axis=-1), seen & parent_seen
    return components


def _in_body_frame(body: Body, directions: _Directions) -> _Directions:
    (left, left_seen), (right, right_seen) = body.joint("left_hip"), body.joint("right_hip")
    across, across_seen = left - right, left_seen & right_seen
    torso, torso_seen = directions["torso"]
    framed = across_seen & torso_seen
    frame = _frame(across, torso)
    components: _Directions = {}
    for limb in _LIMBS:
        values, seen = directions[limb.name]
        axes = (
            _frame(across, np.broadcast_to((0.0, 1.0, 0.0), across.shape)) if limb.parent == "up" else frame
        )
        components[limb.name] = np.einsum("tkc,tc->tk", axes, values), seen & framed
    return components


def _frame(across: npt.NDArray[np.float64], up: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(T, 3, 3) unit vectors left, up, forward: ``up`` is kept, ``across`` is made perpendicular to it."""
    left = across - (across * up).sum(axis=-1, keepdims=True) * up
    left = left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), _MIN_LENGTH)
    return np.stack([left, up, np.cross(left, up)], axis=1)
