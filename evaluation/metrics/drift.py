"""Does the body slide away, or grow? Slow changes that no frame shows."""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.limbs import size_drift
from evaluation.features.motion.steadiness import root_drift
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="root_drift",
        version=1,
        label="Drift",
        title="Speed at which the dancer leaves its place",
        needs=frozenset({"keypoints"}),
        direction="reference",
        unit="torso/s",
        bounds=(0.0, np.inf),
        decimals=3,
        panel="Body",
        absent="the hips were not seen at one end",
        per_clip=root_drift,
    ),
    MetricSpec(
        name="size_drift",
        version=2,
        label="Growth",
        title="Growth or shrinking of the body per second",
        needs=frozenset({"keypoints"}),
        direction="reference",
        bounds=(0.0, np.inf),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="less than two seconds",
        per_clip=size_drift,
    ),
)
