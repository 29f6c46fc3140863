"""A part of a job that several machines share, without a word between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from madata.errors import ConfigError
from madata.seeds import seed_of

__all__ = ["WHOLE", "Shard"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``, from 1.

    Raises:
        ConfigError: there is no such part.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a part that is none."""
        if not 1 <= self.index <= self.count:
            raise ConfigError(
                f"--shard {self.index}/{self.count}: expected 1/{self.count} to {self.count}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Example:
            >>> Shard.parse("2/4")
            Shard(index=2, count=4)
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal()):
            raise ConfigError(f"--shard {text}: expected I/N, for example 1/4")
        return cls(int(index), int(count))

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every ``count``-th item.

        Example:
            >>> Shard(2, 3).of("abcdefg")
            ['b', 'e']
        """
        return list(items[self.index - 1 :: self.count])

    def has(self, key: str) -> bool:
        """Whether what is called ``key`` is in this part: by a hash, so that nothing else need be known.

        Example:
            >>> [index for index in (1, 2, 3) if Shard(index, 3).has("clip-7")]
            [2]
        """
        return seed_of(0, key) % self.count == self.index - 1


WHOLE = Shard()
"""All of it."""
