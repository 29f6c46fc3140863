"""What the metrics of a protocol need to know of clips: handed down to whatever looks at them.

Features know no metric; :func:`evaluation.metrics.registry.wanted_by` makes this out of a protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evaluation.inputs.pose_files import Track

__all__ = ["ClipFunction", "Wanted"]

ClipFunction = Callable[[Track], float]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of clips.

    Attributes:
        per_clip: name -> number of the joints of one clip; each becomes a column of the feature table.
        scores: what must be seen in the pictures of each video -> its version.
        music: whether the music is listened to.
    """

    per_clip: Mapping[str, ClipFunction] = field(default_factory=dict)
    scores: Mapping[str, int] = field(default_factory=dict)
    music: bool = False
