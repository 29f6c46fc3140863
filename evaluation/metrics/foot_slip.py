"""How far do feet slide while they stand? In metres, where FSR says how often."""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.feet import foot_sliding
from evaluation.inputs.pose_files import JointTrack
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]


def _slip(clip: JointTrack) -> float:
    if clip.fps is None:
        raise ValueError("sliding is a speed, and the clip gives no frame rate")
    return foot_sliding(clip.y_up, clip.fps).slip_m_s


METRICS = (
    MetricSpec(
        name="foot_slip",
        version=1,
        label="Slip",
        title="Metres that standing feet slide in a second",
        needs=frozenset({"motion"}),
        direction="lower",
        unit="m/s",
        bounds=(0.0, np.inf),
        decimals=3,
        panel="Body",
        absent="no foot contact",
        per_clip=_slip,
    ),
)
