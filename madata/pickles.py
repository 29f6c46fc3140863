"""Pickles, read as data: plain containers, numbers, text and arrays, and nothing that could run or never end.

A pickle is a program. Here it is only parsed: its opcodes are read one by one (:mod:`pickletools`) and values are put
together by :mod:`madata.pickle_machine`; no name in it is ever imported, no object of a class is made, no function is
called. Known names stand for arrays (numpy's, joblib's, and those of PyTorch's archives) and for plain dictionaries;
any other name ends the reading.

Cost is bounded before it arises. A few bytes of pickle can say "a list of ten times the same list of ten times the
same ...", which is cheap to hold and endless to walk, to print or to compare: what a value comes to when it is written
out is counted, and refused beyond ``MAX_NODES``; until then nothing but a text or a number is printed or compared.
Lengths are held against the bytes that are there before anything is read, what is copied out of one text again and
again against the room a file may unpack to. A key of a dictionary is a number or a text, or a short tuple of these,
whose hash is cheap, and so few and so small that they cannot all have the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from madata.pickle_machine import ArrayDraft, DtypeDraft, Machine, Name, NotPlainError, Source, Storages

__all__ = ["MAX_DEPTH", "MAX_NODES", "NotPlainError", "load_plain"]

MAX_NODES = 20_000_000
"""Values in a pickle, written out; an array counts once."""
MAX_DEPTH = 100
_CONTAINER_BYTES = 400


def load_plain(stream: IO[bytes], size: int, storages: Storages | None = None) -> Any:
    """The value of a pickle: ``None``, numbers, texts, bytes, lists, tuples, dictionaries, numpy arrays.

    Arrays of Python objects come as flat lists; tensors of a PyTorch archive as numpy arrays.

    Args:
        stream: the pickle, at its beginning.
        size: bytes in the stream.
        storages: where the tensors of a PyTorch archive lie; without it, tensors are refused.

    Raises:
        NotPlainError: see there.

    Example:
        >>> import io, pickle
        >>> content = pickle.dumps({"trans": [0.0, 1.0]})
        >>> load_plain(io.BytesIO(content), len(content))
        {'trans': [0.0, 1.0]}
    """
    source = Source(stream, size)
    try:
        machine = Machine(source, storages)
        return _Resolver(machine.spend).value(machine.run())
    except NotPlainError:
        raise
    except RecursionError:
        raise NotPlainError("it is nested too deep") from None
    except Exception as error:  # pickletools and ours alike: a damaged stream fails in a hundred ways
        raise NotPlainError(f"it is damaged ({type(error).__name__}: {str(error)[:120]})") from error


@dataclass
class _Resolver:
    """Puts the arrays in place of their drafts, each container once, and counts what it all comes to."""

    spend: Callable[[int], None]
    known: dict[int, tuple[Any, int]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def value(self, root: Any) -> Any:
        """The finished value.

        Raises:
            NotPlainError: it holds itself, is too deep or too much, or a name that stands for nothing.
        """
        return self._resolved(root, 0)[0]

    def _resolved(self, value: Any, depth: int) -> tuple[Any, int]:
        """A finished value and the number of values in it, written out."""
        if isinstance(value, (Name, DtypeDraft)):
            raise NotPlainError(f"it holds {value}, which is no data")
        if not isinstance(value, (list, tuple, dict, ArrayDraft)):
            return value, 1
        key = id(value)
        if key in self.known:
            return self.known[key]
        if key in self.open:
            raise NotPlainError("it holds itself")
        if depth > MAX_DEPTH:
            raise NotPlainError(f"it is nested more than {MAX_DEPTH} deep")
        self.spend(_CONTAINER_BYTES)
        self.open.add(key)
        found = self._container(value, depth + 1)
        if found[1] > MAX_NODES:
            raise NotPlainError(f"written out it holds more than {MAX_NODES} values")
        self.open.discard(key)
        self.known[key] = found
        return found

    def _container(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, ArrayDraft):
            if value.fill is None:
                raise NotPlainError("it announces an array and does not give it")
            return self._resolved(value.fill(), depth)
        items = list(value.values()) if isinstance(value, dict) else list(value)
        parts = [self._resolved(item, depth) for item in items]
        count = 1 + sum(size for _, size in parts)
        values = [part for part, _ in parts]
        if isinstance(value, dict):
            return dict(zip(value, values, strict=True)), count
        return (values if isinstance(value, list) else tuple(values)), count
