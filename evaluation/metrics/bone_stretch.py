"""Do the bones keep their lengths?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.limbs import bone_stretch
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="bone_stretch",
        version=2,
        label="Bones",
        title="Change of bone lengths over time",
        needs=frozenset({"motion"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="a bone has no length",
        per_clip=bone_stretch,
    ),
)
