"""From a class or a function to a system that can run: the decorator, the adapter, the origin.

Example:
    >>> @system("still", task="video", card=Card(notes="does not move"))
    ... def still(request):
    ...     return [np.zeros((64, 64, 3), np.uint8)] * request.num_frames
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from evaluation.systems.contract import Card, Output, Request, Task, tasks_of
from evaluation.systems.foreign import contained, guarded, prints_apart
from madata.errors import MadanceError, nearest

__all__ = ["DECORATED", "Declaration", "Loaded", "Origin", "Plugin", "Running", "declaration_of", "system"]

Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """What a system says of itself.

    Attributes:
        weights: names in ``madata/weights.toml``, or paths below a weights folder.
        fps: frame rate it works at; ``None`` is any. Motions are brought to the rate wanted afterwards.
        size: (width, height) px it works at; ``None`` is any.
        needs_truth: it looks at the real clips (sanity rows only).
        stand_in: what it runs with while its weights are not there, in words; ``None``: it does not run then.
    """

    name: str
    tasks: tuple[Task, ...]
    card: Card = field(default_factory=Card)
    weights: tuple[str, ...] = ()
    fps: float | None = None
    size: tuple[int, int] | None = None
    needs_truth: bool = False
    stand_in: str | None = None


DECORATED: dict[str, Callable[..., Any]] = {}
"""Systems declared with the decorator in modules this process has imported."""

_MARK = "__madance_system__"


def system(
    name: str,
    *,
    task: Task | tuple[Task, ...],
    card: Card | None = None,
    weights: tuple[str, ...] = (),
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    needs_truth: bool = False,
    stand_in: str | None = None,
) -> Callable[[Target], Target]:
    """Declare a class, or a function ``request -> output``, to be a system; it is returned unchanged.

    Args:
        name: how the command line and the tables call it.
        task: what it can do.
        card: who made it; the attribute ``card`` of a class by default.
        weights: see :class:`Declaration`, as the rest.

    Raises:
        ValueError: the task is none of the three.
        MadanceError: another object of this process has the name.
    """
    tasks = tasks_of(task)

    def declare(target: Target) -> Target:
        own = card or getattr(target, "card", None) or Card()
        declaration = Declaration(name, tasks, own, weights, fps, size, needs_truth, stand_in)
        other = DECORATED.get(name)
        if other is not None and _place(other) != _place(target):
            raise MadanceError(
                f"the system name {name!r} is taken twice: by {_place(other)} and {_place(target)}"
            )
        setattr(target, _MARK, declaration)
        if inspect.isclass(target):
            for attribute, value in (("task", task), ("card", own)):
                if not hasattr(target, attribute):
                    setattr(target, attribute, value)
        DECORATED[name] = target
        return target

    return declare


def _place(target: Callable[..., Any]) -> str:
    return f"{target.__module__}:{target.__qualname__}"


def declaration_of(target: Any, name: str) -> Declaration:
    """What ``target`` says of itself: the decorator's words, or its attributes; ``name`` where it has none.

    Raises:
        MadanceError: it is no system; the message says what is lacking.
    """
    declared = vars(target).get(_MARK) if hasattr(target, "__dict__") else None
    if isinstance(declared, Declaration):
        return declared
    if inspect.isfunction(target):
        raise MadanceError(f"{name}: a function becomes a system by the decorator @system(name, task=...)")
    if not callable(getattr(target, "generate", None)):
        raise MadanceError(f"{name}: is no system, it has no method generate(request)")
    try:
        tasks = tasks_of(getattr(target, "task", None))
    except ValueError as error:
        raise MadanceError(f"{name}: {error}") from None
    card = getattr(target, "card", None)
    return Declaration(
        name=name,
        tasks=tasks,
        card=card if isinstance(card, Card) else Card(),
        weights=tuple(getattr(target, "weights", ())),
        fps=getattr(target, "fps", None),
        size=getattr(target, "size", None),
        needs_truth=bool(getattr(target, "needs_truth", False)),
    )


@dataclass(frozen=True)
class Origin:
    """Where a system comes from.

    Attributes:
        kind: ``entry point``, ``file``, ``folder``, ``command``, ``decorator`` or ``cascade``.
        where: entry point, or name of the file or folder.
        sha256: of the source file, where there is one.
    """

    kind: str
    where: str
    distribution: str | None = None
    version: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Plugin:
    """A system that was found and can be made.

    Attributes:
        target: makes the system from its options; or is the system, when ``answers`` is set.
        answers: ``target`` is a function ``request -> output``.
    """

    declaration: Declaration
    origin: Origin
    target: Callable[..., Any]
    answers: bool = False

    @property
    def name(self) -> str:
        """The name under which the system is called."""
        return self.declaration.name

    def make(self, options: Mapping[str, Any] | None = None) -> Running:
        """Build the system; ``options`` are keyword arguments of its constructor.

        Raises:
            MadanceError: it takes no such option, or its constructor fails.
        """
        options = dict(options or {})
        if self.answers:
            if options:
                raise MadanceError(
                    f"{self.name}: is a function and takes no options (--set {next(iter(options))})"
                )
            return Running(self.declaration, _Function(self.target))
        self._refuse_options(options)
        return Running(
            self.declaration, guarded(self.name, "its constructor", partial(self.target, **options))
        )

    def _refuse_options(self, options: Mapping[str, Any]) -> None:
        """Compare options with the signature, in the words of the command line."""
        try:
            parameters = inspect.signature(self.target).parameters
        except (TypeError, ValueError):  # a constructor of a compiled module may tell nothing
            return
        named = {
            name: each
            for name, each in parameters.items()
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        }
        takes_more = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        known = f"its options are: {', '.join(named) or 'none'}"
        for name in options:
            if name not in named and not takes_more:
                near = nearest(name, named)
                meant = f"; did you mean {near!r}?" if near else ""
                raise MadanceError(f"{self.name}: --set {name}: it has no such option{meant}; {known}")
        for name, each in named.items():
            if each.default is each.empty and name not in options:
                raise MadanceError(f"{self.name}: needs --set {name}=VALUE; {known}")
        for name, wanted in _plain_types(self.target).items():
            if name in options and not _is_of(options[name], wanted):
                expected = " or ".join(_IN_WORDS[each] for each in wanted)
                raise MadanceError(f"{self.name}: --set {name}: expected {expected}, got {options[name]!r}")


_IN_WORDS = {
    str: "text (in quotes, where it looks like something else)",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def _plain_types(target: Callable[..., Any]) -> dict[str, tuple[type, ...]]:
    """Types of the parameters that take nothing but text, numbers and truth values, where annotations say so."""
    try:
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (
        Exception
    ):  # a stranger's annotation: a name that only a type checker sees, words, whatever it raises
        return {}
    found = {}
    for name, hint in hints.items():
        parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        if name != "return" and all(part in tuple(_IN_WORDS) for part in parts):
            found[name] = parts
    return found


def _is_of(value: Any, wanted: tuple[type, ...]) -> bool:
    """Whether a value is of the types as the command line writes them; others, such as a path, are let pass."""
    if type(value) is int and float in wanted:
        return True
    return type(value) in wanted or not isinstance(value, bool | int | float | str | list | dict)


class _Function:
    """A function as a system."""

    def __init__(self, function: Callable[[Request], Output]) -> None:
        self.generate = function


@dataclass(frozen=True)
class Loaded:
    """Which model a system has loaded: its optional attribute ``loaded`` after ``setup``.

    Attributes:
        label: marks every result made with it; ``None`` for the model that the system's name stands for.
        card: of this model, in place of the declared one.
        weights: the files or folders it was read from.
    """

    label: str | None = None
    card: Card | None = None
    weights: tuple[Path, ...] = ()


class Running:
    """A system made; a missing ``setup`` is an empty one. What it prints goes to standard error."""

    def __init__(self, declaration: Declaration, instance: Any) -> None:
        self.declaration = declaration
        self.instance = instance
        self.task = declaration.tasks if len(declaration.tasks) > 1 else declaration.tasks[0]
        self.card = declaration.card

    @property
    def loaded(self) -> Loaded | None:
        """Which model is loaded; ``None`` before ``setup``, or where the system does not say."""
        loaded = getattr(self.instance, "loaded", None)
        return loaded if isinstance(loaded, Loaded) else None

    def setup(self, device: str) -> None:
        """Load the weights.

        Raises:
            MadanceError: the system cannot start.
        """
        if hasattr(self.instance, "setup"):
            guarded(self.declaration.name, f"setup({device!r})", self.instance.setup, device)

    def generate(self, request: Request) -> Output:
        """Make one clip; whatever the system raises goes on, except that ``SystemExit`` becomes an error."""
        with prints_apart(), contained():
            # a copy: what it makes is held against what was asked, whatever it does to its request
            output: Output = self.instance.generate(copy(request))
        return output

    def generate_many(self, requests: Sequence[Request]) -> list[Output]:
        """Make several clips as one batch, by a system that can; what it raises goes on as from :meth:`generate`.

        Raises:
            ValueError: it gave back another number of clips.
        """
        with prints_apart(), contained():
            outputs: list[Output] = list(self.instance.generate_many([copy(request) for request in requests]))
        if len(outputs) != len(requests):
            raise ValueError(f"generate_many gave {len(outputs)} clips for {len(requests)} requests")
        return outputs
