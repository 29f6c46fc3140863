"""Skeletons: which joint sits in which column, what hangs on what, and how one skeleton maps onto another.

Arrays of joints never travel without the name of their skeleton. Joint names are shared between skeletons
(``left_knee`` is the same point in COCO-17 and in SMPL-24), so a mapping is a matter of names:

* 2D keypoints: ``coco-17``, ``coco-25`` (the order of easy_ViTPose, which is not OpenPose's BODY_25), ``openpose-18``,
  ``openpose-25`` (BODY_25), ``halpe-26`` (AlphaPose), ``blazepose-33`` and ``coco-wholebody-133`` (17 body joints, 6
  points of the feet, 68 of the face in iBUG's order, two hands of 21). Their parents only say which lines to draw.
* 3D kinematic trees: ``smpl-24``, ``smplx-22`` (the body of SMPL-X), ``smplx-24`` (its first 24 joints: a jaw and an
  eye follow the body, and LODGE's beat script counts them), ``smplh-52`` (body and fingers) and
  ``smplx-55`` (body, jaw, eyes, fingers). Rest offsets are metres, y up, facing +z, left at +x (T-pose).

Left and right are the person's own. Legend: J joints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import ConfigError, did_you_mean
from madata.types import FloatArray, Keypoints2D

__all__ = [
    "SKELETON_NAMES",
    "Skeleton",
    "convert_keypoints",
    "mapping",
    "skeleton",
    "take_points",
    "take_scores",
]

MISSING = -1


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A named set of joints.

    Attributes:
        name: name given to :func:`skeleton`.
        joints: name of every joint, in column order.
        parents: parent of every joint, -1 for a root; a parent always precedes its children in 3D skeletons.
        pairs: (left, right) column pairs.
        offsets: (J, 3) rest position of each joint relative to its parent, metres; read-only. ``None`` for 2D
            keypoints.
        up: axis of ``offsets`` that points to the ceiling.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    offsets: FloatArray | None = None
    up: str | None = None

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.joints)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) columns of every line."""
        return tuple((parent, child) for child, parent in enumerate(self.parents) if parent >= 0)

    @property
    def mirrored(self) -> npt.NDArray[np.intp]:
        """(J,) column order after left and right are exchanged."""
        order = np.arange(self.num_joints)
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return order

    def index(self, joint: str) -> int:
        """Column of ``joint``.

        Raises:
            ConfigError: the skeleton has no such joint.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise ConfigError(
                f"skeleton {self.name!r} has no joint {joint!r}{did_you_mean(joint, self.joints)}"
            ) from None


_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")

_COCO_17 = (
    *_FACE,
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_COCO_17_PARENTS = (-1, 0, 0, 1, 2, -1, 5, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14)

_COCO_25 = (
    *_FACE,
    "neck",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
_COCO_25_PARENTS = (
    5, 0, 0, 1, 2, 14, 5, 5, 6, 7, 8, 9, 14, 14, -1, 12, 13, 15, 16, 17, 17, 17, 18, 18, 18,
)  # fmt: skip

_LIMBS_BY_SIDE = ("shoulder", "elbow", "wrist")
_RIGHT_ARM, _LEFT_ARM = (tuple(f"{side}_{joint}" for joint in _LIMBS_BY_SIDE) for side in ("right", "left"))
_RIGHT_LEG, _LEFT_LEG = (
    tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle")) for side in ("right", "left")
)
_EYES_EARS = ("right_eye", "left_eye", "right_ear", "left_ear")
_OPENPOSE_18 = ("nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, *_RIGHT_LEG, *_LEFT_LEG, *_EYES_EARS)
_OPENPOSE_18_PARENTS = (1, -1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 1, 11, 12, 0, 0, 14, 15)
_OPENPOSE_25 = (
    "nose", "neck", *_RIGHT_ARM, *_LEFT_ARM, "hip", *_RIGHT_LEG, *_LEFT_LEG, *_EYES_EARS,
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
_OPENPOSE_25_PARENTS = (1, 8, 1, 2, 3, 1, 5, 6, -1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 14, 14, 11, 11, 11)
_HALPE_26 = (
    *_COCO_17, "head", "neck", "hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
)  # fmt: skip
_HALPE_26_PARENTS = (
    18, 0, 0, 1, 2, 18, 18, 5, 6, 7, 8, 19, 19, 11, 12, 13, 14, 18, 19, -1, 15, 16, 15, 16, 15, 16,
)  # fmt: skip

_BLAZEPOSE_33 = (
    "nose",
    "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
_BLAZEPOSE_33_PARENTS = (
    -1, 0, 1, 2, 0, 4, 5, 3, 6, -1, 9, -1, 11, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16,
    11, 12, 23, 24, 25, 26, 27, 28, 29, 30,
)  # fmt: skip

_FEET = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel"))
_FACE_68 = (
    *(f"right_jaw{i}" for i in range(1, 9)), "chin", *(f"left_jaw{i}" for i in range(8, 0, -1)),
    *(f"right_brow{i}" for i in range(1, 6)), *(f"left_brow{i}" for i in range(5, 0, -1)),
    "nose_ridge1", "nose_ridge2", "nose_ridge3", "nose_ridge4",
    "right_nostril1", "right_nostril2", "nose_base", "left_nostril2", "left_nostril1",
    *(f"right_lid{i}" for i in range(1, 7)), *(f"left_lid{i}" for i in (4, 3, 2, 1, 6, 5)),
    "right_lip1", "right_lip2", "right_lip3", "upper_lip", "left_lip3", "left_lip2",
    "left_lip1", "left_lip4", "left_lip5", "lower_lip", "right_lip5", "right_lip4",
    "right_mouth1", "right_mouth2", "upper_mouth", "left_mouth2",
    "left_mouth1", "left_mouth3", "lower_mouth", "right_mouth3",
)  # fmt: skip
_HANDS_21 = tuple(
    f"{side}_{point}"
    for side in ("left", "right")
    for point in (
        "hand_root",
        *(f"{finger}{i}" for finger in ("thumb", "index", "middle", "ring", "pinky") for i in range(1, 5)),
    )
)
_WHOLEBODY_133 = (*_COCO_17, *_FEET, *_FACE_68, *_HANDS_21)


def _wholebody_parents() -> tuple[int, ...]:
    feet = (15, 17, 15, 16, 20, 16)
    hands = [
        wrist if i == 0 else root if i % 4 == 1 else root + i - 1
        for wrist, root in ((9, 91), (10, 112))
        for i in range(21)
    ]
    return (*_COCO_17_PARENTS, *feet, *[-1] * len(_FACE_68), *hands)


_BODY_22 = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar",
    "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
_BODY_22_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_FINGERS = tuple(
    f"{side}_{finger}{knuckle}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for knuckle in (1, 2, 3)
)


def _finger_parents(first: int) -> tuple[int, ...]:
    wrists = (_BODY_22.index("left_wrist"), _BODY_22.index("right_wrist"))
    return tuple(wrists[i // 15] if i % 3 == 0 else first + i - 1 for i in range(30))


# Mean SMPL rest offsets, as hard-coded in Stanford-TML/EDGE and used by the official Motion Expert.
_SMPL_24_OFFSETS = (
    (0.0, 0.0, 0.0),
    (0.05858135, -0.08228004, -0.01766408),
    (-0.06030973, -0.09051332, -0.01354254),
    (0.00443945, 0.12440352, -0.03838522),
    (0.04345142, -0.38646945, 0.008037),
    (-0.04325663, -0.38368791, -0.00484304),
    (0.00448844, 0.1379564, 0.02682033),
    (-0.01479032, -0.42687458, -0.037428),
    (0.01905555, -0.4200455, -0.03456167),
    (-0.00226458, 0.05603239, 0.00285505),
    (0.04105436, -0.06028581, 0.12204243),
    (-0.03483987, -0.06210566, 0.13032329),
    (-0.0133902, 0.21163553, -0.03346758),
    (0.07170245, 0.11399969, -0.01889817),
    (-0.08295366, 0.11247234, -0.02370739),
    (0.01011321, 0.08893734, 0.05040987),
    (0.12292141, 0.04520509, -0.019046),
    (-0.11322832, 0.04685326, -0.00847207),
    (0.2553319, -0.01564902, -0.02294649),
    (-0.26012748, -0.01436928, -0.03126873),
    (0.26570925, 0.01269811, -0.00737473),
    (-0.26910836, 0.00679372, -0.00602676),
    (0.08669055, -0.01063603, -0.01559429),
    (-0.0887537, -0.00865157, -0.01010708),
)

# Mean SMPL-X rest positions of the joints, metres from the model's origin, as published with LODGE.
_SMPLX_55_REST = (
    (0.0031233, -0.3514075, 0.0120366),
    (0.0613127, -0.4441709, -0.0139646),
    (-0.0601442, -0.4553155, -0.0092138),
    (0.0003606, -0.2415169, -0.0155811),
    (0.1160081, -0.8229244, -0.0233607),
    (-0.1043542, -0.8176955, -0.0260377),
    (0.0098083, -0.1096636, -0.0215211),
    (0.0725547, -1.2259839, -0.0552366),
    (-0.0889374, -1.2284234, -0.04623),
    (-0.0015222, -0.0574285, 0.0069258),
    (0.119812, -1.2839811, 0.0629797),
    (-0.1277498, -1.2867517, 0.072819),
    (-0.0136866, 0.1077386, -0.0246895),
    (0.044842, 0.0275153, -0.0002946),
    (-0.0492171, 0.0269102, -0.0064741),
    (0.0110969, 0.2681904, -0.0039522),
    (0.164081, 0.0852433, -0.0157556),
    (-0.1517948, 0.0804347, -0.0191426),
    (0.4182039, 0.0130928, -0.0582144),
    (-0.4229444, 0.0439422, -0.0456097),
    (0.6701906, 0.036314, -0.0606865),
    (-0.6722118, 0.0394096, -0.0609349),
    (-0.0046678, 0.2676707, -0.0095914),
    (0.0315993, 0.3108321, 0.0621952),
    (-0.0315999, 0.3108319, 0.0621943),
    (0.7720926, 0.0276259, -0.0413354),
    (0.8040411, 0.0298441, -0.0383249),
    (0.826586, 0.0274941, -0.0382704),
    (0.7795882, 0.0299863, -0.0646673),
    (0.8101994, 0.0307937, -0.06869),
    (0.8337146, 0.028785, -0.0728042),
    (0.7542375, 0.0217747, -0.1044361),
    (0.7697083, 0.0206431, -0.1164356),
    (0.7852416, 0.0189785, -0.1276525),
    (0.7676346, 0.0270464, -0.0880312),
    (0.7956817, 0.0285318, -0.0932971),
    (0.8185036, 0.0270736, -0.1003914),
    (0.7108265, 0.0183373, -0.0350756),
    (0.7278419, 0.0193131, -0.0100975),
    (0.7483652, 0.0141535, 0.0054256),
    (-0.7720924, 0.0276268, -0.0413349),
    (-0.8040408, 0.0298447, -0.0383241),
    (-0.8265857, 0.0274953, -0.0382687),
    (-0.7795881, 0.0299877, -0.0646687),
    (-0.8101993, 0.0307952, -0.0686915),
    (-0.8337147, 0.0287858, -0.0728056),
    (-0.7542384, 0.0217752, -0.1044378),
    (-0.7697089, 0.0206431, -0.1164366),
    (-0.7852423, 0.0189784, -0.1276529),
    (-0.7676351, 0.0270477, -0.0880336),
    (-0.7956818, 0.0285329, -0.0932995),
    (-0.8185039, 0.0270741, -0.1003922),
    (-0.710825, 0.0183352, -0.0350735),
    (-0.7278404, 0.0193113, -0.0100959),
    (-0.7483658, 0.0141541, 0.0054256),
)


def _smplx_offsets(columns: tuple[int, ...], parents: tuple[int, ...]) -> FloatArray:
    """Offsets of a part of SMPL-X; the root keeps the pelvis's distance from the model's origin."""
    rest = np.asarray(_SMPLX_55_REST, np.float64)[list(columns)]
    offsets = rest.copy()
    for child, parent in enumerate(parents):
        if parent >= 0:
            offsets[child] -= rest[parent]
    return offsets.astype(np.float32)


def _pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    pairs = []
    for column, joint in enumerate(joints):
        other = joint.replace("left", "right")
        if other != joint and other in joints:
            pairs.append((column, joints.index(other)))
    return tuple(pairs)


def _keypoints(name: str, joints: tuple[str, ...], parents: tuple[int, ...]) -> Skeleton:
    return Skeleton(name, joints, parents, _pairs(joints))


def _body(name: str, joints: tuple[str, ...], parents: tuple[int, ...], offsets: FloatArray) -> Skeleton:
    offsets.setflags(write=False)
    return Skeleton(name, joints, parents, _pairs(joints), offsets, "y")


def _smplx(
    name: str, extra: tuple[str, ...], extra_parents: tuple[int, ...], columns: tuple[int, ...]
) -> Skeleton:
    parents = _BODY_22_PARENTS + extra_parents
    return _body(name, _BODY_22 + extra, parents, _smplx_offsets(columns, parents))


def _build() -> dict[str, Skeleton]:
    head = _BODY_22.index("head")
    bodies = (
        _keypoints("coco-17", _COCO_17, _COCO_17_PARENTS),
        _keypoints("coco-25", _COCO_25, _COCO_25_PARENTS),
        _keypoints("openpose-18", _OPENPOSE_18, _OPENPOSE_18_PARENTS),
        _keypoints("openpose-25", _OPENPOSE_25, _OPENPOSE_25_PARENTS),
        _keypoints("halpe-26", _HALPE_26, _HALPE_26_PARENTS),
        _keypoints("blazepose-33", _BLAZEPOSE_33, _BLAZEPOSE_33_PARENTS),
        _keypoints("coco-wholebody-133", _WHOLEBODY_133, _wholebody_parents()),
        _body(
            "smpl-24",
            (*_BODY_22, "left_hand", "right_hand"),
            (*_BODY_22_PARENTS, 20, 21),
            np.asarray(_SMPL_24_OFFSETS, np.float32),
        ),
        _smplx("smplx-22", (), (), tuple(range(22))),
        _smplx("smplx-24", ("jaw", "left_eye"), (head, head), tuple(range(24))),
        _smplx("smplh-52", _FINGERS, _finger_parents(22), (*range(22), *range(25, 55))),
        _smplx(
            "smplx-55",
            ("jaw", "left_eye", "right_eye", *_FINGERS),
            (head, head, head, *_finger_parents(25)),
            tuple(range(55)),
        ),
    )
    return {body.name: body for body in bodies}


_SKELETONS = _build()
SKELETON_NAMES = tuple(_SKELETONS)


def skeleton(name: str) -> Skeleton:
    """The skeleton called ``name``.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    try:
        return _SKELETONS[name]
    except KeyError:
        raise ConfigError(f"unknown skeleton {name!r}{did_you_mean(name, SKELETON_NAMES)}") from None


# Joints that go by several names, and joints that are the midpoint of two others where a skeleton lacks them.
_SYNONYMS = (
    ("pelvis", "hip"),
    ("left_foot", "left_big_toe", "left_foot_index"),
    ("right_foot", "right_big_toe", "right_foot_index"),
    ("left_hand", "left_middle1"),
    ("right_hand", "right_middle1"),
    ("left_hand", "left_index"),  # BlazePose's: a knuckle, for want of a hand
    ("right_hand", "right_index"),
)
_MIDPOINTS = {
    "pelvis": ("left_hip", "right_hip"),
    "hip": ("left_hip", "right_hip"),
    "neck": ("left_shoulder", "right_shoulder"),
    "head": ("left_ear", "right_ear"),
}


@cache
def mapping(source: str, target: str) -> npt.NDArray[np.intp]:
    """Where each joint of ``target`` is found in ``source``.

    Args:
        source: name of the skeleton the data is in.
        target: name of the skeleton wanted.

    Returns:
        (J_target, 2) columns of ``source`` whose mean is the joint, read-only: twice the same column for a
        joint both have, two columns for a midpoint (``neck``, ``hip``, ``pelvis``, ``head`` where the source
        lacks them), -1 for a joint the source cannot give.
    """
    joints = skeleton(source).joints
    columns = np.array([_find(joint, joints) for joint in skeleton(target).joints], np.intp)
    columns.setflags(write=False)
    return columns


def _find(joint: str, joints: tuple[str, ...]) -> tuple[int, int]:
    names = [name for group in _SYNONYMS if joint in group for name in group]
    for name in (joint, *names):
        if name in joints:
            return joints.index(name), joints.index(name)
    ends = _MIDPOINTS.get(joint, ())
    if ends and all(end in joints for end in ends):
        return joints.index(ends[0]), joints.index(ends[1])
    return MISSING, MISSING


def take_points(points: npt.NDArray[Any], columns: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Joints (..., J, D) in the columns of :func:`mapping`; those the source lacks lie at 0."""
    found = columns[:, 0] != MISSING
    taken = points[..., columns, :].mean(axis=-2, dtype=points.dtype) * found[:, None]
    placed: npt.NDArray[Any] = taken.astype(points.dtype)
    return placed


def take_scores(score: npt.NDArray[Any], columns: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Scores (..., J) likewise: the lower of the two of a midpoint, 0 for a joint the source lacks."""
    lower: npt.NDArray[Any] = score[..., columns].min(axis=-1) * (columns[:, 0] != MISSING)
    return lower


def convert_keypoints(keypoints: Keypoints2D, target: str) -> Keypoints2D:
    """Keypoints in the order of another skeleton; see :func:`take_points` and :func:`take_scores`."""
    columns = mapping(keypoints.skeleton, target)
    xy, score = take_points(keypoints.xy, columns), take_scores(keypoints.score, columns)
    return replace(keypoints, xy=xy, score=score, skeleton=target)
