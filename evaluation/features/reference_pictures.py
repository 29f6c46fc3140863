"""The reference pictures of the clips, as networks of the user's see who is on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.features.table import FeatureTable
from evaluation.features.video.likeness import Look
from evaluation.generate.pictures import picture_of
from madata.errors import MediaError

__all__ = ["beside_pictures", "looks_of_pictures"]

Looks = Mapping[str, Mapping[str, npt.NDArray[np.float64]]]


def looks_of_pictures(files: Mapping[str, Path], look: Look) -> Looks:
    """What is looked for -> clip -> (D,) of its picture.

    A file that cannot be read, or shows nobody, has none: the row of its clip says the former, its metric the latter.

    Args:
        files: clip -> picture, or video whose first frame is the picture.
    """
    found: dict[str, dict[str, npt.NDArray[np.float64]]] = {name: {} for name in look.networks}
    for clip, path in files.items():
        try:
            image = picture_of(path)
        except MediaError:
            continue
        for name in look.networks:
            if (numbers := look(name, image)) is not None:
                found[name][clip] = numbers
    return found


def beside_pictures(table: FeatureTable, looks: Looks) -> FeatureTable:
    """The table with what is on the picture of each row's clip; empty where there is none."""
    nothing = np.empty(0)
    lists = {
        f"kept/{name}_picture": [clips.get(clip, nothing) for clip in table.clip_ids]
        for name, clips in looks.items()
    }
    return table.having({}, lists)
