"""What a pickle may cost that another reader loads: torch's, or one that lets in no class at all.

Such readers bound what is called. How long it takes they do not: forty tuples, each of the last one twice, are a few
bytes whose hash never ends, and a list may be ten times the same list of ten times the same. So the opcodes are
followed first, as :mod:`madata.pickles` does, without making anything of the classes they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from madata.pickle_machine import DICTS, Machine, Name, NotPlainError, Source, count_of

__all__ = ["MAX_WALKED", "refuse_endless"]

MAX_WALKED = 2_000_000
"""Values in a pickle, written out, with what its calls are given; a file of 20,000 tensors has some 300,000."""
_MAX_EXPANDED = 200_000_000
"""Numbers of a tensor that repeats the few it stores."""


def refuse_endless(stream: IO[bytes], size: int, pickles: int = 1) -> None:
    """Hold a pickle that another reader is going to load against what it may cost; nothing is made of it.

    Unlike :func:`load_plain` it may name any class: what that is allowed to be, its reader decides.

    Args:
        stream: at its beginning; several pickles may follow each other.
        size: bytes in the stream.
        pickles: how many follow each other.

    Raises:
        NotPlainError: it is damaged, hashes what is no plain key, or comes to more than ``MAX_WALKED`` values.
    """
    source = Source(stream, size)
    try:
        for _ in range(pickles):
            machine = _Weigher(source, None)
            machine.walk(machine.run())
    except NotPlainError:
        raise
    except Exception as error:  # as in load_plain
        raise NotPlainError(f"it is damaged ({type(error).__name__}: {str(error)[:120]})") from error


@dataclass(eq=False)
class _Thing:
    """Stands for whatever a class or a function gives, with the state that was set last."""

    state: Any = None


@dataclass(eq=False)
class _Weigher(Machine):
    """Follows a pickle of classes it does not know, and counts what there is to walk through."""

    left: int = MAX_WALKED

    def walk(self, value: Any) -> None:
        """Count the values in ``value``, written out.

        Raises:
            NotPlainError: all that was walked comes to more than ``MAX_WALKED``; what holds itself has no end.
        """
        ahead = [value]
        while ahead:
            item = ahead.pop()
            if isinstance(item, _Thing):
                item = (item.state,)
            inside = (
                item.values() if isinstance(item, dict) else item if isinstance(item, (list, tuple)) else ()
            )
            self.left -= 1 + len(inside)
            if self.left < 0:
                raise NotPlainError(f"written out it holds more than {MAX_WALKED} values")
            ahead += inside

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], _Thing):
            super().extend(items)

    def update(self, items: list[Any]) -> None:
        pairs = self.pairs_of(items)
        if not isinstance(self.stack[-1], _Thing):
            self.stack[-1] |= pairs

    def _called(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        self.walk(arguments)  # a function may walk, or hash, what it is given
        if (name.module, name.name) in DICTS:
            return super()._called(name, arguments)
        if name.name in ("set", "frozenset", "Counter"):
            self.pairs_of([item for argument in arguments for key in argument for item in (key, None)])
        self.spend(sum(len(argument) for argument in arguments if isinstance(argument, (str, bytes))))
        if name.name == "bytearray" and any(isinstance(argument, int) for argument in arguments):
            raise NotPlainError("it asks for memory without an end")
        if name.name.startswith("_rebuild_tensor"):
            size, stride = arguments[2:4]
            if min(stride, default=1) == 0 and count_of(size) > _MAX_EXPANDED:
                raise NotPlainError(f"it holds a tensor of shape {size}")
        return _Thing()

    def new(self) -> None:
        self.call()

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Thing):
            target.state = state

    def storage(self) -> None:
        self.stack[-1] = _Thing()
