"""Which clips are no evidence of their own: windows of one dance, slices of one song, dances to one song.

Legend: N rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["rows_of_sources", "source_of"]

_SONGS = (
    re.compile(r"_(?P<song>m(?:BR|PO|LO|MH|LH|HO|WA|KR|JS|JB)\d)(?:_|$)"),  # AIST++: its fifth field
    re.compile(r"^(?P<song>.+)_slice\d+$"),  # slices as EDGE cuts them
    re.compile(r"^(?P<song>.+)-\d{6}$"),  # clips of one source of a curated data set
)


def source_of(clip_id: str) -> str:
    """The song or source a clip is of, as far as its name tells; else the clip itself.

    Example:
        >>> source_of("gBR_sBM_cAll_d04_mBR0_ch01"), source_of("063_slice2"), source_of("dance")
        ('mBR0', '063', 'dance')
    """
    for pattern in _SONGS:
        if found := pattern.search(clip_id):
            return found["song"]
    return clip_id


def rows_of_sources(clip_ids: Sequence[str]) -> dict[str, npt.NDArray[np.intp]]:
    """Source -> its rows, sources in order of their first row.

    Example:
        >>> {name: rows.tolist() for name, rows in rows_of_sources(["a_slice0", "b", "a_slice1"]).items()}
        {'a': [0, 2], 'b': [1]}
    """
    rows: dict[str, list[int]] = {}
    for row, clip in enumerate(clip_ids):
        rows.setdefault(source_of(clip), []).append(row)
    return {source: np.array(members, np.intp) for source, members in rows.items()}
