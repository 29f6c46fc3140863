"""PSNR, SSIM and LPIPS of generated videos against their own references, frame by frame.

A video's number is the mean of its frames; the metric is the mean of videos, or of all frames where the published way
to compare pairs pools them.
"""

from __future__ import annotations

import math
from typing import Any

from evaluation.metrics.pictures import Reading, mean_of_videos, video_column
from evaluation.metrics.spec import Direction, MetricSpec

__all__ = ["METRICS"]


def _spec(
    name: str, title: str, direction: Direction, bounds: tuple[float, float], **more: Any
) -> MetricSpec:
    reading = Reading(name, name, bounds=bounds, beside=False)
    return MetricSpec(
        name=name,
        version=1,
        label=name.upper(),
        title=title,
        needs=frozenset({"pairs"}),
        direction=direction,
        bounds=bounds,
        scores=(name,),
        values=lambda tables, side: video_column(tables, side, reading),
        estimate=lambda tables: mean_of_videos(tables, reading),
        **more,
    )


METRICS = (
    _spec("ssim", "Structural similarity", "higher", (-1.0, 1.0)),
    _spec("lpips", "Learned perceptual distance", "lower", (0.0, math.inf)),
    _spec("psnr", "Peak signal-to-noise ratio, dB", "higher", (-math.inf, math.inf), unit="dB", decimals=2),
)
