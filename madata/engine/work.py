"""What an engine is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["SILENT", "Engine", "Outcome", "Step", "Watch"]

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: its ``value``, or the ``error`` that stopped it.

    ``fatal`` marks an error of the place (a full disk, missing weights), which no other item would escape.
    """

    item: Item
    value: Value | None = None
    error: str | None = None
    fatal: bool = False


class Watch:
    """Told how far a long run is; this one keeps it to itself."""

    def files(self, what: str, done: int, total: int) -> None:
        """How many of the files found are hashed, probed, ...: ``what``."""

    def start(self, seconds: float) -> None:
        """There are so many seconds of video to do, as far as files declare them."""

    def advance(self, seconds: float) -> None:
        """So many more of them are done."""

    def say(self, line: str) -> None:
        """A line about something that is finished."""

    def warn(self, line: str) -> None:
        """A line about something that the results no longer hold."""


SILENT = Watch()


@dataclass(frozen=True)
class Step(Generic[Item, Value]):
    """A part of the work on an item, and what it takes.

    An item is a row of paths and numbers; whatever is large lies in files. A step leaves what the next one needs where
    that finds it, and called again for the same item it does only what is missing.

    Attributes:
        function: a module-level function of the item and of ``report(amount)``.
        device: where its networks run; on another one than ``cpu`` its workers share model servers.
        workers: processes that one call of a scheduler runs, a core each: on a GPU, as many as feed it.
        packages: what its function imports that takes its time.
        batch_size: items that one call of a scheduler takes, where starting costs more than an item.
    """

    name: str
    function: Callable[[Item, Callable[[float], None]], Value]
    device: str = "cpu"
    workers: int = 1
    batch_size: int = 1
    packages: tuple[str, ...] = ()


class Engine(Protocol):
    """Takes items through steps somewhere; outcomes come as they finish, whatever the order."""

    def __call__(
        self,
        steps: Sequence[Step[Any, Any]],
        items: Sequence[Any],
        *,
        jobs: int,
        on_progress: Callable[[float], None] = ...,
    ) -> Iterator[Outcome[Any, Any]]:
        """Run them."""
        ...
