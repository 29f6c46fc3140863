"""What a reader must know before using any number of motion of a run: told by the tables alone, shown beside numbers.

Legend: N rows.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from evaluation.features.table import FeatureTable
from evaluation.metrics.tables import Tables

__all__ = ["motion_cautions"]


def motion_cautions(tables: Tables) -> list[str]:
    """Cautions of the motion of both sides: two frame rates or two bodies meet, or clips look implausible.

    A corrected protocol brings rates together and puts rotations on one body, so only a published one meets two.
    """
    prediction, reference = tables.prediction, tables.reference
    if prediction is None or reference is None:
        return []
    found = []
    if tables.protocol.definition != "corrected":
        rates = [_rate(side) for side in (prediction, reference)]
        if all(rates) and abs(rates[0] / rates[1] - 1) > 0.01:
            found.append(
                f"two frame rates meet ({rates[0]:g} against {rates[1]:g} of the reference) and this definition counts "
                f"frames: --resample {rates[1]:g} makes them one"
            )
        bodies = [_most(side, "reason/body") for side in (prediction, reference)]
        if all(bodies) and bodies[0] != bodies[1]:
            found.append(f"two bodies meet ({bodies[0]} against {bodies[1]} of the reference)")
    for name, side in (("predictions", prediction), ("references", reference)):
        found += _implausible(name, side)
    return found


def _rate(side: FeatureTable) -> float:
    """The most frequent rate, 0 where no file gives one."""
    known = side.fps[np.isfinite(side.fps)]
    return Counter(np.round(known, 2).tolist()).most_common(1)[0][0] if len(known) else 0.0


def _most(side: FeatureTable, name: str) -> str:
    texts = side.columns.get(name)
    return "" if texts is None or not len(texts) else str(Counter(texts.tolist()).most_common(1)[0][0])


def _implausible(name: str, side: FeatureTable) -> list[str]:
    texts = side.columns.get("reason/motion")
    if texts is None:
        return []
    clips: dict[str, set[str]] = {}
    for clip, codes in zip(side.clip_ids, texts.tolist(), strict=True):
        for code in codes.split():
            clips.setdefault(code, set()).add(clip)
    total = len(set(side.clip_ids))
    return [
        f"{len(found)} of {total} {name} are implausible ({code.replace('_', ' ')})"
        for code, found in sorted(clips.items())
    ]
