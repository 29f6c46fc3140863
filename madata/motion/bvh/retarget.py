"""From the joints of a BVH file to SMPL-24.

Four steps, none of which needs to know where the file came from:

1. **Names.** :mod:`madata.motion.bvh.joint_names` finds the node of each slot. Nodes without a slot (buttocks,
   twist bones) keep their motion, since everything is computed in world axes.
2. **Unit.** The one of metres, centimetres, millimetres, inches and CMU's 0.45-inch unit that makes the
   body 1.2 to 2.3 m tall.
3. **Rest frames.** SMPL's rest pose is a T-pose with world-aligned axes. Where the file's zero pose is a
   T-pose too, its local rotations are used as they are. Else (bones along local x, Maya joint orients) each
   joint gets a constant change of axes: pelvis and chest from the places where legs, arms and neck are
   attached; upper arms and thighs from their bone and the way elbows and knees bend; the other limbs by
   their bone, and whatever is then still free such that the joint is at rest on average over the file.
   Positions stay exact; rotations differ from those of a T-pose rig by a constant, on CMU's recordings 2 to
   15 degrees in trunk and legs and 17 to 58 in arms and hands, where T-poses themselves disagree.
4. **Offsets.** SMPL joint offsets are the mean over frames of the measured ones, so the body keeps its own
   bone lengths. Slots the file lacks keep their rest rotation and SMPL's mean offset, scaled to the body.

Legend: T frames; "slot" is a joint of SMPL-24, "node" a joint of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.motion.bvh.joint_names import SPINE, find_slots
from madata.motion.bvh.read import Bvh, bvh_world
from madata.motion.kinematics import check_motion, stature_m
from madata.rotations import matrix_to_axis_angle
from madata.skeletons import skeleton
from madata.types import Motion3D

__all__ = ["bvh_to_motion"]

DoubleArray = npt.NDArray[np.float64]

_SMPL = skeleton("smpl-24")
_REST = np.asarray(_SMPL.offsets, np.float64)

_UNITS_M = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "inch": 0.0254, "0.45 inch": 0.0254 / 0.45}
_STATURES_M = (1.2, 2.3)

# The bone that gives a limb its direction.
_LIMBS = {
    f"{side}_{joint}": f"{side}_{child}"
    for side in ("left", "right")
    for joint, child in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"),
    )
}  # fmt: skip
# The far end of a limb that bends one way only, and that way in the rest pose: shins back, forearms forward.
_HINGES = {
    f"{side}_{joint}": (f"{side}_{child}", np.array([0.0, 0, forward]))
    for side in ("left", "right")
    for joint, child, forward in (("hip", "ankle", -1.0), ("shoulder", "wrist", 1.0))
}
# Mean bend, as the sine of its angle, below which the way a limb bends is too uncertain to use.
_MIN_BEND = 0.1
# Largest angle between the zero pose and SMPL's rest pose, per bone, for the zero pose to pass as a T-pose.
_T_POSE_COSINE = np.cos(np.deg2rad(45))


@dataclass(frozen=True)
class _Body:
    """A file's body in metres: nodes by slot, their world motion, their zero pose."""

    slots: dict[str, int]
    rotations: dict[int, DoubleArray]
    positions: dict[int, DoubleArray]
    zero: DoubleArray
    toes: dict[str, DoubleArray]


def bvh_to_motion(
    bvh: Bvh,
    source: Path | str = "BVH",
    names: Mapping[str, str] | None = None,
    metres_per_unit: float | None = None,
) -> Motion3D:
    """The motion of a BVH file as SMPL-24 rotations with the body's own bone lengths.

    Args:
        bvh: a parsed file.
        source: the file, named in errors.
        names: SMPL joint -> node name where the names alone are not enough.
        metres_per_unit: length of one file unit; ``None`` finds it from the size of the body.

    Raises:
        MediaError: joints are missing, or no unit makes the body 1.2 to 2.3 m tall.
    """
    try:
        slots = find_slots(bvh.names, bvh.parents, names)
    except MediaError as error:
        raise MediaError(f"{source}: {error}", reason=error.reason) from None
    scale = metres_per_unit or _metres_per_unit(bvh, slots, source)
    body = _body(bvh, slots, scale)
    up = _up_axis(body)
    frames = _rest_frames(body)
    world = _slot_rotations(body, frames)
    offsets = _offsets(body, world)
    local = _local(world)
    return check_motion(
        Motion3D(
            rotation=np.ascontiguousarray(matrix_to_axis_angle(local), np.float32),
            translation=np.ascontiguousarray(body.positions[slots["pelvis"]], np.float32),
            fps=bvh.fps,
            up=up,
            skeleton="smpl-24",
            offsets=np.ascontiguousarray(offsets, np.float32),
        ),
        source,
    )


def _metres_per_unit(bvh: Bvh, slots: dict[str, int], source: Path | str) -> float:
    size = _stature_units(bvh, slots)
    for metres in _UNITS_M.values():
        if _STATURES_M[0] <= size * metres <= _STATURES_M[1]:
            return metres
    raise MediaError(
        f"{source}: the body is {size:.3g} file units tall, no grown person in {', '.join(_UNITS_M)}: "
        "say the unit, e.g. madance convert IN.bvh OUT.npz --unit centimetre",
        reason="unknown_unit",
    )


def _stature_units(bvh: Bvh, slots: dict[str, int]) -> float:
    """Stature from bone lengths between consecutive slots of legs and trunk."""
    lengths = np.zeros((_SMPL.num_joints, 3))
    for slot in ("left_knee", "right_knee", "left_ankle", "right_ankle", "neck", "head", *SPINE):
        if slot not in slots:
            continue
        parent = _slot_parent(slot, slots)
        node, lengths_of_nodes = slots[slot], 0.0
        while node not in (-1, slots[parent]):
            lengths_of_nodes += float(np.linalg.norm(bvh.offsets[node]))
            node = bvh.parents[node]
        lengths[_SMPL.index(slot), 0] = lengths_of_nodes
    return stature_m(lengths, _SMPL)


def _slot_parent(slot: str, slots: Mapping[str, int]) -> str:
    """Nearest SMPL ancestor of ``slot`` that has a node."""
    parent = _SMPL.joints[_SMPL.parents[_SMPL.index(slot)]]
    while parent not in slots:
        parent = _SMPL.joints[_SMPL.parents[_SMPL.index(parent)]]
    return parent


def _body(bvh: Bvh, slots: dict[str, int], scale: float) -> _Body:
    rotations, positions = bvh_world(bvh, frozenset(slots.values()))
    zero = np.zeros((len(bvh.names), 3))
    for node, parent in enumerate(bvh.parents):
        zero[node] = bvh.offsets[node] + (zero[parent] if parent >= 0 else 0)
    toes = {}
    for side in ("left", "right"):
        ankle, foot = slots[f"{side}_ankle"], f"{side}_foot"
        children = [node for node, parent in enumerate(bvh.parents) if parent == ankle]
        longest = max(children, key=lambda node: float(np.linalg.norm(bvh.offsets[node])), default=None)
        if foot not in slots and longest is not None and np.linalg.norm(bvh.offsets[longest]) * scale > 0.02:
            toes[foot] = bvh.offsets[longest] * scale
    return _Body(slots, rotations, {node: at * scale for node, at in positions.items()}, zero * scale, toes)


def _up_axis(body: _Body) -> str:
    """People in a recording mostly stand: the larger of the mean y and z of the trunk."""
    trunk = (body.positions[body.slots["neck"]] - body.positions[body.slots["pelvis"]]).mean(0)
    return "z" if trunk[2] > abs(trunk[1]) else "y"


def _bone(body: _Body, slot: str, child: str) -> DoubleArray | None:
    """Mean direction from ``slot`` to ``child`` in the axes of its node; ``None`` without a bone."""
    node = body.slots[slot]
    if child in body.slots:
        step = body.positions[body.slots[child]] - body.positions[node]
        vector = np.einsum("tji,tj->ti", body.rotations[node], step).mean(0)
    elif child in body.toes:
        vector = body.toes[child]
    else:
        return None
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-3 else None


def _frame(left: DoubleArray, upward: DoubleArray) -> DoubleArray:
    """(3, 3) whose columns are the body's left, up and front."""
    x = left / np.linalg.norm(left)
    y = upward - (upward @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], 1)


def _rest_frames(body: _Body) -> dict[str, DoubleArray]:
    """Change of axes A per slot: the world rotation of the slot is the node's times A."""
    whole = _t_pose(body)
    if whole is not None:
        return dict.fromkeys(body.slots, whole)
    return _fitted_frames(body)


def _t_pose(body: _Body) -> DoubleArray | None:
    """Axes of the zero pose as a signed permutation if it is a T-pose, else ``None``."""
    at = {slot: body.zero[node] for slot, node in body.slots.items()}
    frame = _frame(at["left_hip"] - at["right_hip"], at["neck"] - at["pelvis"])
    snapped = np.zeros((3, 3))
    snapped[np.abs(frame).argmax(0), range(3)] = np.sign(frame[np.abs(frame).argmax(0), range(3)])
    if not np.isclose(np.linalg.det(snapped), 1):
        return None
    for slot, child in _LIMBS.items():
        if child not in at or slot.endswith("wrist"):
            continue
        bone = snapped.T @ (at[child] - at[slot])
        rest = _REST[_SMPL.index(child)]
        if bone @ rest < _T_POSE_COSINE * np.linalg.norm(bone) * np.linalg.norm(rest):
            return None
    return snapped


def _fitted_frames(body: _Body) -> dict[str, DoubleArray]:
    frames: dict[str, DoubleArray] = {}
    for slot in (joint for joint in _SMPL.joints if joint in body.slots):
        frame = _three_point_frame(body, slot)
        if frame is None:
            frame = _hinge_frame(body, slot)
        if frame is None:
            parent = _slot_parent(slot, body.slots)
            above = body.rotations[body.slots[parent]] @ frames[parent]
            frame = _mean_frame(body, slot, above)
        frames[slot] = frame
    return frames


def _mean_frame(body: _Body, slot: str, above: DoubleArray) -> DoubleArray:
    """Axes in which ``slot`` is at rest on average, with its bone, if it is a limb, along SMPL's."""
    rotations = body.rotations[body.slots[slot]]
    mean = np.einsum("tji,tjk->ik", above, rotations) / len(rotations)
    bone = _bone(body, slot, _LIMBS[slot]) if slot in _LIMBS else None
    return _nearest_rotation(mean.T) if bone is None else _about_bone(mean, bone, _rest_bone(slot))


def _rest_bone(slot: str) -> DoubleArray:
    rest = _REST[_SMPL.index(_LIMBS[slot])]
    return np.asarray(rest / np.linalg.norm(rest))


def _hinge_frame(body: _Body, slot: str) -> DoubleArray | None:
    """Axes of an upper arm or thigh from its bone and the way the elbow or knee bends on average."""
    if slot not in _HINGES:
        return None
    end, bend = _HINGES[slot]
    middle, node = body.slots[_LIMBS[slot]], body.slots[slot]
    bone = _bone(body, slot, _LIMBS[slot])
    if bone is None:
        return None
    lower = body.positions[body.slots[end]] - body.positions[middle]
    lower /= np.linalg.norm(lower, axis=-1, keepdims=True)
    seen = np.einsum("tji,tj->ti", body.rotations[node], lower).mean(0)
    if np.linalg.norm(seen - (seen @ bone) * bone) < _MIN_BEND:
        return None
    return np.asarray(_frame(bone, seen) @ _frame(_rest_bone(slot), bend).T)


def _three_point_frame(body: _Body, slot: str) -> DoubleArray | None:
    """Axes of the pelvis and of the chest, from what is attached to them."""
    chest = next((joint for joint in reversed(SPINE) if joint in body.slots), None)
    if slot == "pelvis":
        ends = ("left_hip", "right_hip", "spine1" if "spine1" in body.slots else "neck")
    elif slot == chest:
        arm = "collar" if {"left_collar", "right_collar"} <= set(body.slots) else "shoulder"
        ends = (f"left_{arm}", f"right_{arm}", "neck")
    else:
        return None
    node = body.slots[slot]
    left, right, top = (
        np.einsum(
            "tji,tj->ti", body.rotations[node], body.positions[body.slots[end]] - body.positions[node]
        ).mean(0)
        for end in ends
    )
    return _frame(left - right, top)


def _about_bone(mean: DoubleArray, bone: DoubleArray, target: DoubleArray) -> DoubleArray:
    """The A with ``A target = bone`` for which ``mean @ A`` is closest to the identity."""
    start = _swing(target, bone)
    turned = mean @ start
    x, y, z = target
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.arctan2(np.trace(turned @ cross), np.trace(turned) - target @ turned @ target)
    twist = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(start @ twist)


def _swing(source: DoubleArray, target: DoubleArray) -> DoubleArray:
    """Some rotation that takes one unit vector to another."""
    frames = []
    for vector in (source, target):
        helper = np.eye(3)[np.abs(vector).argmin()]
        frames.append(_frame(vector, helper))
    return np.asarray(frames[1] @ frames[0].T)


def _nearest_rotation(matrix: DoubleArray) -> DoubleArray:
    left, _, right = np.linalg.svd(matrix)
    left[:, 2] *= np.linalg.det(left @ right)
    return np.asarray(left @ right)


def _slot_rotations(body: _Body, frames: dict[str, DoubleArray]) -> DoubleArray:
    """(T, 24, 3, 3) world rotations; a slot without a node moves with its parent."""
    world: list[DoubleArray] = []
    for slot, parent in zip(_SMPL.joints, _SMPL.parents, strict=True):
        position_only = slot in ("left_hand", "right_hand")
        if slot in body.slots and not position_only:
            world.append(body.rotations[body.slots[slot]] @ frames[slot])
        else:
            world.append(world[parent])
    return np.stack(world, 1)


def _offsets(body: _Body, world: DoubleArray) -> DoubleArray:
    """(24, 3) metres, the mean over frames of each joint as its parent sees it."""
    scale = stature_m(_measured_lengths(body), _SMPL) / stature_m(_REST, _SMPL)
    places: list[DoubleArray] = []
    offsets = np.zeros((_SMPL.num_joints, 3))
    for joint, (slot, parent) in enumerate(zip(_SMPL.joints, _SMPL.parents, strict=True)):
        if parent < 0:
            places.append(body.positions[body.slots[slot]])
            continue
        turn = world[:, parent]
        if slot in body.slots:
            places.append(body.positions[body.slots[slot]])
        elif slot in body.toes:
            node = body.slots[_SMPL.joints[parent]]
            places.append(places[parent] + body.rotations[node] @ body.toes[slot])
        else:
            places.append(places[parent] + turn @ (_REST[joint] * scale))
        offsets[joint] = np.einsum("tji,tj->ti", turn, places[joint] - places[parent]).mean(0)
    return offsets


def _measured_lengths(body: _Body) -> DoubleArray:
    lengths = np.zeros((_SMPL.num_joints, 3))
    for slot in body.slots:
        if slot != "pelvis":
            parent = _slot_parent(slot, body.slots)
            step = body.positions[body.slots[slot]] - body.positions[body.slots[parent]]
            lengths[_SMPL.index(slot), 0] = np.linalg.norm(step, axis=-1).mean()
    return lengths


def _local(world: DoubleArray) -> DoubleArray:
    local = world.copy()
    for joint, parent in enumerate(_SMPL.parents):
        if parent >= 0:
            local[:, joint] = np.swapaxes(world[:, parent], -1, -2) @ world[:, joint]
    return local
