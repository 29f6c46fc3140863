"""The published protocols as data: what each upstream repository means by FID_k, FID_g, DIV and BAS.

* ``mace2d``: AMAP-ML/MACE-Dance @ 8f92d12, calculate_metric.py. 25 keypoints as in its files.
* ``lodge``: li-ronghui/LODGE @ a898e59. Joints 0..21 of SMPL-X, metres, y up, 30 frames per second.
* ``bailando``: lisiyao21/Bailando @ cc90b98. 24 joints of SMPL.
* ``mint``: google-research/mint @ b8f8bdf and google/aistplusplus_api @ 2dd7b3e. 24 joints, world.
* ``megadance``: XulongT/MEGADance @ e145b8f. 24 joints of SMPL.
* ``mace3d``: AMAP-ML/MACE-Dance @ 8f92d12, metric.py; its geometric.py is not public: MEGADance's stands in.

They place the joints, count time, normalise and align beats each in its own way, so numbers of two variants
are never comparable. Frame rate, units and up axis of the input are not looked at, as upstream does not.

Legend: N clips, T frames, J joints, C coordinates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from evaluation.metrics.beats import BeatRule, motion_beats
from evaluation.metrics.distances import FrechetRule
from evaluation.metrics.geometric import geometric_features_2d, geometric_features_3d
from evaluation.metrics.kinetic import KineticRule, kinetic_features
from evaluation.metrics.scaling import Scaling

__all__ = [
    "VARIANTS",
    "Placement",
    "Variant",
    "align_axis",
    "official_features",
    "official_motion_beats",
    "place",
]

Array = npt.NDArray[np.floating[Any]]
Placement = Literal["pixels", "world", "start", "lodge", "turned"]


@dataclass(frozen=True)
class Variant:
    """One published protocol.

    Attributes:
        placement: what is done to the joints before features are taken, see :func:`place`.
        max_frames: features look no further than this; ``None`` for all frames. (That ``mace2d`` takes the
            first 64 frames of every file, beats included, is a matter of which clips are compared.)
        kinetic, scaling, frechet, beats: the rules.
    """

    name: str
    placement: Placement
    max_frames: int | None
    kinetic: KineticRule
    scaling: Scaling
    frechet: FrechetRule
    beats: BeatRule


_FAIRMOTION = KineticRule("fairmotion", fps=60, horizontal=(0, 2), vertical=(1,))
_NUMPY_SCALING = Scaling(own=False, library="numpy", epsilon=1e-10)
_SIGMA_5 = BeatRule(5.0, 1, "mean", "music", empty_music=None, empty_motion=None)
_SIGMA_5_SILENT = BeatRule(5.0, 1, "mean", "music", empty_music=0.0, empty_motion=None)

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(
            "mace2d",
            placement="pixels",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0,), vertical=(1,), centre=(11, 12)),
            scaling=Scaling(own=True, library="torch", epsilon=1e-4),
            frechet="lodge",
            beats=BeatRule(3.5, 1, "mean", "music", empty_music=0.0, empty_motion=0.0),
        ),
        Variant("lodge", "lodge", 1024, _FAIRMOTION, _NUMPY_SCALING, "lodge", _SIGMA_5),
        Variant("bailando", "start", 1200, _FAIRMOTION, _NUMPY_SCALING, "lodge", _SIGMA_5),
        Variant(
            "mint",
            placement="world",
            max_frames=None,
            kinetic=_FAIRMOTION,
            scaling=_NUMPY_SCALING,
            frechet="mint",
            beats=BeatRule(0.0, 10, "sum", "motion", empty_music=None, empty_motion=0.0),
        ),
        Variant(
            "megadance",
            placement="start",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0, 2), vertical=(1,)),
            scaling=Scaling(own=False, library="torch", epsilon=1e-10),
            frechet="lodge",
            beats=_SIGMA_5_SILENT,
        ),
        Variant(
            "mace3d",
            placement="turned",
            max_frames=None,
            kinetic=KineticRule("box", fps=30, horizontal=(0, 2), vertical=(1,), joints=22),
            scaling=Scaling(own=False, library="torch", epsilon=1e-4),
            frechet="lodge",
            beats=_SIGMA_5_SILENT,
        ),
    )
}


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
