"""The folder of FineDance: ``motion/NNN.npy`` (315 or 319 columns), ``music_wav/NNN.wav``, ``label_json/NNN.json``.

The genre is the label's ``style2``, one of the sixteen names of :data:`mace_dance.motion.config.GENRES`. Twenty takes
are the published test set; nine are left out by the authors' own loaders (li-ronghui/LODGE, FineDance_dataset.py).
A mirrored copy ``MNNN.npy`` belongs to take NNN.
"""

from __future__ import annotations

from pathlib import Path

from mace_dance.motion.config import GENRES
from mace_dance.training.motion.data.report import DroppedTake
from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.motion.data.takes import Found, Side, Take, music_of
from madata.errors import MadanceError
from madata.files import read_json

__all__ = ["IGNORED", "TEST", "find_finedance", "style_of"]

TEST = frozenset((
    "012", "036", "037", "063", "065", "092", "098", "109", "120", "130",
    "132", "137", "143", "144", "161", "179", "193", "198", "204", "211",
))  # fmt: skip
"""The published test takes."""

IGNORED = frozenset((
    "116", "117", "118", "119", "120", "121", "122", "123", "202",
))  # fmt: skip
"""Takes the authors leave out; 120 is in both lists, and left out."""

_OTHER_NAMES = {"tai": "Dai", "uighur": "Wei", "hmong": "Miao"}
_BY_LOWER_CASE = {name.lower(): name for name in GENRES} | _OTHER_NAMES


def find_finedance(source: Path, settings: DataSettings) -> Found:
    """The takes of a FineDance folder."""
    folders = [settings.music_folder] if settings.music_folder else [source / "music_wav"]
    published = settings.split == "published"
    takes: list[Take] = []
    drops: list[DroppedTake] = []
    for path in sorted((source / "motion").glob("*.npy")):
        number = path.stem.removeprefix("M")
        if published and number in IGNORED:
            drops.append(DroppedTake(path.stem, "ignored", f"{path}: left out by the published split"))
            continue
        genre, problem = style_of(source / "label_json" / f"{number}.json")
        if genre is None:
            drops.append(DroppedTake(path.stem, "unknown_genre", problem))
            continue
        side: Side | None = None
        if published:
            side = "held-out" if number in TEST else "train"
        takes.append(Take(path.stem, path, music_of([path.stem, number], folders), genre, number, side))
    return Found(takes, drops, GENRES)


def style_of(label: Path) -> tuple[str | None, str]:
    """Genre name in a FineDance label, or ``None`` and what is wrong with it."""
    try:
        content = read_json(label)
    except MadanceError as error:
        return None, f"{error}: the take has no genre label"
    style = content.get("style2") if isinstance(content, dict) else None
    if not isinstance(style, str) or style.strip().lower() not in _BY_LOWER_CASE:
        return None, f"{label}: style2 is {style!r}, known genres: {', '.join(GENRES)}"
    return _BY_LOWER_CASE[style.strip().lower()], ""
