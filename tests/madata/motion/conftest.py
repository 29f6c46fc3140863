"""A made-up dancer, and a BVH writer that can turn every joint's axes and rename every joint."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from madata.motion import joint_positions
from madata.skeletons import skeleton
from madata.types import Motion3D

SMPL = skeleton("smpl-24")


@pytest.fixture
def dancer():
    """``dancer(frames, fps, seed)``: a smooth upright SMPL-24 motion with moderate joint angles."""

    def make(frames=40, fps=30.0, seed=0, own_bones=False):
        rng = np.random.default_rng(seed)
        time = np.arange(frames)[:, None, None] / fps
        phase = rng.uniform(0, 2 * np.pi, (24, 3))
        rotation = 0.25 * np.sin(2 * np.pi * rng.uniform(0.3, 1.0, (24, 3)) * time + phase)
        rotation[:, 0] = [0, 0.4, 0] + 0.1 * rotation[:, 0]
        rotation[:, [10, 11, 22, 23]] = 0
        rotation[:, [4, 5], 0] += 0.5  # knees bend one way, and so do elbows
        rotation[:, [18, 19], 1] += [-0.6, 0.6]
        rotation[:, [4, 5, 18, 19], 2] = 0
        translation = np.array([0.3, 0.96, -0.2]) + 0.05 * np.sin(2 * time[:, 0] + [0, 1, 2])
        offsets = None
        if own_bones:
            offsets = (SMPL.offsets * rng.uniform(0.95, 1.05, (24, 1))).astype(np.float32)
        return Motion3D(
            rotation.astype(np.float32), translation.astype(np.float32), fps, "y", "smpl-24", offsets
        )

    return make


@dataclass
class BvhWriter:
    """Write a motion as BVH text.

    Attributes:
        names: SMPL joint -> name in the file; joints left out are left out of the file.
        axes: SMPL joint -> (3, 3) extra turn of the node's own axes.
        order: rotation order.
        unit: file units per metre.
        positions: give every joint position channels.
    """

    names: dict
    axes: dict
    order: str = "ZXY"
    unit: float = 100.0
    positions: bool = False

    def __call__(self, motion):
        offsets = SMPL.offsets if motion.offsets is None else motion.offsets
        kept = [joint for joint in SMPL.joints if joint in self.names]
        parent = {joint: self._kept_parent(joint) for joint in kept}
        at = joint_positions(motion).astype(np.float64)
        world, rest = {}, {}
        for column, joint in enumerate(SMPL.joints):
            up = SMPL.parents[column]
            local = Rotation.from_rotvec(motion.rotation[:, column].astype(np.float64))
            world[joint] = local if up < 0 else world[SMPL.joints[up]] * local
            rest[joint] = offsets[column] + (rest[SMPL.joints[up]] if up >= 0 else 0)
        turn = {joint: Rotation.from_matrix(self.axes.get(joint, np.eye(3))) for joint in SMPL.joints}
        node = {joint: world[joint] * turn[joint] for joint in kept}
        columns, tree = {}, {}
        for joint in kept:
            above = parent[joint]
            offset = rest[joint] if above is None else turn[above].inv().apply(rest[joint] - rest[above])
            local = node[joint] if above is None else node[above].inv() * node[joint]
            if above is None:
                columns[joint] = [at[:, SMPL.index(joint)] * self.unit]
            else:
                columns[joint] = []
            if above is not None and self.positions:
                step = at[:, SMPL.index(joint)] - at[:, SMPL.index(above)]
                columns[joint].append(node[above].inv().apply(step) * self.unit)
            columns[joint].append(local.as_euler(self.order, degrees=True))
            tree.setdefault(above, []).append((joint, offset * self.unit))
        sorted_columns = [column for joint in self._depth_first(tree, None) for column in columns[joint]]
        lines = ["HIERARCHY", *self._nodes(tree, *tree[None][0], "ROOT", ""), "MOTION"]
        lines += [f"Frames: {len(at)}", f"Frame Time: {1 / motion.fps:.7f}"]
        lines += [" ".join(f"{value:.7f}" for value in row) for row in np.concatenate(sorted_columns, 1)]
        return "\n".join(lines) + "\n"

    def _kept_parent(self, joint):
        column = SMPL.parents[SMPL.index(joint)]
        while column >= 0 and SMPL.joints[column] not in self.names:
            column = SMPL.parents[column]
        return SMPL.joints[column] if column >= 0 else None

    def _depth_first(self, tree, joint):
        for child, _ in tree.get(joint, []):
            yield child
            yield from self._depth_first(tree, child)

    def _nodes(self, tree, joint, offset, keyword, pad):
        turns = [f"{letter}rotation" for letter in self.order]
        moves = ["Xposition", "Yposition", "Zposition"] if keyword == "ROOT" or self.positions else []
        channels = " ".join([str(len(moves + turns)), *moves, *turns])
        yield f"{pad}{keyword} {self.names[joint]}"
        yield pad + "{"
        yield pad + "  OFFSET " + " ".join(f"{value:.7f}" for value in offset)
        yield f"{pad}  CHANNELS {channels}"
        for child, step in tree.get(joint, []):
            yield from self._nodes(tree, child, step, "JOINT", pad + "  ")
        if joint not in tree:
            yield from (pad + line for line in ("  End Site", "  {", "    OFFSET 0 0 0", "  }"))
        yield pad + "}"


@pytest.fixture
def bvh_text():
    """``bvh_text(motion, names=..., axes=..., ...)``: see :class:`BvhWriter`."""

    def write(motion, names=None, axes=None, **options):
        return BvhWriter(names or {joint: joint for joint in SMPL.joints}, axes or {}, **options)(motion)

    return write
