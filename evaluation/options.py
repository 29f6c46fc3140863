"""What a run of the same files may do differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """What a run of the same files may do differently.

    Attributes:
        system: name of what made the predictions; that of their folder by default.
        allow_missing: score what is there and mark the result partial.
        mix_backends: compare keypoints of two pose backends all the same, and mark the result.
        limit: only the first clips; marks the result partial.
        split: official list that chooses the clips, see :mod:`evaluation.inputs.splits`.
        music_map: CSV file that says which clip goes to which music.
        resample_fps: frame rate every clip is brought to before it is measured.
        unit: length unit of the motion files of the predictions, a name of :data:`madata.convert.UNITS_M`.
        backend: pose backend for videos.
        device: where networks run.
        weights: folder of weights searched first.
        jobs: processes for the music.
        cache: folder of found keypoints and beats.
        on_clip: called after each clip of either side.
        on_total: called with the number of clips that come next.
    """

    system: str | None = None
    allow_missing: bool = False
    mix_backends: bool = False
    limit: int | None = None
    split: str | None = None
    music_map: Path | None = None
    resample_fps: float | None = None
    unit: str | None = None
    backend: str = "blazepose"
    device: str = "cpu"
    jobs: int = 1
    cache: Path | None = None
    weights: Path | None = None
    on_clip: Callable[[], None] = lambda: None
    on_total: Callable[[int], None] = lambda count: None
