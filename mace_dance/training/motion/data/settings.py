"""What can be chosen about training data.

Frames are those of the cache, as many per second as the layout of its motion vectors has, 30 or 60. A window is a run
of frames of one take with its music and its genre.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from mace_dance.training.motion.data.music_rows import MusicLayout, MusicRows
from madata.config import ClosedModel
from madata.motion import layout
from madata.synthetic.dance import STYLES

__all__ = [
    "EDGE_DATA",
    "LAYOUTS",
    "MOTION_EXPERT_DATA",
    "DataSettings",
    "Layout",
    "MusicSource",
    "SyntheticSettings",
    "Vector",
    "WindowSettings",
]

MusicSource = Literal["audio", "motion-beats", "synthetic"]
Vector = Literal["edge-151", "lodge-139", "finedance-319", "fact-225", "mnet-75"]
Layout = Literal["auto", "finedance", "aist", "edge", "ma-data", "folder"]
LAYOUTS: tuple[Layout, ...] = ("finedance", "edge", "aist", "ma-data", "folder")
"""The layouts a folder is told apart by, in the order in which they are tried."""


class WindowSettings(ClosedModel):
    """How takes become windows.

    Attributes:
        vector: layout of the motion vector, see :mod:`madata.motion.vectors`.
        music_layout: layout of the music features, see :mod:`madata.music`.
        music_fps: rows of them a second, by default as many as there are frames; each is held until the next.
        window_frames, stride_frames: length of a window, and frames from one window of a take to the next. The
            defaults are EDGE's 5 s every 0.5 s; the Motion Expert's horizon is 1200 frames.
        short: what becomes of a take shorter than a window: ``"drop"`` it, or keep it ``"whole"`` as one window of
            its own length, in whole seconds (the Motion Expert takes any length; EDGE does not).
        origin: ``"recorded"`` keeps root positions as they are (EDGE); ``"window"`` moves the floor point under the
            first frame of each window to the origin, for recordings that begin all over a hall.
        held_out_share: share of the seconds that is held out where no split is published.
        seed: of that split.
    """

    vector: Vector = "edge-151"
    music_layout: MusicLayout = "edge"
    music_fps: float | None = Field(default=None, gt=0)
    window_frames: int = Field(default=150, ge=2)
    stride_frames: int = Field(default=15, ge=1)
    short: Literal["drop", "whole"] = "drop"
    origin: Literal["recorded", "window"] = "recorded"
    held_out_share: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @property
    def fps(self) -> int:
        """Frames per second of the cache."""
        return round(layout(self.vector).fps)

    @property
    def music_rows(self) -> MusicRows:
        """Which music features."""
        return MusicRows(self.music_layout, self.music_fps or self.fps)


class DataSettings(WindowSettings):
    """How a folder of motions is read.

    Attributes:
        layout: whose folder it is; ``"auto"`` tells it from what is in it.
        music: ``"audio"``; or ``"motion-beats"``, a stand-in for motions without music: features that are zero but
            for the beats, which are those of the motion itself. It leaks the answer into the question.
        split: ``"published"`` where the authors publish one, else by take; or always ``"by-take"``.
        takes: table (CSV with a header) of what a folder does not say: columns ``take`` and any of ``group`` (takes
            of one group stay on one side of the split), ``split`` (``train``, ``held-out`` or ``drop``), ``genre``
            and ``music`` (a file, relative to the table).
        music_folder: sound files with the stems of the motions, where they lie elsewhere.
        motions: ``ma-data`` only: folder of the motion files from which the clips were rendered.
    """

    layout: Layout = "auto"
    music: Literal["audio", "motion-beats"] = "audio"
    split: Literal["published", "by-take"] = "published"
    takes: Path | None = None
    music_folder: Path | None = None
    motions: Path | None = None


class SyntheticSettings(WindowSettings):
    """What made-up dances vary in.

    Attributes:
        tempi_bpm: slowest and fastest tempo; the clips are spread evenly between them.
        styles: styles of :mod:`madata.synthetic`, in turn; their order is that of the genre labels.
        choreographies: different dances of each style; as many as there are clips by default.
    """

    origin: Literal["recorded", "window"] = "window"
    tempi_bpm: tuple[float, float] = (80.0, 160.0)
    styles: tuple[str, ...] = STYLES
    choreographies: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _makeable(self) -> SyntheticSettings:
        if not 0 < self.tempi_bpm[0] <= self.tempi_bpm[1]:
            raise ValueError(f"tempi_bpm must be two rising positive numbers, got {self.tempi_bpm}")
        unknown = sorted(set(self.styles) - set(STYLES))
        if unknown or not self.styles:
            raise ValueError(f"styles must be some of {', '.join(STYLES)}, got {self.styles}")
        return self


EDGE_DATA = DataSettings()
"""Windows of 5 s every 0.5 s, as EDGE trains."""

MOTION_EXPERT_DATA = DataSettings(window_frames=1200)
"""Windows of 40 s, the horizon of the Motion Expert."""
