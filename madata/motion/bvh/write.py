"""A motion as BVH: y up, centimetres, degrees, joints by their SMPL names, T-pose at rest.

Blender, MotionBuilder, Maya and :func:`madata.motion.bvh.read_bvh` alike take channels in the order in which the
hierarchy is written and multiply rotations in the order of the channels (here Z, X, Y).
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madata.files import write_text
from madata.motion.kinematics import joint_positions, rest_offsets, with_up
from madata.skeletons import skeleton
from madata.types import Motion3D

__all__ = ["write_bvh"]

_UNITS_PER_METRE = 100.0
# Joints at the end of a limb get an End Site half as far again, so that tools draw a bone there.
_END = 0.5


def write_bvh(path: Path, motion: Motion3D) -> None:
    """Write ``motion`` as ``.bvh``; read back, joints lie within 1e-5 m and rotations within 1e-5 rad."""
    motion = with_up(motion, "y")
    body = skeleton(motion.skeleton)
    offsets = rest_offsets(motion).astype(np.float64) * _UNITS_PER_METRE
    offsets[0] = 0.0  # the root's position channels take the place of its offset
    children = [
        [child for child, parent in enumerate(body.parents) if parent == joint]
        for joint in range(len(offsets))
    ]
    order: list[int] = []
    lines = ["HIERARCHY", *_joint(0, 0, body.joints, offsets, children, order)]
    lines += ["MOTION", f"Frames: {len(motion.rotation)}", f"Frame Time: {1 / motion.fps:.9f}"]
    place = joint_positions(motion)[:, 0].astype(np.float64) * _UNITS_PER_METRE
    values = np.concatenate([place, _degrees(motion.rotation)[:, order].reshape(len(place), -1)], axis=1)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values.tolist()]
    write_text(path, "\n".join(lines) + "\n")


def _joint(
    joint: int,
    depth: int,
    names: tuple[str, ...],
    offsets: npt.NDArray[np.float64],
    children: list[list[int]],
    order: list[int],
) -> list[str]:
    """Lines of a joint and all below it; joints are appended to ``order`` as they are written."""
    order.append(joint)
    tab = "\t" * depth
    turns = "Zrotation Xrotation Yrotation"
    channels = f"6 Xposition Yposition Zposition {turns}" if depth == 0 else f"3 {turns}"
    lines = [f"{tab}{'JOINT' if depth else 'ROOT'} {names[joint]}", f"{tab}{{"]
    lines += [f"{tab}\tOFFSET {_numbers(offsets[joint])}", f"{tab}\tCHANNELS {channels}"]
    for child in children[joint]:
        lines += _joint(child, depth + 1, names, offsets, children, order)
    if not children[joint]:
        lines += [
            f"{tab}\tEnd Site",
            f"{tab}\t{{",
            f"{tab}\t\tOFFSET {_numbers(_END * offsets[joint])}",
            f"{tab}\t}}",
        ]
    return [*lines, f"{tab}}}"]


def _numbers(values: npt.NDArray[np.float64]) -> str:
    return " ".join(f"{value:.6f}" for value in values.tolist())


def _degrees(rotation: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(T, J, 3) angles about Z, X, Y, each without jumps over time."""
    from scipy.spatial.transform import Rotation  # takes as long to import as all the rest, and few write BVH

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # at a pole of the angles one of two is free
        angles = Rotation.from_rotvec(rotation.reshape(-1, 3).astype(np.float64)).as_euler("ZXY")
    return np.asarray(np.rad2deg(np.unwrap(angles.reshape(rotation.shape), axis=0)))
