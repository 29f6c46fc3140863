"""The six VBench dimensions of the paper's Table 1, and two readings beside them.

Subject and background consistency are weighted by frame pairs, as VBench reports them from one process; their plain
means over videos (``*_video_mean``) stand beside them. ``motion_magnitude`` is temporal flickering in levels of
0..255: what tells a smooth video from a still one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evaluation.metrics.pictures import Reading, mean_of_videos, video_column
from evaluation.metrics.spec import MetricSpec

__all__ = ["METRICS"]

_FAVOURS_STILLNESS = (
    "a slow or frozen video scores higher: read it beside the reference, a frozen frame and motion_magnitude"
)


def _dimension(name: str, label: str, title: str, **how: Any) -> MetricSpec:
    """A dimension, 0..1; tables show 100 times it."""
    reading = Reading(**{"name": name, "source": name, **how})
    return MetricSpec(
        name=name,
        version=1,
        label=label,
        title=title,
        needs=frozenset({"pictures"}),
        direction="higher",
        bounds=(0.0, 1.0),
        decimals=2,
        scale=100.0,
        scores=(reading.source,),
        values=lambda tables, side: video_column(tables, side, reading),
        estimate=lambda tables: mean_of_videos(tables, reading),
    )


def _video_mean(weighted: MetricSpec) -> MetricSpec:
    """Another mean of the same values of single videos: kept and compared once, under the other name."""
    plain = _dimension(
        f"{weighted.name}_video_mean",
        f"{weighted.label}_video",
        f"{weighted.title}, every video counting the same",
        source=weighted.name,
    )
    return replace(plain, values=None, compared=False)


_MAGNITUDE = Reading(
    "motion_magnitude",
    "temporal_flickering",
    convert=lambda scores: 255.0 * (1.0 - scores),  # mean absolute difference of consecutive frames
    bounds=(0.0, 255.0),
)

_SUBJECT = _dimension("subject_consistency", "SC", "Subject consistency", weighted=True)
_BACKGROUND = _dimension("background_consistency", "BC", "Background consistency", weighted=True)

METRICS = (
    _dimension(
        "imaging_quality", "IQ", "Imaging quality", convert=lambda scores: scores * 0.01
    ),  # MUSIQ: 0..100
    _dimension("aesthetic_quality", "AQ", "Aesthetic quality"),
    _SUBJECT,
    _BACKGROUND,
    _dimension("motion_smoothness", "MS", "Motion smoothness", caution=_FAVOURS_STILLNESS),
    _dimension("temporal_flickering", "TF", "Temporal flickering", caution=_FAVOURS_STILLNESS),
    _video_mean(_SUBJECT),
    _video_mean(_BACKGROUND),
    MetricSpec(
        name="motion_magnitude",
        version=1,
        label="Change",
        title="Mean absolute change from frame to frame, 0..255",
        needs=frozenset({"pictures"}),
        direction="none",
        unit="levels per frame",
        bounds=(0.0, 255.0),
        decimals=2,
        scores=(_MAGNITUDE.source,),
        values=lambda tables, side: video_column(tables, side, _MAGNITUDE),
        estimate=lambda tables: mean_of_videos(tables, _MAGNITUDE),
        compared=False,
    ),
)
