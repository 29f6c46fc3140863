"""Do joints bend as far as joints of people do, and no further?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.joint_angles import joint_excess
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="joint_excess",
        version=1,
        label="Joints",
        title="Degrees beyond the range of human joints",
        needs=frozenset({"motion"}),
        direction="lower",
        unit="°",
        bounds=(0.0, np.inf),
        decimals=2,
        panel="Body",
        absent="a joint is missing",
        per_clip=joint_excess,
    ),
)
