"""A body in the layout of a SMPL model file: an octagonal tube around every bone, with known joints."""

from __future__ import annotations

import numpy as np

from madata.skeletons import skeleton

SIDES = 8


def make_tiny_smpl(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Arrays as in a model file; ``shapedirs[..., 0]`` scales the body by 1 + beta."""
    body = skeleton("smpl-24")
    joints = np.zeros((24, 3))
    for joint, parent in enumerate(body.parents):
        joints[joint] = body.offsets[joint] + (joints[parent] if parent >= 0 else 0)
    vertices, faces, owners, centre = [], [], [], {}
    for child, parent in enumerate(body.parents):
        if parent < 0:
            continue
        along = joints[child] - joints[parent]
        along = along / np.linalg.norm(along)
        across = np.cross(along, [0.3, 0.5, 0.8])
        across /= np.linalg.norm(across)
        other = np.cross(along, across)
        angle = 2 * np.pi * np.arange(SIDES) / SIDES
        radius = 0.09 if parent in (0, 3, 6, 9) else 0.05
        ring = radius * (np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * other)
        first = len(owners)
        centre.setdefault(parent, range(first, first + SIDES))
        centre[child] = range(first + SIDES, first + 2 * SIDES)
        vertices += [*(joints[parent] + ring), *(joints[child] + ring)]
        owners += [parent] * (2 * SIDES)
        for k in range(SIDES):
            a, b = first + k, first + (k + 1) % SIDES
            faces += [(a, b, b + SIDES), (a, b + SIDES, a + SIDES)]
        for k in range(1, SIDES - 1):
            faces += [(first, first + k + 1, first + k)]
            faces += [(first + SIDES, first + SIDES + k, first + SIDES + k + 1)]
    template = np.array(vertices)
    regressor = np.zeros((24, len(template)))
    for joint, ring_vertices in centre.items():
        regressor[joint, list(ring_vertices)] = 1 / SIDES
    parents = np.array(body.parents, np.int64)
    return {
        "v_template": template,
        "shapedirs": np.concatenate([template[..., None], rng.normal(0, 1e-3, (*template.shape, 9))], -1),
        "posedirs": np.zeros((*template.shape, 207)),
        "J_regressor": regressor,
        "weights": np.eye(24)[owners],
        "kintree_table": np.stack([np.where(parents < 0, 2**32 - 1, parents), np.arange(24)]).astype(
            np.uint32
        ),
        "f": np.array(faces, np.uint32),
    }
