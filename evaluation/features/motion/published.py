"""Motion features by the published definitions of :data:`evaluation.definitions.VARIANTS`.

Legend: N clips, T frames, J joints, C coordinates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.definitions import Placement, Variant
from evaluation.features.motion.beats import motion_beats
from evaluation.features.motion.geometric import geometric_features_2d, geometric_features_3d
from evaluation.features.motion.kinetic import kinetic_features

__all__ = ["align_axis", "official_features", "official_motion_beats", "place"]

Array = npt.NDArray[np.floating[Any]]


def align_axis(joints: Array) -> Array:
    """A quarter turn about z in float32, as MACE-Dance's metric.py: y up becomes minus x up.

    The cosine of float32's 90 degrees is not 0, which decides the value of a score where nothing moves.
    """
    cosine = np.cos(np.float32(np.pi / 2))
    joints = joints.astype(np.float32, copy=False)
    x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
    return np.stack([cosine * x - y, x + cosine * y, z], axis=-1)


def place(joints: Array, placement: Placement) -> Array:
    """Place joints (N, T, J, C) as a variant does before it takes features.

    ``pixels`` and ``world``: as they are. ``start``: minus the root of frame 0. ``lodge``: 22 joints, minus
    the root of frame 0, and all but the root minus the root of their own frame. ``turned``:
    :func:`align_axis`, then ``start``.
    """
    if placement in ("pixels", "world"):
        return joints
    if placement == "turned":
        joints = align_axis(joints)
    if placement == "lodge":
        joints = joints[:, :, :22]
    placed = joints - joints[:, :1, :1]
    if placement == "lodge":
        placed[:, :, 1:] -= placed[:, :, :1]
    return placed


def official_features(
    clips: Sequence[Array] | Array, variant: Variant
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Kinetic and geometric features of clips by a published protocol.

    Args:
        clips: per clip (T, J, C), or all in one array (N, T, J, C). 2D: float64 as read from JSON, (T, 25, 2)
            in the order y, x. 3D: float32 metres, y up. Lengths may differ.

    Returns:
        (N, D_k) and (N, 32) float32.

    Raises:
        ValueError: no clips, or a shape the variant cannot take.

    Example:
        >>> from evaluation.definitions import VARIANTS
        >>> clips = np.random.default_rng(0).normal(size=(2, 30, 24, 3)).astype(np.float32)
        >>> kinetic, geometric = official_features(clips, VARIANTS["lodge"])
        >>> kinetic.shape, geometric.shape
        ((2, 66), (2, 32))
    """
    if len(clips) == 0:
        raise ValueError("there are no clips")
    groups: dict[int, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        groups[min(len(clip), variant.max_frames or len(clip))].append(index)
    parts, order = [], []
    for frames, members in groups.items():
        placed = place(np.stack([clips[index][:frames] for index in members]), variant.placement)
        flat = variant.placement == "pixels"
        relations = geometric_features_2d(placed) if flat else geometric_features_3d(placed)
        parts.append((kinetic_features(placed, variant.kinetic), relations))
        order += members
    back = np.argsort(order)
    kinetic, geometric = (np.concatenate(columns)[back] for columns in zip(*parts, strict=True))
    return kinetic, geometric


def official_motion_beats(clips: Sequence[Array] | Array, variant: Variant) -> list[npt.NDArray[np.intp]]:
    """Motion beats (frame numbers) of clips by a published protocol, on the joints as they are.

    Args:
        clips: as for :func:`official_features`; clips are not cut to ``max_frames`` here.
    """
    groups: dict[int, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        groups[len(clip)].append(index)
    beats: list[npt.NDArray[np.intp]] = [np.empty(0, np.intp)] * len(clips)
    for members in groups.values():
        found = motion_beats(np.stack([clips[index] for index in members]), variant.beats)
        for index, frames in zip(members, found, strict=True):
            beats[index] = frames
    return beats
