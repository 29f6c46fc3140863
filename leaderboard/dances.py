"""The dances of the clip viewer: for each clip the motions of truth and systems, small enough to stand in the page.

A motion file of a stranger is read within :mod:`madata.limits`; one that cannot be read is named and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.features.store import read_run
from leaderboard.entries import BoardEntry
from madata.errors import MadanceError
from madata.motion.formats import read_positions
from madata.motion.viewer import Dancer, dancer_data, thinned
from madata.types import Positions3D

__all__ = ["MOST_BYTES", "beats_of", "pack_dances"]

MOST_BYTES = 6 << 20
"""Of all packed motions of a page: about 300 dances of 5 s."""
_FPS, _SECONDS = 30, 20
"""Enough to see a dance by: what is faster is thinned, what is longer is cut."""


def pack_dances(
    motions: Mapping[str, Mapping[str, Path]],
    clips: Sequence[str],
    *,
    most_bytes: int = MOST_BYTES,
    on_step: Callable[[str], None] = lambda text: None,
) -> dict[str, list[dict[str, Any]]]:
    """Clip -> its dancers as :func:`madata.motion.viewer.dancer_data` packs them, named by the key of their lane.

    Clips are taken in order, each with all its dancers, until the page would hold more than ``most_bytes`` of them.

    Args:
        motions: key of a lane -> clip -> motion file.
        on_step: told of each file that cannot be shown.
    """
    packed: dict[str, list[dict[str, Any]]] = {}
    size = 0
    for clip in clips:
        dancers: list[Dancer] = []
        there = [(key, files[clip]) for key, files in motions.items() if clip in files]
        for key, path in there:
            try:
                found = Dancer(key, thinned(_shortened(read_positions(path)), fps=_FPS))
                dancer_data([found])  # what cannot be drawn alone takes no others with it
            except MadanceError as error:
                on_step(f"not shown in 3D: {error}")
                continue
            dancers.append(found)
        if not dancers:
            continue
        data = dancer_data(dancers)
        size += sum(len(one["positions"]) + len(one["standing"]) for one in data)
        if size > most_bytes:
            on_step(f"the page holds dances of {len(packed)} clips: {most_bytes >> 20} MiB are full")
            break
        packed[clip] = data
    return packed


def _shortened(motion: Positions3D) -> Positions3D:
    return replace(motion, positions=motion.positions[: int(_SECONDS * motion.fps)])


def beats_of(entries: Sequence[BoardEntry]) -> dict[str, list[float]]:
    """Clip -> the beats of its music, seconds, from the first features that know them."""
    for entry in entries:
        if entry.features is None or entry.protocol is None or entry.protocol.kind != "corrected":
            continue
        try:
            table = read_run(entry.features).prediction
        except MadanceError:
            continue
        if table is None or "music_beats" not in table.ragged:
            continue
        found: dict[str, set[float]] = {}
        for clip, start, beats in zip(table.clip_ids, table.starts_s, table.music_beats, strict=True):
            found.setdefault(clip, set()).update(round(float(start + beat), 3) for beat in beats)
        return {clip: sorted(beats) for clip, beats in found.items()}
    return {}
