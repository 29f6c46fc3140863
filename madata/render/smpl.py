"""The SMPL body model (Loper et al. 2015) from the user's own licensed file: posed vertices in NumPy.

v = sum_k w_k A_k (template + shapedirs betas + posedirs (R - I)), where A_k takes joint k from the rest to
the posed place. The file is ``SMPL_*.npz`` or a ``.pkl`` of plain arrays.

Legend: T frames, V vertices, F faces, J = 24 joints. Metres, y up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madata.errors import MediaError
from madata.files import read_npz, read_pickle
from madata.formats import suffix_of
from madata.rotations import axis_angle_to_matrix, forward_kinematics, global_rotations
from madata.types import FloatArray

__all__ = ["SmplModel", "load_smpl"]

_JOINTS = 24
_KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_CONVERT = (
    "Official .pkl files hold chumpy and scipy objects. Convert the file once where those are installed:\n"
    "  d = pickle.load(open('SMPL_NEUTRAL.pkl', 'rb'), encoding='latin1')\n"
    "  dense = lambda x: np.asarray(x.todense() if hasattr(x, 'todense') else x)\n"
    f"  np.savez('SMPL_NEUTRAL.npz', **{{k: dense(d[k]) for k in {_KEYS}}})"
)


@dataclass(frozen=True, eq=False)
class SmplModel:
    """A body of mean or given shape.

    Attributes:
        template: (V, 3) vertices at rest.
        pose_directions: (207, 3 V) correction per entry of the joint rotations.
        weights: (V, 24) skinning weights.
        faces: (F, 3) vertex numbers, counter-clockwise seen from outside.
        joints: (24, 3) joints at rest.
        parents: parent of every joint, -1 for the root.
    """

    template: FloatArray
    pose_directions: FloatArray
    weights: FloatArray
    faces: npt.NDArray[np.int32]
    joints: FloatArray
    parents: tuple[int, ...]

    @property
    def offsets(self) -> FloatArray:
        """(24, 3) rest position of every joint relative to its parent; the root's is zero."""
        offsets = self.joints.copy()
        offsets[1:] -= self.joints[list(self.parents[1:])]
        offsets[0] = 0
        return offsets

    def joint_positions(self, rotation: FloatArray, root: FloatArray) -> FloatArray:
        """(T, 24, 3) joints for axis-angle ``rotation`` (T, 24, 3) with the pelvis at ``root`` (T, 3)."""
        return np.asarray(forward_kinematics(rotation, root, self.offsets, self.parents), np.float32)

    def vertices(self, rotation: FloatArray, root: FloatArray) -> FloatArray:
        """(V, 3) vertices of one pose: axis-angle ``rotation`` (24, 3), pelvis at ``root`` (3,)."""
        local = axis_angle_to_matrix(rotation)
        world = global_rotations(local[None], self.parents)[0]
        placed = self.joint_positions(rotation[None], root[None])[0]
        feature = (local[1:] - np.eye(3, dtype=np.float32)).reshape(-1).astype(np.float32)
        rest = self.template + (feature @ self.pose_directions).reshape(-1, 3)
        shift = placed - np.einsum("jab,jb->ja", world, self.joints)
        affine = np.concatenate([world, shift[..., None]], -1).reshape(_JOINTS, 12).astype(np.float32)
        blended = (self.weights @ affine).reshape(-1, 3, 4)
        return np.asarray(np.einsum("vab,vb->va", blended[..., :3], rest) + blended[..., 3], np.float32)


def load_smpl(path: Path, betas: npt.NDArray[np.floating] | None = None) -> SmplModel:
    """Load a SMPL model file.

    Args:
        path: ``.npz``, or ``.pkl`` of plain arrays; pickles run no code here.
        betas: up to 10 (or 300) shape coefficients; the mean body by default.

    Raises:
        MediaError: the file is absent, holds other objects than arrays, or is no SMPL model of 24 joints.
    """
    content = _read(path)
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise MediaError(f"{path}: no SMPL model, it lacks {', '.join(missing)}", reason="not_smpl")
    arrays = {key: _array(path, key, content[key]) for key in _KEYS}
    template, shapes = arrays["v_template"], arrays["shapedirs"]
    count = len(template)
    expected = {
        "v_template": (count, 3),
        "posedirs": (count, 3, 9 * (_JOINTS - 1)),
        "J_regressor": (_JOINTS, count),
        "weights": (count, _JOINTS),
        "kintree_table": (2, _JOINTS),
    }
    for key, shape in expected.items():
        if arrays[key].shape != shape:
            raise MediaError(
                f"{path}: {key} has shape {arrays[key].shape}, a SMPL model of {count} vertices has {shape} "
                "(SMPL-H and SMPL-X are not drawn)",
                reason="not_smpl",
            )
    if betas is not None:
        template = template + shapes[..., : len(betas)] @ np.asarray(betas)
    parents = (-1, *(int(parent) for parent in arrays["kintree_table"][0, 1:]))
    faces = arrays["f"].astype(np.int32)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.min() < 0 or faces.max() >= count:
        raise MediaError(f"{path}: f must be (F, 3) vertex numbers below {count}", reason="not_smpl")
    if any(not -1 <= parent < joint for joint, parent in enumerate(parents)):
        raise MediaError(f"{path}: kintree_table lists a joint before its parent", reason="not_smpl")
    return SmplModel(
        template=template.astype(np.float32),
        pose_directions=np.ascontiguousarray(arrays["posedirs"].reshape(3 * count, -1).T, np.float32),
        weights=arrays["weights"].astype(np.float32),
        faces=faces,
        joints=(arrays["J_regressor"] @ template).astype(np.float32),
        parents=parents,
    )


def _read(path: Path) -> dict[str, Any]:
    if suffix_of(path) == ".npz":
        return read_npz(path)
    try:
        content = read_pickle(path)
    except MediaError as error:
        if error.reason != "unsafe_pickle":
            raise
        raise MediaError(f"{error}.\n{_CONVERT}", reason="unsafe_pickle") from error
    if not isinstance(content, dict):
        raise MediaError(f"{path}: no SMPL model, a dictionary was expected", reason="not_smpl")
    return content


def _array(path: Path, key: str, value: Any) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise MediaError(f"{path}: {key} is not an array of numbers", reason="not_smpl") from error
    if not np.isfinite(array).all():
        raise MediaError(f"{path}: {key} holds NaN or infinity", reason="not_smpl")
    return array
