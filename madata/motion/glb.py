"""A dance as a binary glTF 2.0 file (``.glb``): an animated skeleton with a body of bones that any viewer shows.

Joints are nodes with their rest offsets, rotations are quaternions (x, y, z, w), the root moves; metres, y up, facing
+z, as glTF asks. Every bone is drawn as an octahedron that follows its joint, so that the file is an armature in
Blender and a figure in a browser. Source of the layout: the glTF 2.0 specification of the Khronos Group.

Legend: T frames, J joints, V vertices.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.files import write_bytes
from madata.motion.kinematics import joint_positions, rest_offsets, with_up
from madata.rotations import axis_angle_to_quaternion
from madata.skeletons import skeleton
from madata.types import Motion3D

__all__ = ["write_glb"]

_FLOAT, _USHORT, _UBYTE = 5126, 5123, 5121
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_VERTICES_TARGET, _INDICES_TARGET = 34962, 34963
# A bone's octahedron: its girth lies a fifth of the way along and is a ninth of its length wide to each side.
_GIRTH_AT, _GIRTH = 0.2, 1 / 9
_OCTAHEDRON = np.array(
    [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1], [5, 2, 1], [5, 3, 2], [5, 4, 3], [5, 1, 4]], np.uint16
)
# Joints at the end of a limb get a stub half as long as the bone that leads to them.
_STUB = 0.5


def write_glb(path: Path, motion: Motion3D) -> None:
    """Write ``motion`` as ``.glb``; the same motion gives the same bytes."""
    motion = with_up(motion, "y")
    body = skeleton(motion.skeleton)
    offsets = rest_offsets(motion).astype(np.float64)
    rest = _rest_positions(offsets, body.parents)
    buffer = _Buffer()
    nodes: list[dict[str, Any]] = [
        {"name": name, "translation": [float(value) for value in offset]}
        for name, offset in zip(body.joints, offsets, strict=True)
    ]
    for joint in range(len(nodes)):
        if children := [child for child, parent in enumerate(body.parents) if parent == joint]:
            nodes[joint]["children"] = children
    joints = list(range(len(nodes)))
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    inverse = np.tile(np.eye(4), (len(joints), 1, 1))
    inverse[:, 3, :3] = -rest  # column by column, as glTF stores matrices
    document = {
        "asset": {"version": "2.0", "generator": "madance"},
        "scene": 0,
        "scenes": [{"nodes": [0, len(joints)]}],
        "nodes": nodes,
        "skins": [
            {
                "joints": joints,
                "skeleton": 0,
                "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16), _FLOAT),
            }
        ],
        "meshes": [_mesh(rest, body.parents, offsets, buffer)],
        "materials": [
            {"pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.55, 0.35, 1], "metallicFactor": 0}}
        ],
        "animations": [_animation(motion, buffer)],
    }
    write_bytes(path, buffer.file(document))


def _rest_positions(offsets: npt.NDArray[np.float64], parents: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """(J, 3) metres, in the rest pose."""
    rest = offsets.copy()
    for joint, parent in enumerate(parents):
        if parent >= 0:
            rest[joint] += rest[parent]
    return rest


def _mesh(
    rest: npt.NDArray[np.float64], parents: tuple[int, ...], offsets: npt.NDArray[np.float64], buffer: _Buffer
) -> dict[str, Any]:
    """An octahedron for each bone, moved by the joint at its upper end alone."""
    bones = [(parent, rest[parent], rest[joint]) for joint, parent in enumerate(parents) if parent >= 0]
    leaves = set(range(len(parents))) - set(parents)
    bones += [(joint, rest[joint], rest[joint] + _STUB * offsets[joint]) for joint in sorted(leaves)]
    bones = [bone for bone in bones if np.linalg.norm(bone[2] - bone[1]) > 1e-4]
    points = np.concatenate([_octahedron(begin, end) for _, begin, end in bones])
    owners = np.zeros((len(points), 4), np.uint8)
    owners[:, 0] = np.repeat([joint for joint, _, _ in bones], 6)
    faces = np.concatenate([_OCTAHEDRON + 6 * bone for bone in range(len(bones))]).astype(np.uint16)
    attributes = {
        "POSITION": buffer.add(points, _FLOAT, _VERTICES_TARGET, bounds=True),
        "JOINTS_0": buffer.add(owners, _UBYTE, _VERTICES_TARGET),
        "WEIGHTS_0": buffer.add(np.tile([1.0, 0, 0, 0], (len(points), 1)), _FLOAT, _VERTICES_TARGET),
    }
    indices = buffer.add(faces.reshape(-1, 1), _USHORT, _INDICES_TARGET)
    return {"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]}


def _octahedron(begin: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(6, 3) corners: the joint, four about the bone, its end."""
    bone = end - begin
    side = np.cross(bone, np.eye(3)[np.abs(bone).argmin()])
    side *= _GIRTH * np.linalg.norm(bone) / np.linalg.norm(side)
    across = np.cross(bone, side) / np.linalg.norm(bone)
    middle = begin + _GIRTH_AT * bone
    return np.stack([begin, middle + side, middle + across, middle - side, middle - across, end])


def _animation(motion: Motion3D, buffer: _Buffer) -> dict[str, Any]:
    times = buffer.add(np.arange(len(motion.rotation))[:, None] / motion.fps, _FLOAT, bounds=True)
    quaternions = _continuous(axis_angle_to_quaternion(motion.rotation.astype(np.float64)))[..., [1, 2, 3, 0]]
    samplers = [
        {"input": times, "output": buffer.add(joint, _FLOAT)} for joint in np.moveaxis(quaternions, 1, 0)
    ]
    channels = [
        {"sampler": joint, "target": {"node": joint, "path": "rotation"}} for joint in range(len(samplers))
    ]
    samplers.append({"input": times, "output": buffer.add(joint_positions(motion)[:, 0], _FLOAT)})
    channels.append({"sampler": len(samplers) - 1, "target": {"node": 0, "path": "translation"}})
    return {"name": "dance", "samplers": samplers, "channels": channels}


def _continuous(quaternions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of q and -q the one nearer to the frame before, so that viewers turn the short way."""
    nearer = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdims=True) >= 0
    signs = np.cumprod(np.where(nearer, 1.0, -1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * signs])


@dataclass
class _Buffer:
    """The binary half of the file, and the tables that say what lies where in it."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, int]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, values: npt.NDArray[Any], component: int, target: int | None = None, *, bounds: bool = False
    ) -> int:
        """Append ``values`` (N, 1, 3, 4 or 16 columns); return the number of their accessor."""
        kinds = {_FLOAT: "<f4", _USHORT: "<u2", _UBYTE: "u1"}
        stored = np.ascontiguousarray(values, kinds[component])
        self.data += bytes(-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": stored.nbytes}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += stored.tobytes()
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": len(stored),
            "type": _TYPES[stored.shape[1]],
        }
        if bounds:
            accessor |= {"min": stored.min(axis=0).tolist(), "max": stored.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def file(self, document: dict[str, Any]) -> bytes:
        """The whole file: header, JSON padded with spaces, numbers padded with zeros."""
        self.data += bytes(-len(self.data) % 4)
        tables = {
            "buffers": [{"byteLength": len(self.data)}],
            "bufferViews": self.views,
            "accessors": self.accessors,
        }
        text = json.dumps({**document, **tables}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.data)
        head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
        return head + text + struct.pack("<I4s", len(self.data), b"BIN\0") + bytes(self.data)
