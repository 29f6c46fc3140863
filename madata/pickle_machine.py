"""The machine of a pickle: its opcodes are followed, known names stand for arrays and dictionaries, nothing is called.

What it bounds and why is said in :mod:`madata.pickles`.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from madata.limits import reading_limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["NotPlainError", "Storages"]

_MAX_OPCODES = 10_000_000
_MAX_BITS = 128
"""Of a number: that of a random generator has 128. Longer ones are slow to multiply and to print."""
_MAX_KEY = 1 << 60
"""A number below it is its own hash; any beyond is taken for another's, as often as one likes."""
_MAX_TUPLE_KEYS = 5_000
_MAX_PARTS = 16
_MAX_PLACE = 1 << 32
_PAIR_BYTES = 100
_SHOWN = 60
_DTYPE = re.compile(r"[<>|=]?(?:[biufc]\d{1,2}|[SU]\d{1,6}|b1|O8?)")
DICTS = {
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("builtins", "dict"),
    ("__builtin__", "dict"),
}
_TORCH_DTYPES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip

Storages = Callable[[str], bytes]
"""Raw bytes of a tensor storage of a PyTorch archive, by key."""


class NotPlainError(ValueError):
    """The pickle is damaged, asks for something that is not plain data, or would cost without bound."""


class Source:
    """The stream, whose lengths are believed only where the bytes are there."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise NotPlainError(f"it ends early: {count} bytes are announced, {self._left} are left")
        data = self._stream.read(count)
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        data = self._stream.readline(self._left)
        self._left -= len(data)
        return data

    def tell(self) -> int:
        """Where it stands; :mod:`pickletools` asks."""
        return self._stream.tell()


@dataclass(frozen=True)
class Name:
    """A name the pickle asks for; what stands for it is decided where it is used."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module[:_SHOWN]}.{self.name[:_SHOWN]}"


@dataclass(eq=False)
class DtypeDraft:
    code: str
    order: str = "|"

    def numpy(self) -> np.dtype[Any]:
        import numpy as np

        if not _DTYPE.fullmatch(self.code):
            raise NotPlainError(f"it holds an array of type {self.code!r}")
        found = np.dtype(self.code)
        return found.newbyteorder(self.order) if self.order in "<>" else found  # type: ignore[arg-type]


@dataclass(eq=False)
class ArrayDraft:
    """An array that is announced first and filled later; ``fill`` gives it."""

    fill: Callable[[], Any] | None = None


@dataclass(eq=False)
class _JoblibDraft(ArrayDraft):
    """joblib's wrapper: the numbers follow in the stream, behind the opcode that fills it."""


@dataclass(eq=False)
class Machine:
    """The stack, the marks and the memo of one pickle."""

    source: Source
    storages: Storages | None
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    room: int = field(default_factory=lambda: reading_limits().unpacked_bytes)
    tuple_keys: int = _MAX_TUPLE_KEYS

    def run(self) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.source)):  # type: ignore[arg-type]
            if count > _MAX_OPCODES:
                raise NotPlainError(f"it has more than {_MAX_OPCODES} steps")
            if opcode.name == "STOP":
                return self.stack.pop()
            self._step(opcode.name, argument)
        raise NotPlainError("it ends early")

    def _step(self, name: str, argument: Any) -> None:
        if isinstance(argument, int) and argument.bit_length() > _MAX_BITS:
            raise NotPlainError(f"it holds a number of {argument.bit_length()} bits")
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise NotPlainError(f"it holds what is no plain data ({name})")

    def marked(self) -> list[Any]:
        """What was pushed since the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def collect(self, make: Callable[[list[Any]], Any]) -> None:
        """One container of what was pushed since the last mark, on the stack below it."""
        items = self.marked()
        self.stack.append(make(items))

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def remember(self, place: int | None) -> None:
        place = len(self.memo) if place is None else place
        if not 0 <= place < _MAX_PLACE:
            raise NotPlainError(f"it remembers a value as number {place}")
        self.memo[place] = self.stack[-1]

    def spend(self, size: int) -> None:
        """Count bytes that are going to be made of what is there already.

        Raises:
            NotPlainError: all of it together is more than a file may unpack to.
        """
        self.room -= size
        if self.room < 0:
            raise NotPlainError("it unpacks to more than a file may (MADANCE_LIMITS unpacked_bytes)")

    def pairs_of(self, items: list[Any]) -> dict[Any, Any]:
        """Keys and values in turn."""
        keys = items[::2]
        for key in keys:
            if isinstance(key, tuple):
                self.tuple_keys -= 1
                if self.tuple_keys < 0 or len(key) > _MAX_PARTS:
                    raise NotPlainError("too many keys of its dictionaries are tuples, or too long ones")
            for part in key if isinstance(key, tuple) else (key,):
                if part is not None and not isinstance(part, (str, bytes, int, float)):
                    raise NotPlainError(f"a key of a dictionary is a {type(key).__name__}")
                if isinstance(part, int) and abs(part) >= _MAX_KEY:
                    raise NotPlainError("a key of a dictionary is a number beyond measure")
        return dict(zip(keys, items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise NotPlainError("it appends to what is no list")
        target.extend(items)

    def update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise NotPlainError("it sets a key of what is no dictionary")
        target |= self.pairs_of(items)

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise NotPlainError("it calls what is no name")
        self.stack.append(self._called(function, arguments))

    def _called(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        asked = (name.module.replace("numpy._core", "numpy.core"), name.name)
        if asked in (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray")):
            return ArrayDraft()
        if asked == ("numpy", "dtype"):
            return DtypeDraft(_text(arguments[0]))
        if asked == ("numpy.core.multiarray", "scalar"):
            return self._array(arguments[0], (), arguments[1]).reshape(())[()]
        if asked == ("numpy.core.numeric", "_frombuffer"):
            return self._array(arguments[1], arguments[2], arguments[0], _text(arguments[3]))
        if asked == ("_codecs", "encode"):
            self.spend(len(_text(arguments[0])))
            return _text(arguments[0]).encode("latin1")
        if asked in (("__builtin__", "bytes"), ("builtins", "bytes")) and not arguments:
            return b""
        if asked in DICTS:
            return self._dictionary(arguments[0]) if arguments and isinstance(arguments[0], list) else {}
        if asked in (("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")):
            return self._tensor(*arguments[:4]) if asked[1] == "_rebuild_tensor_v2" else arguments[0]
        raise NotPlainError(f"it wants to call {name}")

    def _dictionary(self, pairs: list[Any]) -> dict[Any, Any]:
        self.spend(len(pairs) * _PAIR_BYTES)
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise NotPlainError("it makes a dictionary of what are no pairs")
        return self.pairs_of([item for pair in pairs for item in pair])

    def new(self) -> None:
        _, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Name) or (name.module, name.name) != (
            "joblib.numpy_pickle",
            "NumpyArrayWrapper",
        ):
            raise NotPlainError(f"it wants to make a {name if isinstance(name, Name) else 'thing'}")
        self.stack.append(_JoblibDraft())

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _JoblibDraft) and isinstance(state, dict):
            array = self._joblib_array(state)
            target.fill = lambda: array
        elif isinstance(target, ArrayDraft) and isinstance(state, tuple):
            shape, dtype, fortran, data = state[-4:]
            target.fill = lambda: self._array(dtype, shape, data, "F" if fortran else "C")
        elif isinstance(target, DtypeDraft) and isinstance(state, tuple):
            if any(part is not None for part in state[2:5]):
                raise NotPlainError("it holds an array of records")
            target.order = _text(state[1])
        elif isinstance(target, dict) and isinstance(state, dict):
            pass  # attributes of a dictionary: torch notes there which modules its tensors come from
        else:
            raise NotPlainError("it sets the state of an object")

    def _joblib_array(self, state: Mapping[str, Any]) -> Any:
        """The numbers behind the opcode: in newer files after one byte that says how many to skip."""
        if state.get("numpy_array_alignment_bytes") is not None:
            self.source.read(self.source.read(1)[0])
        dtype, shape = state["dtype"], state["shape"]
        count = count_of(shape) * dtype.numpy().itemsize
        return self._array(dtype, shape, self.source.read(count), _text(state.get("order", "C")))

    def _array(self, dtype: Any, shape: Any, data: Any, order: str = "C") -> Any:
        """An array of its raw bytes; one of Python objects is a flat list."""
        import numpy as np

        if not isinstance(dtype, DtypeDraft):
            raise NotPlainError("it holds an array of no type")
        kind, count = dtype.numpy(), count_of(shape)
        if kind.hasobject:
            if not isinstance(data, list) or len(data) != count:
                raise NotPlainError("it holds an array of Python objects")
            return data[0] if shape == () else data
        self.spend(count * kind.itemsize)
        raw = data.encode("latin1") if isinstance(data, str) else data  # text: a pickle of Python 2
        if (
            isinstance(raw, ArrayDraft)
            or not isinstance(raw, (bytes, bytearray))
            or len(raw) != count * kind.itemsize
        ):
            raise NotPlainError(f"it holds an array of shape {shape} whose numbers are not there")
        return np.frombuffer(bytearray(raw), kind).reshape(shape, order="F" if order == "F" else "C")

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> npt.NDArray[Any]:
        import numpy as np

        count = count_of(size)
        if (
            not isinstance(storage, np.ndarray)
            or not isinstance(stride, tuple)
            or len(size) != len(stride)
            or not all(type(step) is int and 0 <= step < _MAX_PLACE for step in (offset, *stride))
        ):
            raise NotPlainError("it holds a tensor that is none")
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count and last >= len(storage):
            raise NotPlainError("it holds a tensor that reaches beyond its storage")
        if not count:
            return np.empty(size, storage.dtype)
        steps = tuple(step * storage.itemsize for step in stride)
        self.spend(count * storage.itemsize)  # strides of 0 repeat a few numbers without end
        return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()

    def storage(self) -> None:
        """A tensor's numbers in a PyTorch archive, by persistent id ``("storage", type, key, device, size)``."""
        pid = self.stack.pop()
        if self.storages is None or not isinstance(pid, tuple) or len(pid) < 3 or pid[0] != "storage":
            raise NotPlainError("it refers to data outside of itself")
        kind = pid[1]
        if not isinstance(kind, Name) or kind.name not in _TORCH_DTYPES:
            raise NotPlainError(f"it holds tensors of type {kind if isinstance(kind, Name) else 'nothing'}")
        import numpy as np

        data = self.storages(_text(pid[2]))
        self.spend(len(data))
        self.stack.append(np.frombuffer(data, _TORCH_DTYPES[kind.name]))


_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict,
}  # fmt: skip
_Step = Callable[[Machine, Any], Any]
_STEPS: dict[str, _Step] = {
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.stack.pop() if machine.stack else machine.marked(),
    "POP_MARK": lambda machine, _: machine.marked(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.marked()),
    "LIST": lambda machine, _: machine.collect(list),
    "TUPLE": lambda machine, _: machine.collect(tuple),
    "TUPLE1": lambda machine, _: _tuple(machine, 1),
    "TUPLE2": lambda machine, _: _tuple(machine, 2),
    "TUPLE3": lambda machine, _: _tuple(machine, 3),
    "DICT": lambda machine, _: machine.collect(machine.pairs_of),
    "SETITEM": lambda machine, _: machine.update([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.update(machine.marked()),
    "GET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "PUT": lambda machine, place: machine.remember(place),
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "GLOBAL": lambda machine, names: machine.stack.append(Name(*names.split(" ", 1))),
    "STACK_GLOBAL": lambda machine, _: machine.stack.append(
        Name(*map(_text, [machine.stack.pop(), machine.stack.pop()][::-1]))
    ),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.new(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.storage(),
}


def _tuple(machine: Machine, size: int) -> None:
    items = machine.stack[-size:]
    del machine.stack[-size:]
    machine.stack.append(tuple(items))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotPlainError(f"a name in it is a {type(value).__name__}")
    return value


def count_of(shape: Any) -> int:
    if (
        not isinstance(shape, tuple)
        or len(shape) > 32
        or not all(type(size) is int and 0 <= size < _MAX_PLACE for size in shape)
    ):
        raise NotPlainError("it holds an array of a shape that is none")
    return math.prod(shape)
