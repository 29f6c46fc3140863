"""Arms and legs of a clip: the lengths of their bones, and whether they are there at all.

What a bone should be is known in 3D: as long as it was. In a picture it looks shorter as it turns away from the camera,
and never longer than it is; that is all 2D can hold against a body.

Legend: T frames, B bones, C coordinates.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import Body, clip_body
from evaluation.inputs.pose_files import JointTrack
from madata.skeletons import skeleton

__all__ = [
    "BONES",
    "bone_lengths",
    "bone_stretch",
    "limb_excess",
    "missing_limbs",
    "size_drift",
    "uneven_limbs",
]

Floats = npt.NDArray[np.float64]

_CHAINS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
LIMBS = tuple(tuple(f"{side}_{joint}" for joint in chain) for chain in _CHAINS for side in ("left", "right"))
BONES = tuple(pair for limb in LIMBS for pair in pairwise(limb))
"""(parent, child) of the eight bones that every skeleton here has."""

_BLOCK_S = 1.0
_DIGITS = 5
"""Positions are stored as float32: some metres from the origin they tell a length to about one part in 100,000, and
what is finer is rounding, by which no system is better than another."""


def bone_lengths(body: Body) -> Floats:
    """(T, B) torso lengths of :data:`BONES`; NaN where an end was not seen.

    Raises:
        ValueError: the skeleton lacks one of the joints.
    """
    columns = []
    for ends in BONES:
        (a, a_seen), (b, b_seen) = (body.joint(name) for name in ends)
        columns.append(np.where(a_seen & b_seen, np.linalg.norm(a - b, axis=-1), np.nan))
    return np.stack(columns, axis=1)


def bone_stretch(clip: JointTrack) -> float:
    """How much the bones of a 3D clip change their length: root mean square of ln(length / its median).

    0.01 is about one percent, and 0.00001 the finest that is told. Rotations put on a skeleton have 0 by construction;
    joint positions need not.

    Raises:
        ValueError: no bone has a length.

    Example:
        >>> from evaluation.features.motion.limbs import bone_stretch
        >>> still = np.tile(np.cumsum(skeleton("smpl-24").offsets, axis=0), (9, 1, 1))
        >>> bone_stretch(JointTrack(still, None, "smpl-24", 30.0, "y", "made"))
        0.0
    """
    lengths = bone_lengths(clip_body(clip))
    middle = np.median(lengths, axis=0)
    if not (middle > 0).all():
        raise ValueError("a bone has no length")
    shrunk = np.maximum(lengths, 0.01 * middle)  # a bone that vanishes is one hundredth, not minus infinity
    return round(float(np.sqrt(np.mean(np.log(shrunk / middle) ** 2))), _DIGITS)


def uneven_limbs(clip: JointTrack) -> float:
    """How unlike the left and right bones of a 3D clip are: mean of abs(ln(left / right)) of their median lengths.

    People differ by a percent or two from side to side. A bone that is wrong throughout keeps its length, so that
    :func:`bone_stretch` does not notice it.

    Raises:
        ValueError: a bone has no length.

    Example:
        >>> smpl = skeleton("smpl-24")
        >>> still = np.array(smpl.offsets, np.float64)
        >>> for joint, parent in list(enumerate(smpl.parents))[1:]:
        ...     still[joint] += still[parent]
        >>> clip = JointTrack(np.tile(still, (9, 1, 1)), None, "smpl-24", 30.0, "y", "made")
        >>> 0 < uneven_limbs(clip) < 0.03
        True
    """
    middle = np.median(bone_lengths(clip_body(clip)), axis=0)
    if not (middle > 0).all():
        raise ValueError("a bone has no length")
    left, right = np.moveaxis(np.log(middle).reshape(len(_CHAINS), 2, -1), 1, 0)
    return round(float(np.abs(left - right).mean()), _DIGITS)


def limb_excess(clip: JointTrack, margin: float = 1.3) -> float:
    """How far bones in a picture are longer than any person's: mean of the excess over the longest possible length.

    A bone is seen at most as long as it is. How long that is in torso lengths the mean body of SMPL says; the torso
    is taken as long as the clip shows it (the 95th percentile), and ``margin`` is for people who are built otherwise,
    for a torso that is never seen whole, and for a dancer who comes nearer.

    Args:
        clip: 2D keypoints.

    Returns:
        0 where every bone could be a person's, 0.5 where all are half as long again as that.

    Raises:
        ValueError: no bone was seen.
    """
    body = clip_body(clip)
    lengths = bone_lengths(body)
    neck, neck_seen = body.joint("neck")
    torso = np.quantile(np.linalg.norm(neck[neck_seen], axis=-1), 0.95)
    excess = np.maximum(lengths / torso / (margin * _person()) - 1, 0)
    if np.isnan(excess).all():
        raise ValueError("no bone was seen")
    return float(np.nanmean(excess))


def missing_limbs(clip: JointTrack) -> float:
    """Share of arms and legs that were not seen while the torso was, over all frames.

    A limb is missing where two of its joints are: elbow and wrist, knee and ankle. A detector loses limbs behind the
    body and beyond the edge of the picture too, so the value of the reference is the measure.

    Raises:
        ValueError: the torso was never seen.
    """
    body = clip_body(clip)
    torso = np.all([body.joint(limb[0])[1] for limb in LIMBS], axis=0)
    if not torso.any():
        raise ValueError("the torso was never seen")
    lost = [~body.joint(limb[1])[1] & ~body.joint(limb[2])[1] for limb in LIMBS]
    return float(np.mean(np.stack(lost)[:, torso]))


def size_drift(clip: JointTrack) -> float:
    """How fast the whole body grows or shrinks: absolute slope of ln(size), per second.

    The size of a second is the mean over bones of the longest each is seen in it (the 90th percentile), which in 3D is
    its length. In pictures a dancer who comes nearer grows; the reference says by how much dancers do.

    Raises:
        ValueError: less than two seconds in which bones were seen.
    """
    body = clip_body(clip)
    lengths = bone_lengths(body)
    count = int(len(lengths) / (body.fps * _BLOCK_S) + 1e-9)
    if count < 2:
        raise ValueError("less than two seconds")
    blocks = np.array_split(lengths, count)
    seen = [block[~np.isnan(block).any(axis=1)] for block in blocks]
    sizes = np.array([np.quantile(block, 0.9, axis=0).mean() if len(block) else np.nan for block in seen])
    there = np.isfinite(sizes) & (sizes > 0)
    if there.sum() < 2:
        raise ValueError("less than two seconds in which all bones were seen")
    seconds = np.arange(count) * (len(lengths) / body.fps / count)
    return round(abs(float(np.polyfit(seconds[there], np.log(sizes[there]), 1)[0])), _DIGITS)


def _person() -> Floats:
    """(B,) lengths of the bones of SMPL's mean body, in its torso lengths."""
    smpl = skeleton("smpl-24")
    rest = np.asarray(smpl.offsets, np.float64).copy()
    for child, parent in enumerate(smpl.parents):
        if parent >= 0:
            rest[child] += rest[parent]
    of = {name: rest[index] for index, name in enumerate(smpl.joints)}
    torso = np.linalg.norm(of["neck"] - (of["left_hip"] + of["right_hip"]) / 2)
    lengths: Floats = np.array([np.linalg.norm(of[a] - of[b]) for a, b in BONES]) / torso
    return lengths
