"""A take: one continuous performance, with its music and what is known about it.

What a folder is made of is a list of takes; everything after that treats all folders alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from mace_dance.training.motion.data.report import DroppedTake
from madata.formats import SUFFIXES, stem_of, suffix_of
from madata.synthetic.dances import DanceRecipe

__all__ = ["DanceRecipe", "Found", "Side", "Take", "TakeSpan", "music_of"]

Side = Literal["train", "held-out"]


@dataclass(frozen=True)
class TakeSpan:
    """Frames [start, start + frames) of a motion at ``fps``."""

    start: int
    frames: int
    fps: float


@dataclass(frozen=True)
class Take:
    """One take, as found.

    Attributes:
        name: unique within the source.
        motion: the motion file, or the recipe of a made-up one.
        music: sound file, or 35 features (.npy), that starts with the first frame.
        genre: name of the genre, where there is one.
        group: takes of one group stay on one side of the split.
        side: where the authors put it.
        format: motion format for :func:`madata.motion.read_motion`; ``"edge-slice"`` is read here.
        fps: frame rate where the file does not tell.
        span: part of the motion that is the take.
    """

    name: str
    motion: Path | DanceRecipe
    music: Path | None = None
    genre: str | None = None
    group: str = ""
    side: Side | None = None
    format: str | None = None
    fps: float | None = None
    span: TakeSpan | None = None


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        takes: in the order of their names.
        drops: what is there and cannot be used, or is not to be.
        genres: names of the genre labels; empty when the takes have none.
    """

    takes: Sequence[Take]
    drops: Sequence[DroppedTake] = ()
    genres: tuple[str, ...] = ()


def music_of(stems: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """The first sound file with one of these stems in one of these folders; earlier ones go before."""
    for stem in stems:
        for folder in folders:
            beside = [
                path for path in folder.glob(f"{escape(stem)}.*") if path.is_file() and stem_of(path) == stem
            ]
            for suffix in (*SUFFIXES["sound"], ".mp4"):
                if found := [path for path in beside if suffix_of(path) == suffix]:
                    return found[0]
    return None
