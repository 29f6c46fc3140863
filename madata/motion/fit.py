"""Rotations from joint positions, for systems that make positions only (Bailando) and for bodies to be posed with them.

Positions do not say how a bone turns about itself. A joint with several children (pelvis, chest) has the one rotation
that fits them all (Kabsch); a joint with one child takes the smallest turn from its parent's frame that points the bone
the right way; the last joints of a limb move with their parent. Bones have the mean length they have in the file, so
positions come back exactly where the file's bones do not change their lengths.

Legend: T frames, J joints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madata.motion.kinematics import check_motion
from madata.rotations import matrix_to_axis_angle
from madata.skeletons import skeleton
from madata.types import Motion3D, Positions3D

__all__ = ["motion_of_positions"]

_Doubles = npt.NDArray[np.float64]

# The shape of pelvis and chest and their rotations are found in turns; they settle after two.
_ROUNDS = 4


def motion_of_positions(positions: Positions3D) -> Motion3D:
    """The motion whose joints lie where ``positions`` says, with bone lengths of its own.

    Args:
        positions: T frames of a 3D skeleton.

    Raises:
        MediaError: a number is not finite.
    """
    body = skeleton(positions.skeleton)
    parents = body.parents
    points = np.asarray(positions.positions, np.float64)
    rest = np.asarray(body.offsets, np.float64)
    bones = np.zeros_like(points)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            bones[:, joint] = points[:, joint] - points[:, parent]
    lengths = np.linalg.norm(bones, axis=-1).mean(axis=0)
    rest_lengths = np.linalg.norm(rest, axis=-1)
    offsets = rest * (lengths / np.where(rest_lengths > 0, rest_lengths, 1.0))[:, None]
    children = [
        [child for child, parent in enumerate(parents) if parent == joint] for joint in range(len(parents))
    ]
    world = _world(bones, offsets, parents, children)
    for _ in range(_ROUNDS):
        for joint, among in enumerate(children):
            if len(among) > 1:
                offsets[among] = np.einsum("tji,tcj->ci", world[:, joint], bones[:, among]) / len(points)
        world = _world(bones, offsets, parents, children)
    local = world.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            local[:, joint] = np.swapaxes(world[:, parent], -1, -2) @ world[:, joint]
    offsets[0] = rest[0]
    return check_motion(
        Motion3D(
            rotation=np.ascontiguousarray(matrix_to_axis_angle(local), np.float32),
            translation=np.ascontiguousarray(points[:, 0] - rest[0], np.float32),
            fps=positions.fps,
            up=positions.up,
            skeleton=positions.skeleton,
            offsets=np.ascontiguousarray(offsets, np.float32),
        )
    )


def _world(
    bones: _Doubles, offsets: _Doubles, parents: tuple[int, ...], children: list[list[int]]
) -> _Doubles:
    """(T, J, 3, 3) rotations of all joints in the world."""
    frames = len(bones)
    world = np.empty((frames, len(parents), 3, 3))
    for joint, parent in enumerate(parents):
        above = world[:, parent] if parent >= 0 else np.broadcast_to(np.eye(3), (frames, 3, 3))
        among = children[joint]
        if len(among) > 1:
            world[:, joint] = _kabsch(offsets[among], bones[:, among])
        elif among:
            world[:, joint] = _swing(above @ offsets[among[0]], bones[:, among[0]]) @ above
        else:
            world[:, joint] = above
    return world


def _kabsch(rest: _Doubles, seen: _Doubles) -> _Doubles:
    """(T, 3, 3) rotations that take ``rest`` (C, 3) nearest to ``seen`` (T, C, 3)."""
    left, _, right = np.linalg.svd(np.einsum("tci,cj->tij", seen, rest))
    left[..., 2] *= np.linalg.det(left @ right)[:, None]
    return np.asarray(left @ right)


def _swing(source: _Doubles, target: _Doubles) -> _Doubles:
    """(T, 3, 3) smallest rotations from one direction (T, 3) to another; none where a bone has no length."""
    sizes = np.linalg.norm(source, axis=-1) * np.linalg.norm(target, axis=-1)
    there = sizes > 1e-12
    first = source / np.linalg.norm(source, axis=-1, keepdims=True).clip(1e-12)
    second = target / np.linalg.norm(target, axis=-1, keepdims=True).clip(1e-12)
    cosine = (first * second).sum(-1)
    opposite = cosine < -1 + 1e-9
    helper = np.eye(3)[np.abs(first).argmin(-1)]
    axis = np.cross(first, np.where(opposite[:, None], helper, second))
    cross = np.zeros((len(first), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= np.swapaxes(cross, -1, -2)
    turn = np.eye(3) + cross + cross @ cross / np.maximum(1 + cosine, 1e-9)[:, None, None]
    unit = axis / np.linalg.norm(axis, axis=-1, keepdims=True).clip(1e-12)
    half = 2 * unit[:, :, None] * unit[:, None, :] - np.eye(3)  # half a turn about any axis across the bone
    turn = np.where(opposite[:, None, None], half, turn)
    return np.where(there[:, None, None], turn, np.eye(3))
