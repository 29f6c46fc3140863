"""Are left and right limbs of one length?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.limbs import uneven_limbs
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="uneven_limbs",
        version=2,
        label="Uneven",
        title="Difference between left and right bone lengths",
        needs=frozenset({"motion"}),
        direction="lower",
        bounds=(0.0, np.inf),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="a bone has no length",
        per_clip=uneven_limbs,
    ),
)
