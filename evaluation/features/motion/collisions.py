"""Parts of a body that pass through each other.

The body is a set of capsules thinner than flesh, so that hands may rest on hips and thighs touch; what is deeper than
that cannot be. Radii are metres of an adult of 1.70 m and scale with the torso.

Legend: T frames, K capsules.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from evaluation.features.motion.body import clip_body
from evaluation.inputs.pose_files import JointTrack

__all__ = ["self_collision"]

Floats = npt.NDArray[np.float64]

_TORSO_M = 0.5
"""Hips to neck of that adult."""
_CORES: dict[str, tuple[str, str, float]] = {
    "trunk": ("hips", "neck", 0.07),
    "skull": ("neck", "head", 0.06),
    **{f"{side} upper arm": (f"{side}_shoulder", f"{side}_elbow", 0.025) for side in ("left", "right")},
    **{f"{side} forearm": (f"{side}_elbow", f"{side}_wrist", 0.02) for side in ("left", "right")},
    **{f"{side} thigh": (f"{side}_hip", f"{side}_knee", 0.035) for side in ("left", "right")},
    **{f"{side} shin": (f"{side}_knee", f"{side}_ankle", 0.03) for side in ("left", "right")},
}
"""Capsule -> its ends and the radius of what is hard in it."""


_ROOTED = tuple(f"{side} {part}" for side in ("left", "right") for part in ("upper arm", "thigh"))
_TOUCHING = {
    *(frozenset({core, part}) for core in ("trunk", "skull") for part in _ROOTED),
    *(frozenset({f"left {part}", f"right {part}"}) for part in ("upper arm", "thigh")),
}
"""Pairs that meet where limbs are fixed to the body, besides those that share a joint."""
_PAIRS = tuple(
    (a, b)
    for a, b in combinations(_CORES, 2)
    if frozenset({a, b}) not in _TOUCHING and not {*_CORES[a][:2]} & {*_CORES[b][:2]}
)


def self_collision(clip: JointTrack) -> float:
    """How deep parts of the body are inside each other, metres: the deepest pair of every frame, mean over frames.

    Args:
        clip: 3D joints, metres.

    Raises:
        ValueError: a joint is missing.
    """
    body = clip_body(clip)
    scale = 1.0 / _TORSO_M  # torso lengths
    ends = {name: (body.joint(a)[0], body.joint(b)[0]) for name, (a, b, _) in _CORES.items()}
    deepest = np.zeros(len(body.points))
    for a, b in _PAIRS:
        gap = _distance(*ends[a], *ends[b])
        deepest = np.maximum(deepest, (_CORES[a][2] + _CORES[b][2]) * scale - gap)
    return float(deepest.mean() * body.unit)


def _distance(a0: Floats, a1: Floats, b0: Floats, b1: Floats) -> Floats:
    """Smallest distance of two segments, (T, 3) ends -> (T,)."""
    u, v, w = a1 - a0, b1 - b0, a0 - b0
    uu, uv, vv = _dot(u, u), _dot(u, v), _dot(v, v)
    uw, vw = _dot(u, w), _dot(v, w)
    area = uu * vv - uv**2
    # the nearest point of the first axis to the second line, then of the second segment to it, then back
    s = np.clip(np.where(area > 1e-12, (uv * vw - vv * uw) / np.maximum(area, 1e-12), 0.0), 0, 1)
    t = np.clip((uv * s + vw) / np.maximum(vv, 1e-12), 0, 1)
    s = np.clip((uv * t - uw) / np.maximum(uu, 1e-12), 0, 1)
    gap: Floats = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=-1)
    return gap


def _dot(a: Floats, b: Floats) -> Floats:
    dots: Floats = np.einsum("tc,tc->t", a, b)
    return dots
