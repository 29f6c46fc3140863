"""What the names of the field say: which dance a file is, a slice of which, and to which music it goes.

| name | dance | music |
|---|---|---|
| ``gBR_sBM_cAll_d04_mBR0_ch01`` (AIST++) | itself | ``mBR0``, the fifth field |
| ``0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2`` (EDGE) | its third slice, of epoch 0, number 3 | ``mLH4`` from 1.0 s on |
| ``063``, ``063g000g`` (FineDance) | ``063`` | ``063`` |
| anything else | itself | itself |

A file of the same stem always comes first. A slice whose own music is not there is heard in the whole piece, where it
begins: EDGE cuts a slice every half second.

Example:
    >>> clip_name("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2")
    ClipName(dance='gLH_sBM_cAll_d17_mLH4_ch02', music='mLH4', slice_index=2)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from madata.errors import MadanceError, did_you_mean
from madata.formats import SUFFIXES, is_a, stem_of

__all__ = [
    "SLICE_STRIDE_S",
    "ClipName",
    "MusicMatch",
    "clip_name",
    "match_music",
    "read_music_map",
    "whole_name",
]

SLICE_STRIDE_S = 0.5
"""Between the beginnings of two slices (EDGE, ``data/slice.py``)."""

_AIST = re.compile(r"(?:.*_)?(g[A-Z]{2}_s[A-Z]{2}_c(?:All|\d\d)_d\d\d_(m[A-Z]{2}\d)_ch\d\d)(?:_slice(\d+))?")
_FINEDANCE = re.compile(r"(?:\d+_\d+_)?(\d{3})(?:g\d+g?)?(?:_slice(\d+))?")
_NUMBERED = re.compile(r"(?:\d+_\d+_)?(.+?)(?:_slice(\d+))?")
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClipName:
    """What a stem says.

    Attributes:
        dance: the name of the whole dance.
        music: the name of its music, where that is another.
        slice_index: which slice of the dance it is, from 0; ``None`` for all of it.
    """

    dance: str
    music: str | None
    slice_index: int | None


def clip_name(stem: str) -> ClipName:
    """Read a stem.

    Example:
        >>> clip_name("063g000g"), clip_name("my_dance").dance
        (ClipName(dance='063', music=None, slice_index=None), 'my_dance')
    """
    if match := _AIST.fullmatch(stem):
        dance, music, index = match.groups()
        return ClipName(dance, music, None if index is None else int(index))
    match = _FINEDANCE.fullmatch(stem) or _NUMBERED.fullmatch(stem)
    dance, index = match.groups() if match else (stem, None)
    return ClipName(dance, None, None if index is None else int(index))


def whole_name(stem: str) -> str:
    """The dance a file is of, with its slice: what is left without epoch, number and take.

    Example:
        >>> whole_name("0_3_gLH_sBM_cAll_d17_mLH4_ch02_slice2"), whole_name("063g000g")
        ('gLH_sBM_cAll_d17_mLH4_ch02_slice2', '063')
    """
    said = clip_name(stem)
    return said.dance if said.slice_index is None else f"{said.dance}_slice{said.slice_index}"


@dataclass(frozen=True)
class MusicMatch:
    """The music of clips.

    Attributes:
        files: clip id -> file.
        starts_s: clip id -> where the clip begins in its music, where that is not its beginning.
        tried: clip id -> the names that were looked for, of clips without music.
        holds: what the folder of music holds, in words.
    """

    files: dict[str, Path]
    starts_s: dict[str, float]
    tried: dict[str, tuple[str, ...]]
    holds: str

    def absent(self, clip: str) -> str:
        """Why a clip has no music, and what there is."""
        return f"looked for {', '.join(self.tried[clip])}; the folder holds {self.holds}"


def match_music(
    clips: Iterable[str], sounds: Mapping[str, Path], table: Mapping[str, str] | None = None
) -> MusicMatch:
    """Find the music of each clip.

    Args:
        clips: their stems.
        sounds: stem -> file of the music there is.
        table: clip -> music as a user says it (:func:`read_music_map`); clips it does not hold go by name.

    Example:
        >>> found = match_music(["gBR_sBM_cAll_d04_mBR0_ch01", "x"], {"mBR0": Path("mBR0.wav")})
        >>> found.files, found.absent("x")
        ({'gBR_sBM_cAll_d04_mBR0_ch01': PosixPath('mBR0.wav')}, 'looked for x; the folder holds mBR0')
    """
    # FineDance's numbers are written 63 as well as 063
    numbers = {str(int(stem)): stem for stem in sounds if re.fullmatch(r"\d{1,3}", stem)}
    files, starts_s, tried = {}, {}, {}
    for clip in clips:
        wanted = _wanted(clip, table)
        found = next(
            ((numbers.get(name.lstrip("0") or "0", name) if name.isdecimal() else name, start_s)
             for name, start_s in wanted
             if name in sounds or (name.isdecimal() and (name.lstrip("0") or "0") in numbers)),
            None,
        )  # fmt: skip
        if found is None:
            tried[clip] = tuple(dict.fromkeys(name for name, _ in wanted))
            continue
        files[clip] = sounds[found[0]]
        if found[1]:
            starts_s[clip] = found[1]
    return MusicMatch(files, starts_s, tried, _listed(sounds))


def _wanted(clip: str, table: Mapping[str, str] | None) -> list[tuple[str, float]]:
    """Names of music in the order in which they are looked for, and where the clip would begin in each."""
    if table is not None and clip in table:
        return [(table[clip], 0.0)]
    said = clip_name(clip)
    start_s = (said.slice_index or 0) * SLICE_STRIDE_S
    whole = [said.dance, *([said.music] if said.music else [])]
    return [(clip, 0.0), (whole_name(clip), 0.0), *((name, start_s) for name in whole)]


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:_NAMES_SHOWN]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return (", ".join(shown) or "nothing") + more


def read_music_map(path: Path, sounds: Collection[str]) -> dict[str, str]:
    """Which clip goes to which music: a CSV file with the columns ``clip`` and ``music``.

    Args:
        sounds: stems of the music there is; a name in the table may have its suffix.

    Raises:
        MadanceError: the file is no such table, or names music that is not there.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MadanceError(f"{path}: cannot be read as a table (--music-map): {error}") from error
    if not rows or not {"clip", "music"} <= rows[0].keys():
        raise MadanceError(f"{path}: --music-map needs a first line `clip,music` and a line for each clip")
    table = {}
    for row in rows:
        clip, music = (row["clip"] or "").strip(), (row["music"] or "").strip()
        stem = music if music in sounds else stem_of(Path(music))
        if stem not in sounds:
            raise MadanceError(f"{path}: there is no music {music!r} for {clip}{did_you_mean(stem, sounds)}")
        table[stem_of(Path(clip)) if is_a(Path(clip), *SUFFIXES) else clip] = stem
    return table
