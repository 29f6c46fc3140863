"""How clips are made: what may be chosen on the command line, for a split as for one clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.systems import Task
from madata.config import parse_value
from madata.errors import ConfigError
from madata.shard import WHOLE, Shard

__all__ = ["Settings", "parse_options"]

_LARGEST_SEED = 2**32 - 1
_SMALLEST_SIDE_PX = 16  # one macroblock of H.264; sides are even because its chroma is halved


@dataclass(frozen=True)
class Settings:
    """How clips are made; ``None`` is what the system says of itself, or what the clip says.

    ``limit``, ``shard``, ``device``, ``retries``, ``batch`` and ``keep_parts`` do not change what a clip looks like.

    Attributes:
        split: name of the split; ``None`` is ``test`` where there are splits.
        seed: of the run; each clip of a split has its own by it.
        duration_s: only so much of each clip, from its start.
        size: (width, height) px of videos.
        options: keyword arguments of the system's constructor.
        limit: only the first clips.
        keep_parts: keep what systems leave of each clip (:attr:`Request.keep`) in ``parts/<clip_id>``.
        retries: how often a clip that fails is tried again in this run.
        batch: clips that are made at once, by a system that can.

    Raises:
        ConfigError: a number is out of range.
    """

    task: Task | None = None
    split: str | None = None
    seed: int = 0
    device: str = "cpu"
    fps: float | None = None
    duration_s: float | None = None
    size: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    shard: Shard = WHOLE
    retries: int = 1
    batch: int = 1
    keep_parts: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ConfigError(f"--seed must be 0 to {_LARGEST_SEED}, not {self.seed}")
        if self.size is not None and any(side < _SMALLEST_SIDE_PX or side % 2 for side in self.size):
            width, height = self.size
            raise ConfigError(
                f"--size must be two even sides of at least {_SMALLEST_SIDE_PX} px, not {width}x{height}"
            )


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Read options of a system, ``key=value``; a value is TOML where it can be read as such, else text.

    Raises:
        ConfigError: there is no ``=``, or a key comes twice.

    Example:
        >>> parse_options(["steps=50", "mode=fast", "motion.eta=0.5"])
        {'steps': 50, 'mode': 'fast', 'motion.eta': 0.5}
    """
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set takes key=value, not {text!r}")
        if key.strip() in options:
            raise ConfigError(f"--set {key.strip()} is given twice")
        options[key.strip()] = parse_value(value)
    return options
