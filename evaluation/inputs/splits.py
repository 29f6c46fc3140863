"""The official test lists of the field, to choose their clips out of whole data sets: ``aist++:crossmodal-test``.

The lists lie in ``splits.json`` with their sources. How much of each clip is scored is the matter of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from evaluation.inputs.discovery import Folder
from evaluation.inputs.names import clip_name, whole_name
from evaluation.protocol import Protocol
from madata.errors import ConfigError, MadanceError, did_you_mean
from madata.files import parse_json

__all__ = [
    "OfficialSplit",
    "chosen_by",
    "compares_with_all",
    "is_official",
    "official_split",
    "official_splits",
]

# LODGE (its issue 43), Bailando and FACT compare with every motion of the data set; the others with the test set
_COMPARE_WITH_ALL = ("lodge", "bailando", "mint")


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
        return {stem: whole_name(stem) for stem in stems if clip_name(stem).dance in wanted}


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


def chosen_by(split: OfficialSplit, folder: Folder) -> Folder:
    """The clips of a folder that are of a split, under the names that the data set gives them.

    Raises:
        MadanceError: none is, or two files are of one clip.
    """
    chosen = split.choose(folder.files)
    if not chosen:
        raise MadanceError(
            f"{folder.path}: holds no clip of {split.name}, such as {split.dances[0]} "
            f"(first of {len(folder.files)}: {next(iter(folder.files))})"
        )
    by_id: dict[str, str] = {}
    for stem, clip_id in chosen.items():
        if clip_id in by_id:
            raise MadanceError(f"{folder.path}: {by_id[clip_id]} and {stem} are both {clip_id}; keep one")
        by_id[clip_id] = stem
    files = {clip_id: folder.files[by_id[clip_id]] for clip_id in sorted(by_id)}
    problems = [problem for problem in folder.problems if problem.clip_id in chosen]
    return replace(folder, files=files, problems=problems)


def compares_with_all(protocol: Protocol) -> bool:
    """Whether the reference is the whole data set, whatever part of it is danced anew."""
    return protocol.definition in _COMPARE_WITH_ALL


@cache
def _stored() -> dict[str, dict[str, Any]]:
    text = resources.files("evaluation.inputs").joinpath("splits.json").read_bytes()
    stored: dict[str, dict[str, Any]] = parse_json(text, "splits.json")
    return stored
