"""What is installed in the entry-point group ``madance.systems``, told without importing any of it.

Names, distributions and versions come from package metadata. Task and weights are read off the source text:
literals in the decorator or in the class. What cannot be read that way is left open, never guessed.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from evaluation.systems.contract import Task, tasks_of
from madata.text import visible

__all__ = ["GROUP", "InstalledSystem", "describe_installed", "installed"]

GROUP = "madance.systems"
_HOPS = 4
_LARGEST_SOURCE = 4 << 20


@dataclass(frozen=True)
class InstalledSystem:
    """One installed system.

    Attributes:
        tasks: empty where the source does not say.
        value: ``module:object`` it comes from.
        missing: what must be installed or fetched first, each with the command.
        stand_in: what it runs with for now, and what would make it the real one, with the command.
        error: why it cannot be used at all.
    """

    name: str
    value: str
    distribution: str | None
    version: str | None
    tasks: tuple[Task, ...] = ()
    missing: tuple[str, ...] = ()
    stand_in: str | None = None
    error: str | None = None

    @property
    def origin(self) -> str:
        """Entry point and distribution in words."""
        return (
            f"{self.value} of {self.distribution or 'an unknown distribution'} {self.version or ''}".rstrip()
        )


def installed() -> list[InstalledSystem]:
    """Every installed system by name; a name taken twice is in the list twice, each with the error."""
    entries: list[InstalledSystem] = []
    for point in entry_points(group=GROUP):
        try:
            entry = _entry(point)
        except Exception as error:  # metadata and import hooks of others may raise anything
            entry = InstalledSystem(
                point.name, point.value, None, None, error=f"cannot be looked at: {error!r}"
            )
        if not any((entry.name, entry.origin) == (other.name, other.origin) for other in entries):
            entries.append(entry)
    entries.sort(key=lambda entry: (entry.name, entry.origin))
    return [_judged(entry, entries) for entry in entries]


def describe_installed() -> list[str]:
    """Which systems can run now, and which cannot, one line each; shown by ``madance doctor``."""
    entries = installed()
    ready = [
        f"{visible(entry.name)} ({visible(entry.stand_in.split(';')[0])})"
        if entry.stand_in
        else visible(entry.name)
        for entry in entries
        if not entry.missing and not entry.error
    ]
    lacking = [visible(entry.name) for entry in entries if entry.missing or entry.error]
    lines = [f"you can generate with: {', '.join(ready) or 'no system that is installed'}"]
    if lacking:
        lines.append(
            f"you cannot yet generate with: {', '.join(lacking)}; madance systems says what each lacks and the command"
        )
    return lines


def _judged(entry: InstalledSystem, entries: list[InstalledSystem]) -> InstalledSystem:
    rivals = [other.origin for other in entries if other.name == entry.name and other != entry]
    if not rivals:
        return entry
    return replace(
        entry, error=f"the name is taken twice: by {entry.origin} and by {', '.join(rivals)}; uninstall one"
    )


def _entry(point: EntryPoint) -> InstalledSystem:
    dist = point.dist
    value = re.sub(r"\s*\[.*\]$", "", point.value)
    entry = InstalledSystem(point.name, value, dist.name if dist else None, dist.version if dist else None)
    module, colon, attribute = value.partition(":")
    if not colon or not attribute:
        return replace(entry, error=f"the entry point {value!r} names no object (expected module:object)")
    try:
        facts = _read(module, attribute.split(".")[0])
    except _Unusable as error:
        return replace(entry, error=str(error))
    extras = tuple(dict.fromkeys(line for extra in point.extras for line in _lacking_extra(dist, extra)))
    packages = tuple(f"{name} is not installed" for name in facts.imports if not _importable(name))
    weights, stand_in = _lacking_weights(facts.weights), None
    if weights and facts.stand_in:
        stand_in, weights = f"{facts.stand_in}; for the real one, {'; '.join(weights)}", ()
    return replace(entry, tasks=facts.tasks, missing=(*extras, *packages, *weights), stand_in=stand_in)


class _Unusable(Exception):
    """The entry point cannot be loaded, whoever tries."""


@dataclass(frozen=True)
class _Facts:
    tasks: tuple[Task, ...] = ()
    weights: tuple[str, ...] = ()
    stand_in: str | None = None
    imports: tuple[str, ...] = ()


def _read(module: str, name: str, hops: int = _HOPS) -> _Facts:
    """What the source of ``module`` says of its object ``name``; a re-export is followed."""
    spec = _spec(module)
    if spec is None:
        raise _Unusable(f"there is no module {module!r}")
    path = Path(spec.origin or "")
    if path.suffix != ".py" or not path.is_file() or path.stat().st_size > _LARGEST_SOURCE:
        return _Facts()
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _Unusable(f"{path.name} is not valid Python: {error}") from None
    imports = tuple(dict.fromkeys(_imports(tree)))
    node, is_open = _definition(tree, name)
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return replace(_facts(node), imports=imports)
    if isinstance(node, ast.ImportFrom):
        source = _absolute(node, module, path)
        original = next(alias.name for alias in node.names if name in (alias.asname, alias.name))
        return _read(source, original, hops - 1) if hops and source else _Facts(imports=imports)
    if node is None and not is_open:
        raise _Unusable(f"the module {module!r} has no {name!r}")
    return _Facts(imports=imports)


def _definition(tree: ast.Module, name: str) -> tuple[ast.stmt | None, bool]:
    """The last statement that binds ``name``, and whether names may come from elsewhere as well."""
    found: ast.stmt | None = None
    is_open = False
    for node in _statements(tree.body):
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                found = node
            case ast.ImportFrom() | ast.Import():
                is_open |= any(alias.name == "*" for alias in node.names)
                if any(name == (alias.asname or alias.name.split(".")[0]) for alias in node.names):
                    found = node
            case ast.Assign() if any(
                isinstance(target, ast.Name) and target.id == name for target in node.targets
            ):
                found = node
            case ast.FunctionDef(name="__getattr__"):
                is_open = True
    return found, is_open


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import, those inside ``if`` and ``try`` included."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            for block in (node.body, node.orelse, getattr(node, "finalbody", [])):
                yield from _statements(block)
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Top-level names of packages without which the import fails: unconditional, absolute imports."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = base[: len(base) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _facts(node: ast.ClassDef | ast.FunctionDef) -> _Facts:
    said: dict[str, ast.expr] = {}
    for statement in node.body if isinstance(node, ast.ClassDef) else []:
        match statement:
            case ast.Assign(targets=[ast.Name(id=key)], value=value):
                said[key] = value
            case ast.AnnAssign(target=ast.Name(id=key), value=ast.expr() as value):
                said[key] = value
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="system") | ast.Attribute(attr="system"), keywords=keywords):
                said |= {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
    tasks, weights = _literal(said.get("task")), _literal(said.get("weights"))
    try:
        named = tasks_of(tasks) if tasks is not None else ()
    except ValueError as error:
        raise _Unusable(str(error)) from None
    stand_in = _literal(said.get("stand_in"))
    return _Facts(
        named,
        tuple(map(str, weights)) if isinstance(weights, (tuple, list)) else (),
        stand_in if isinstance(stand_in, str) else None,
    )


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _spec(module: str) -> ModuleSpec | None:
    """Where a module lies; unlike :func:`importlib.util.find_spec`, no parent package is imported."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(len(parts)):
        spec = _find(".".join(parts[: depth + 1]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if hasattr(finder, "find_spec") and (spec := finder.find_spec(name, path)) is not None:
            return spec
    return PathFinder.find_spec(name, path)


def _importable(name: str) -> bool:
    return name in sys.modules or name in vars(builtins) or _spec(name) is not None


_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _lacking_extra(dist: Distribution | None, extra: str) -> Iterator[str]:
    """What an extra of ``dist`` needs and is not there."""
    if dist is None:
        return
    name, lines = dist.name or "", dist.requires or []  # each is read from the file anew
    lacking = [other for other in dict.fromkeys(_members(name, lines, extra, set())) if not _has(other)]
    if lacking:
        yield f"{', '.join(lacking)} (pip install '{name}[{extra}]')"


def _members(name: str, lines: Sequence[str], extra: str, seen: set[str]) -> Iterator[str]:
    """Distributions behind an extra of ``name``, which requires ``lines``; an extra may name others of its own."""
    seen.add(extra)
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match is None or not re.search(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]", line):
            continue
        if match.group().lower() == name.lower():
            inner = re.search(r"\[([^\]]*)\]", line)
            for other in inner.group(1).split(",") if inner else []:
                if other.strip() not in seen:
                    yield from _members(name, lines, other.strip(), seen)
        else:
            yield match.group()


def _has(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _lacking_weights(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    from madata.weights import folders, known, locate

    entries = {entry.name: entry for entry in known()}
    lacking = []
    for name in names:
        entry = entries.get(name)
        if entry is not None and locate(entry) is None:
            lacking.append(f"weights {name} (run: {entry.command})")
        elif entry is None and not any((folder / name).exists() for folder in folders()):
            lacking.append(f"weights {name} (put the file into {folders()[0]})")
    return tuple(lacking)
