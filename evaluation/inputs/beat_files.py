"""Downbeats that a user brings: a file for each song with the time of every beat and its place in the bar.

That is what Beat This! (``.beats``) and madmom's DBNDownBeatTracker (``.beats.txt``) write: a line for each beat with
its seconds and its number in the bar, 1 being the downbeat, apart by white space or a comma.

Legend: K downbeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.inputs.discovery import set_sha256
from evaluation.inputs.names import match_music
from madata.cache import remembered_sha256
from madata.errors import MadanceError
from madata.formats import files_in
from madata.limits import reading_limits

__all__ = ["BEAT_SUFFIXES", "beat_files", "beats_sha256", "find_downbeats", "read_downbeats"]

Floats = npt.NDArray[np.float64]

BEAT_SUFFIXES = (".beats", ".txt", ".tsv", ".csv")
_MOST_BYTES = 4 << 20


def beat_files(folder: Path) -> dict[str, Path]:
    """Song -> its file of beats: ``song.beats``, or ``song.beats.txt`` as madmom names it.

    Raises:
        MadanceError: the folder is absent.
    """
    if not folder.is_dir():
        raise MadanceError(f"{folder}: no such folder (--beats)")
    named = (path for path in files_in(folder) if path.suffix.lower() in BEAT_SUFFIXES)
    return {path.stem.removesuffix(".beats"): path for path in named}


def beats_sha256(folder: Path) -> str:
    """One hash for all files of beats in a folder."""
    return set_sha256({song: remembered_sha256(path) for song, path in beat_files(folder).items()})


def find_downbeats(folder: Path, clips: Iterable[str]) -> dict[str, Floats]:
    """Clip -> (K,) its downbeats, seconds from its beginning; a file is found by name as music is.

    Clips without a file are absent.

    Raises:
        MadanceError: the folder is absent or holds no file of any clip, or a file is none of beats.
    """
    match = match_music(clips, beat_files(folder))
    if not match.files:
        raise MadanceError(
            f"{folder}: no file of beats of any clip in it (--beats: SONG.beats, also {', '.join(BEAT_SUFFIXES[1:])})"
        )
    known = {path: read_downbeats(path) for path in set(match.files.values())}
    times = {}
    for clip, path in match.files.items():
        start_s = match.starts_s.get(clip, 0.0)
        times[clip] = known[path][known[path] >= start_s] - start_s
    return times


def read_downbeats(path: Path) -> Floats:
    """(K,) seconds of the downbeats of a song, ascending.

    Raises:
        MadanceError: it cannot be read, or a line is no beat; the line is named.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise MadanceError(
                f"{path}: more than {_MOST_BYTES >> 20} MiB, which no file of beats has (--beats)"
            )
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MadanceError(f"{path}: cannot be read as a file of beats (--beats): {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            time_s, place = (float(part) for part in re.split(r"[,\s]+", line.strip(), maxsplit=1))
        except ValueError:
            if number == 1 and line[:1].isalpha():  # a heading
                continue
            time_s, place = float("nan"), 0.0
        if not 0 <= time_s <= reading_limits().seconds or place < 1 or place != int(place):
            raise MadanceError(
                f"{path}: line {number} ({line.strip()[:40]!r}) is no beat: expected seconds and the place in the bar, "
                "as Beat This! and madmom write them (0.52 1)"
            )
        if place == 1:
            found.append(time_s)
    times = np.array(found, np.float64)
    if (np.diff(times) <= 0).any():
        raise MadanceError(f"{path}: its beats are not in the order of time (--beats)")
    if not times.size:
        raise MadanceError(f"{path}: no beat of it is a downbeat (place 1 in the bar)")
    return times
