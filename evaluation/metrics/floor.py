"""Does the dancer stand on the floor: not in it, and not above it?"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.floor import floating, floor_penetration
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

METRICS = (
    MetricSpec(
        name="floor_penetration",
        version=1,
        label="Sunk",
        title="Depth of feet below the floor",
        needs=frozenset({"motion"}),
        direction="lower",
        unit="mm",
        bounds=(0.0, np.inf),
        decimals=1,
        scale=1000.0,
        panel="Body",
        absent="feet are missing",
        per_clip=floor_penetration,
    ),
    MetricSpec(
        name="floating",
        version=1,
        label="Floating",
        title="Share of frames in which the body hangs in the air",
        needs=frozenset({"motion"}),
        direction="lower",
        bounds=(0.0, 1.0),
        decimals=2,
        scale=100.0,
        panel="Body",
        absent="feet are missing",
        per_clip=floating,
    ),
)
