"""What a cache was made of: settings and the content of every file, and how two such differ.

Files are hashed once; a file whose size and time of change are as before is not read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mace_dance.training.motion.data.settings import MusicSource, WindowSettings
from mace_dance.training.motion.data.takes import Take
from madata.cache import remembered_sha256
from madata.errors import MadanceError
from madata.files import sha256_bytes
from madata.synthetic.dances import DanceRecipe

__all__ = ["Identity", "digest_of"]

_VERSION = 1


def digest_of(value: Any) -> str:
    """Hex SHA-256 of plain values in canonical JSON."""
    return sha256_bytes(json.dumps(value, sort_keys=True, allow_nan=False).encode())


@dataclass(frozen=True)
class Identity:
    """Everything that decides what a cache holds.

    Attributes:
        settings: plain values by name, the source of the music and the genre labels among them.
        takes: fingerprint of each take by name.
    """

    settings: Mapping[str, Any]
    takes: Mapping[str, str]

    @classmethod
    def of(
        cls,
        settings: WindowSettings,
        music: MusicSource,
        genres: Sequence[str],
        takes: Sequence[Take],
    ) -> Identity:
        """The identity of ``takes`` brought into a cache with ``settings``."""
        # which files there are is told by the takes; paths are not compared
        chosen = settings.model_dump(
            mode="json", exclude={"layout", "takes", "music_folder", "motions", "tempi_bpm", "styles"}
        )
        chosen |= {"music": music, "genres": list(genres)}
        return cls(chosen, {take.name: _fingerprint(take) for take in takes})

    @property
    def content_id(self) -> str:
        """Hash of it all."""
        return digest_of([_VERSION, dict(self.settings), dict(self.takes)])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"version": _VERSION, "settings": dict(self.settings), "takes": dict(self.takes)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], path: Path) -> Identity:
        """What :meth:`to_json` gave.

        Raises:
            MadanceError: another version wrote it.
        """
        if values.get("version") != _VERSION:
            raise MadanceError(
                f"{path}: not a cache this version wrote; remove the folder or give another (--cache)"
            )
        return cls(values["settings"], values["takes"])

    def difference(self, now: Identity) -> str:
        """How ``now`` differs from this, in words."""
        words = [
            f"{name} {self.settings.get(name)} (now {now.settings.get(name)})"
            for name in sorted({*self.settings, *now.settings})
            if self.settings.get(name) != now.settings.get(name)
        ]
        before, after = set(self.takes), set(now.takes)
        changed = {name for name in before & after if self.takes[name] != now.takes[name]}
        for names, what in ((changed, "changed"), (after - before, "new"), (before - after, "gone")):
            if names:
                first = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
                words.append(f"{len(names)} takes {what} since ({first})")
        return "; ".join(words)


def _fingerprint(take: Take) -> str:
    made = isinstance(take.motion, DanceRecipe)
    return digest_of(
        {
            **asdict(take),
            "motion": asdict(take.motion)
            if isinstance(take.motion, DanceRecipe)
            else remembered_sha256(take.motion),
            "music": remembered_sha256(take.music) if take.music is not None and not made else None,
        }
    )
