"""Does the body tremble, or glide? Acceleration and jerk, beside those of the reference."""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.steadiness import mean_acceleration, mean_jerk
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="acceleration",
        version=1,
        label="Acc.",
        title="Mean acceleration of joints",
        needs=frozenset({"keypoints"}),
        direction="reference",
        unit="torso/s²",
        bounds=(0.0, np.inf),
        decimals=1,
        panel="Body",
        absent="no joint was seen in three frames in a row",
        per_clip=mean_acceleration,
    ),
    MetricSpec(
        name="jerk",
        version=1,
        label="Jerk",
        title="Mean jerk of joints",
        needs=frozenset({"keypoints"}),
        direction="reference",
        unit="torso/s³",
        bounds=(0.0, np.inf),
        decimals=0,
        panel="Body",
        absent="no joint was seen in four frames in a row",
        per_clip=mean_jerk,
    ),
)
