"""Parts found by name: a module each in a package of ours, or an entry point of anybody else's.

A room of parts (filters, pose backends) is a package in which every module holds one part under an agreed
attribute, so that a new file is a new part and nothing else need be edited. Another distribution adds to the room by
an entry point. Listing imports nothing; a part is imported when it is loaded.
"""

from __future__ import annotations

import functools
import importlib.util
import pkgutil
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from madata.errors import ConfigError, MadanceError, did_you_mean

__all__ = ["Room", "refuse_foreign"]


@dataclass(frozen=True)
class Room:
    """One kind of part.

    Attributes:
        kind: what a part is called in messages, e.g. ``"pose backend"``.
        package: our own package; a module ``one_dancer`` holds the part ``one-dancer``.
        attribute: the name of the part inside each module.
        group: entry-point group in which others offer theirs.
    """

    kind: str
    package: str
    attribute: str
    group: str

    def names(self) -> tuple[str, ...]:
        """Every part there is, ours first, each in the order of the alphabet; nothing is imported."""
        ours = sorted(self._ours())
        return (*ours, *sorted({entry.name for entry in _offered(self.group)} - set(ours)))

    def load(self, name: str) -> Any:
        """The part called ``name``.

        Raises:
            ConfigError: there is none, or two distributions offer one of that name.
            MadanceError: it cannot be imported.
        """
        ours = self._ours()
        found = [
            *([ours[name]] if name in ours else []),
            *(entry for entry in _offered(self.group) if entry.name == name),
        ]
        if not found:
            raise ConfigError(f"unknown {self.kind} {name!r}{did_you_mean(name, self.names())}")
        # an installed copy may be listed twice by one distribution; two different targets are a clash
        if len({entry.value for entry in found}) > 1:
            places = " and ".join(sorted(entry.value for entry in found))
            raise ConfigError(f"the {self.kind} {name!r} is offered twice, by {places}: remove one")
        try:
            return found[0].load()
        except (ImportError, AttributeError) as error:
            raise MadanceError(
                f"the {self.kind} {name!r} ({found[0].value}) cannot be loaded: {error}"
            ) from error

    def _ours(self) -> dict[str, EntryPoint]:
        spec = importlib.util.find_spec(self.package)
        modules = pkgutil.iter_modules(spec.submodule_search_locations if spec else None)
        return {
            (name := module.name.replace("_", "-")): EntryPoint(
                name, f"{self.package}.{module.name}:{self.attribute}", self.group
            )
            for module in modules
            if not module.name.startswith("_")
        }


def _offered(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group; every distribution is read for them, so that is done once."""
    return _read_entry_points(group, tuple(sys.path))


@functools.cache
def _read_entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def refuse_foreign(package: str) -> None:
    """See to it that a package of ours is not hidden by another one of its name.

    Names such as ``evaluation`` and ``baselines`` are common, and Python takes the first on its path: in a repository
    that has its own, or with such a one in ``PYTHONPATH``, ours cannot be imported.

    Raises:
        MadanceError: another package of that name comes first; the message names its folder.
    """
    import madata

    ours = Path(madata.__file__).parent.parent / package
    spec = importlib.util.find_spec(package)
    places = (
        [Path(place) for place in (spec.submodule_search_locations or [spec.origin or ""])] if spec else []
    )
    if not places or not ours.is_dir() or any(place.resolve() == ours.resolve() for place in places):
        return
    raise MadanceError(
        f"{places[0]} hides the package {package!r} of madance: start from another folder, or take "
        f"{places[0].parent} off PYTHONPATH"
    )
