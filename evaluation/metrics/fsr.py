"""FSR: the share of foot contact in which the foot slides.

Corrected (:func:`evaluation.features.motion.feet.foot_sliding`): in every heading, of a floor estimated from all
frames. Published: LODGE's skating of the left and of the right foot, averaged.
"""

from __future__ import annotations

from evaluation.features.motion.feet import foot_sliding, lodge_skating
from evaluation.inputs.pose_files import JointTrack
from evaluation.metrics.spec import MetricSpec, Side
from evaluation.metrics.tables import RowValues, Tables

__all__ = ["METRICS"]


def _corrected(clip: JointTrack) -> float:
    if clip.fps is None:
        raise ValueError("sliding is a speed, and the clip gives no frame rate")
    return foot_sliding(clip.y_up, clip.fps).ratio


def _published(clip: JointTrack, definition: str) -> float:
    left, right = lodge_skating(clip.y_up)
    return (left + right) / 2


def _values(tables: Tables, side: Side) -> RowValues:
    scalars = tables.motion(side).scalars
    if "fsr_left" in scalars:  # features files written before feet were averaged on reading
        return RowValues((scalars["fsr_left"] + scalars["fsr_right"]) / 2)
    if "fsr" not in scalars:
        raise ValueError("the features hold no column fsr: they were measured without it")
    return RowValues(scalars["fsr"])


METRICS = (
    MetricSpec(
        name="fsr",
        version=1,
        label="FSR",
        title="Foot sliding ratio",
        needs=frozenset({"motion"}),
        direction="lower",
        bounds=(0.0, 1.0),
        absent="no foot contact",
        per_clip=_corrected,
        per_clip_published=_published,
        values=_values,
    ),
)
