"""Whether joints bend as joints of people do: angles out of positions, against measured ranges.

Limits are the widest mean passive range of any group in J. M. Soucie et al., Range of motion measurements: reference
values and a database for comparison studies, Haemophilia 17 (2011) 500-507 (674 healthy people), for the elbow the
widest in the table of Norkin and White, Measurement of Joint Motion; see :data:`LIMITS_DEG`. Dancers reach further than
others and joint centres are not where a goniometer is laid, hence :data:`MARGIN_DEG`.

Positions do not tell everything: the twist of a bone, the ankle without the sole, the shoulder (it reaches nearly
everywhere) and an elbow that bends backwards are not judged.

Legend: T frames. Angles in degrees, 0 for a straight limb.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import Body, clip_body
from evaluation.inputs.pose_files import JointTrack

__all__ = ["LIMITS_DEG", "MARGIN_DEG", "joint_excess"]

Floats = npt.NDArray[np.float64]

LIMITS_DEG = {
    "elbow flexion": 158.0,
    "knee flexion": 152.6,
    "knee extension": 5.4,
    "hip flexion": 140.8,
    "hip extension": 28.3,
}
MARGIN_DEG = 15.0

_SURE_DEG = 15.0
"""Limbs straighter than this have no plane in which they bend."""
_SAME_AXIS = 0.5
"""Cosine of what knee and ankle may differ in their axes, where it is to be said on which side the knee bends."""


def joint_excess(clip: JointTrack) -> float:
    """Degrees beyond the range of people, of all judged joints together, mean over frames.

    Args:
        clip: 3D joints with both feet.

    Raises:
        ValueError: a joint is missing.

    Example:
        >>> from madata.skeletons import skeleton
        >>> smpl = skeleton("smpl-24")
        >>> rest = np.array(smpl.offsets, np.float64)
        >>> for child, parent in enumerate(smpl.parents[1:], 1):
        ...     rest[child] += rest[parent]
        >>> joint_excess(JointTrack(np.tile(rest, (5, 1, 1)), None, "smpl-24", 30.0, "y", "made"))
        0.0
    """
    body = clip_body(clip)
    total = np.zeros(len(body.points))
    for side in ("left", "right"):
        for motion, angle in _angles(body, side).items():
            total += np.maximum(angle - LIMITS_DEG[motion] - MARGIN_DEG, 0.0)
    return float(total.mean())


def _angles(body: Body, side: str) -> dict[str, Floats]:
    """Angle of every judged motion of one side, (T,) each."""

    def at(role: str) -> Floats:
        return body.joint(role if role in _MIDDLE else f"{side}_{role}")[0]

    upper, fore = at("elbow") - at("shoulder"), at("wrist") - at("elbow")
    thigh, shin, foot = at("knee") - at("hip"), at("ankle") - at("knee"), at("toe") - at("ankle")
    bend = _between(thigh, shin)
    # a knee is a hinge: bent as knees bend, thigh to shin turns the other way than shin to foot
    hinge, sole = _unit(np.cross(thigh, shin)), _unit(np.cross(shin, foot))
    backwards = np.einsum("tc,tc->t", hinge, sole) > _SAME_AXIS
    backwards &= (bend > _SURE_DEG) & (_between(shin, foot) > _SURE_DEG)
    down, ahead = _pelvis(body)
    # where the thigh is from hanging, in the plane that halves the body; sideways it may go as far as it does
    along, front = np.einsum("tc,tc->t", thigh, down), np.einsum("tc,tc->t", thigh, ahead)
    swing = np.degrees(np.arctan2(np.abs(front), along))
    planar = np.hypot(front, along) / np.maximum(np.linalg.norm(thigh, axis=-1), 1e-9)
    swing = np.where(planar > np.sin(np.radians(45)), swing, 0.0)
    return {
        "elbow flexion": _between(upper, fore),
        "knee flexion": np.where(backwards, 0.0, bend),
        "knee extension": np.where(backwards, bend, 0.0),
        "hip flexion": np.where(front >= 0, swing, 0.0),
        "hip extension": np.where(front < 0, swing, 0.0),
    }


_MIDDLE = ("hips", "neck")


def _pelvis(body: Body) -> tuple[Floats, Floats]:
    """Down along the lower spine, and where the pelvis faces: unit vectors, (T, 3) each."""
    down = -_unit(body.joint("spine1")[0] - (body.joint("left_hip")[0] + body.joint("right_hip")[0]) / 2)
    left = _unit(_without(body.joint("left_hip")[0] - body.joint("right_hip")[0], down))
    return down, np.cross(down, left)


def _unit(vectors: Floats) -> Floats:
    units: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return units


def _without(vectors: Floats, axis: Floats) -> Floats:
    """What of ``vectors`` is perpendicular to ``axis``."""
    along = _unit(axis)
    rest: Floats = vectors - np.einsum("tc,tc->t", vectors, along)[:, None] * along
    return rest


def _between(a: Floats, b: Floats) -> Floats:
    """Angle between two (T, 3), degrees; exact near 0 and 180, where the cosine is not."""
    angles: Floats = np.degrees(
        np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.einsum("tc,tc->t", a, b))
    )
    return angles
