"""PFC: does the body accelerate while no foot stands?

Corrected (:func:`evaluation.features.motion.feet.foot_contact_cost`): in m^2/s^2, divided by no maximum. Published:
EDGE's score, whose root acceleration is divided by its maximum over the clip.
"""

from __future__ import annotations

import numpy as np

from evaluation.features.motion.feet import edge_contact_score, foot_contact_cost
from evaluation.features.motion.published import align_axis
from evaluation.inputs.pose_files import JointTrack
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]


def _corrected(clip: JointTrack) -> float:
    if clip.fps is None:
        raise ValueError("acceleration has seconds in it, and the clip gives no frame rate")
    return foot_contact_cost(clip.y_up, clip.fps)


def _published(clip: JointTrack, definition: str) -> float:
    joints = clip.y_up
    if definition == "edge":  # EDGE's own script reads z up
        joints = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    else:  # MACE-Dance's script turns y up into minus x up before it calls EDGE's
        joints = align_axis(joints)
    return edge_contact_score(joints)


METRICS = (
    MetricSpec(
        name="pfc",
        version=1,
        label="PFC",
        title="Physical foot contact score",
        needs=frozenset({"motion"}),
        direction="lower",
        bounds=(0.0, np.inf),
        absent="no foot contact",
        per_clip=_corrected,
        per_clip_published=_published,
    ),
)
