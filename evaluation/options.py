"""What a run of the same files may do differently, and what of that its result states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from madata.config import ClosedModel

__all__ = ["Options", "RunOptions", "Sha256"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
        beats: folder with a file of each song that says where its bars begin, see :mod:`evaluation.inputs.beat_files`.
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
    beats: Path | None = None
    resample_fps: float | None = None
    unit: str | None = None
    backend: str = "blazepose"
    device: str = "cpu"
    jobs: int = 1
    cache: Path | None = None
    weights: Path | None = None
    on_clip: Callable[[], None] = lambda: None
    on_total: Callable[[int], None] = lambda count: None


class RunOptions(ClosedModel):
    """What a run chose beside its protocol, where that changes numbers.

    Attributes:
        resample_fps: frame rate every clip was brought to first.
        unit: length unit the predictions' motion files were said to be in.
        music_map_sha256: hash of the table that said which clip goes to which music.
        beats_sha256: hash over the files that said where the bars of the music begin.
    """

    resample_fps: float | None = None
    unit: str | None = None
    music_map_sha256: Sha256 | None = None
    beats_sha256: Sha256 | None = None

    def lines(self) -> tuple[str, ...]:
        """What was chosen, in the words of the command line."""
        told = (
            "" if self.resample_fps is None else f"--resample {self.resample_fps:g}",
            "" if self.unit is None else f"--unit {self.unit}",
            "" if self.music_map_sha256 is None else f"--music-map {self.music_map_sha256[:8]}",
            "" if self.beats_sha256 is None else f"--beats {self.beats_sha256[:8]}",
        )
        return tuple(filter(None, told))
