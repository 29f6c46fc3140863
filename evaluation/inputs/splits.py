"""The official test lists of the field, to choose their clips out of whole data sets: ``aist++:crossmodal-test``.

The lists lie in ``splits.json`` with their sources. How much of each clip is scored is the matter of the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from evaluation.inputs.names import clip_name
from madata.errors import ConfigError, did_you_mean

__all__ = ["OfficialSplit", "is_official", "official_split", "official_splits"]


@dataclass(frozen=True)
class OfficialSplit:
    """A list of dances.

    Attributes:
        name: ``<data set>:<split>-<part>``.
        dances: their names in the data set.
        source: where the list stands.
    """

    name: str
    dances: tuple[str, ...]
    source: str

    def choose(self, stems: Iterable[str]) -> dict[str, str]:
        """Stem -> clip id, of those that are of the split; slices keep their index.

        Example:
            >>> split = official_split("finedance:cross-genre-test")
            >>> split.choose(["063g000g", "001", "0_1_132_slice3"])
            {'063g000g': '063', '0_1_132_slice3': '132_slice3'}
        """
        wanted = set(self.dances)
        chosen = {}
        for stem in stems:
            said = clip_name(stem)
            if said.dance in wanted:
                part = "" if said.slice_index is None else f"_slice{said.slice_index}"
                chosen[stem] = f"{said.dance}{part}"
        return chosen


def is_official(name: str) -> bool:
    """Whether the name of a split is that of an official list, rather than of a folder.

    Example:
        >>> is_official("aist++:crossmodal-test"), is_official("test")
        (True, False)
    """
    return ":" in name


def official_splits() -> tuple[str, ...]:
    """Names of all lists."""
    return tuple(f"{data}:{name}" for data, lists in _stored().items() for name in lists)


def official_split(name: str) -> OfficialSplit:
    """The list of that name.

    Raises:
        ConfigError: there is none; the nearest is named.

    Example:
        >>> len(official_split("aist++:crossmodal-test").dances)
        20
    """
    data, _, part = name.lower().partition(":")
    found: Mapping[str, Any] | None = _stored().get(data, {}).get(part)
    if found is None:
        raise ConfigError(f"--split {name}: there is no such list{did_you_mean(name, official_splits())}")
    return OfficialSplit(f"{data}:{part}", tuple(found["dances"]), found["source"])


@cache
def _stored() -> dict[str, dict[str, Any]]:
    text = resources.files("evaluation.inputs").joinpath("splits.json").read_text("utf-8")
    stored: dict[str, dict[str, Any]] = json.loads(text)
    return stored
