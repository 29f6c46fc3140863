"""Are limbs of a picture longer than limbs can be?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.limbs import limb_excess
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="limb_excess",
        version=1,
        label="Limbs",
        title="Excess of limbs over the longest that people have",
        needs=frozenset({"keypoints"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="no bone was seen",
        per_clip=limb_excess,
    ),
)
