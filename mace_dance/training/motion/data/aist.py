"""AIST++ as published, and the sliced folders EDGE and the Motion Expert train from.

AIST++: ``motions/gBR_sBM_cAll_d04_mBR0_ch01.pkl`` at 60 fps; the name tells genre (BR), dance (sBM basic, sFM
advanced), dancer (d04), song (mBR0) and choreography (ch01). Sound is found under the sequence's name or the song's.

EDGE: ``train/`` and ``test/``, each with ``motions_sliced/<sequence>_slice<k>.pkl`` (``pos``, ``q``, y up, 60 fps) and
``wavs_sliced`` or ``baseline_feats``. The Motion Expert's folder is the same with ``label/NNN.json`` beside, at 30 fps.

The cross-modal split holds out ten songs and basic choreographies 1 and 2: the twenty test sequences are
choreography 2 on the held-out songs by two of the three dancers, and what else has such a song or choreography is in
neither. These rules give the authors' 980 training and 20 test names. Their list of failed reconstructions is left
out.
"""

from __future__ import annotations

import re
from pathlib import Path

from mace_dance.motion.config import GENRES
from mace_dance.training.motion.data.finedance import style_of
from mace_dance.training.motion.data.report import DroppedTake
from mace_dance.training.motion.data.settings import DataSettings
from mace_dance.training.motion.data.takes import Found, Side, Take, music_of

__all__ = ["AIST_GENRES", "aist_side", "find_aist", "find_edge"]

AIST_GENRES = ("BR", "PO", "LO", "MH", "LH", "HO", "WA", "KR", "JS", "JB")
"""Genre labels 0..9 of AIST++, by their codes: break, pop, lock, middle and LA-style hip-hop, house, waack, krump,
street jazz, ballet jazz."""

_NAME = re.compile(r"g([A-Z]{2})_s([A-Z]{2})_c[^_]+_d(\d\d)_m([A-Z]{2}\d)_ch(\d\d)(?:_slice\d+)?")
_TEST_SONGS = {
    "BR0": ("04", "05"),
    "PO1": ("10", "11"),
    "LO2": ("13", "15"),
    "MH3": ("22", "24"),
    "LH4": ("17", "18"),
    "HO5": ("20", "21"),
    "WA0": ("25", "26"),
    "KR2": ("28", "30"),
    "JS3": ("01", "03"),
    "JB5": ("08", "09"),
}
_FAILED = frozenset((
    "gBR_sBM_d04_mBR0_ch07", "gBR_sBM_d04_mBR0_ch08", "gBR_sBM_d04_mBR0_ch10", "gBR_sBM_d05_mBR0_ch07",
    "gBR_sFM_d04_mBR4_ch07", "gBR_sFM_d05_mBR4_ch13", "gBR_sFM_d05_mBR5_ch14", "gBR_sFM_d06_mBR5_ch19",
    "gHO_sFM_d20_mHO5_ch13", "gJB_sBM_d07_mJB2_ch06", "gJB_sBM_d07_mJB3_ch01", "gJB_sBM_d07_mJB3_ch05",
    "gJB_sBM_d08_mJB0_ch07", "gJB_sBM_d08_mJB0_ch09", "gJB_sBM_d08_mJB1_ch09", "gJB_sBM_d08_mJB5_ch07",
    "gJB_sBM_d09_mJB2_ch07", "gJB_sBM_d09_mJB3_ch07", "gJB_sBM_d09_mJB4_ch06", "gJB_sBM_d09_mJB4_ch07",
    "gJB_sBM_d09_mJB4_ch09", "gJB_sBM_d09_mJB5_ch09", "gJB_sFM_d08_mJB3_ch11", "gJS_sBM_d03_mJS3_ch10",
    "gJS_sFM_d01_mJS0_ch01", "gJS_sFM_d01_mJS1_ch02", "gJS_sFM_d02_mJS0_ch08", "gJS_sFM_d03_mJS0_ch01",
    "gKR_sBM_d30_mKR5_ch01", "gKR_sBM_d30_mKR5_ch02", "gWA_sBM_d25_mWA1_ch04", "gWA_sBM_d25_mWA2_ch03",
    "gWA_sBM_d25_mWA2_ch04", "gWA_sBM_d25_mWA3_ch04", "gWA_sBM_d26_mWA0_ch09", "gWA_sBM_d26_mWA1_ch01",
    "gWA_sBM_d27_mWA2_ch01", "gWA_sBM_d27_mWA2_ch08", "gWA_sBM_d27_mWA3_ch01", "gWA_sBM_d27_mWA4_ch02",
    "gWA_sBM_d27_mWA4_ch08", "gWA_sBM_d27_mWA5_ch01", "gWA_sBM_d27_mWA5_ch08", "gWA_sFM_d26_mWA2_ch10",
    "gWA_sFM_d27_mWA1_ch16",
))  # fmt: skip


def aist_side(sequence: str) -> Side | None:
    """Side of the cross-modal split on which a sequence lies; ``None`` on neither."""
    match = _NAME.fullmatch(sequence)
    if match is None or sequence.replace("_cAll", "") in _FAILED:
        return None
    _, dance, dancer, song, choreography = match.groups()
    if song in _TEST_SONGS:
        tested = dance == "BM" and choreography == "02" and dancer in _TEST_SONGS[song]
        return "held-out" if tested else None
    return None if dance == "BM" and choreography in ("01", "02") else "train"


def find_aist(source: Path, settings: DataSettings) -> Found:
    """The takes of an AIST++ folder. Takes of one song are one group."""
    folders = [settings.music_folder] if settings.music_folder else [source / "wavs", source / "music"]
    takes: list[Take] = []
    drops: list[DroppedTake] = []
    for path in sorted((source / "motions").glob("*.pkl")):
        match = _NAME.fullmatch(path.stem)
        if match is None or match[1] not in AIST_GENRES:
            drops.append(
                DroppedTake(path.stem, "unknown_genre", f"{path}: not the name of an AIST++ sequence")
            )
            continue
        side = aist_side(path.stem)
        if settings.split == "published" and side is None:
            drops.append(
                DroppedTake(path.stem, "ignored", f"{path}: on neither side of the cross-modal split")
            )
            continue
        song = f"m{match[4]}"
        music = music_of([path.stem, song], folders)
        known = side if settings.split == "published" else None
        takes.append(Take(path.stem, path, music, match[1], song, known, "aist++"))
    return Found(takes, drops, AIST_GENRES)


def find_edge(source: Path, settings: DataSettings) -> Found:
    """The slices of an EDGE folder, or of one of its two sides."""
    sides: dict[Side, Path] = {"train": source / "train", "held-out": source / "test"}
    parts: list[tuple[Side | None, Path]] = [
        (side, folder) for side, folder in sides.items() if (folder / "motions_sliced").is_dir()
    ]
    if not parts:
        parts = [(None, source)]
    labelled = any((folder / "label").is_dir() for _, folder in parts)
    takes: list[Take] = []
    drops: list[DroppedTake] = []
    for side, folder in parts:
        sounds = [settings.music_folder] if settings.music_folder else [folder / "wavs_sliced"]
        for path in sorted((folder / "motions_sliced").glob("*.pkl")):
            name = path.stem if side is None else f"{folder.name}/{path.stem}"
            if labelled:
                genre, problem = style_of(folder / "label" / f"{path.stem[:3]}.json")
                group, fps = path.stem[:3], 30.0
            else:
                match = _NAME.fullmatch(path.stem)
                genre = match[1] if match and match[1] in AIST_GENRES else None
                problem = (
                    f"{path}: not the name of a slice of an AIST++ sequence, and there is no label folder"
                )
                group, fps = f"m{match[4]}" if match else path.stem, 60.0
            if genre is None:
                drops.append(DroppedTake(name, "unknown_genre", problem))
                continue
            features = folder / "baseline_feats" / f"{path.stem}.npy"
            music = music_of([path.stem], sounds) or (features if features.is_file() else None)
            known = side if settings.split == "published" else None
            takes.append(Take(name, path, music, genre, group, known, "edge-slice", fps))
    return Found(takes, drops, GENRES if labelled else AIST_GENRES)
