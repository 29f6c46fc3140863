"""Do parts of the body pass through each other?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.collisions import self_collision
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="self_collision",
        version=1,
        label="Collision",
        title="Depth of the body inside itself",
        needs=frozenset({"motion"}),
        direction="lower",
        unit="mm",
        bounds=(0.0, np.inf),
        decimals=2,
        scale=1000.0,
        panel="Body",
        absent="a joint is missing",
        per_clip=self_collision,
    ),
)
