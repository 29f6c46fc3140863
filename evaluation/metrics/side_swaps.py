"""Do left and right change places?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.side_swaps import side_swaps
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="side_swaps",
        version=1,
        label="Swaps",
        title="Exchanges of left and right limbs per second",
        needs=frozenset({"keypoints"}),
        direction="lower",
        unit="1/s",
        bounds=(0.0, np.inf),
        decimals=3,
        panel="Body",
        absent="no limbs were seen in two frames in a row",
        per_clip=side_swaps,
    ),
)
