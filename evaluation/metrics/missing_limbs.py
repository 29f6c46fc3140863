"""Are arms and legs there where the torso is?"""

from __future__ import annotations

from evaluation.features.motion.limbs import missing_limbs
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="missing_limbs",
        version=1,
        label="No limb",
        title="Share of arms and legs that are not seen beside a torso that is",
        needs=frozenset({"keypoints"}),
        direction="reference",
        bounds=(0.0, 1.0),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="the torso was never seen",
        per_clip=missing_limbs,
    ),
)
