"""From what a user types to a system.

| typed | means |
|---|---|
| ``edge`` | a system installed under the entry-point group ``madance.systems``, or decorated in this process |
| ``cascade:edge+wan-animate`` | a motion and an animation system, each any of these, joined |
| ``./my_method.py:MyMethod`` | a class or a decorated function of a file (the only one, without ``:MyMethod``) |
| ``./their_method.toml`` | a command that makes each clip (:mod:`evaluation.systems.command`) |
| ``./results/mine`` | a folder of finished files ``<clip_id>.*`` |

Only the system asked for is imported; whatever goes wrong with it is a :class:`MadanceError` that names it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from evaluation.systems.cascade import Cascade, joint_card, stage_options
from evaluation.systems.contract import Task
from evaluation.systems.entries import InstalledSystem, installed
from evaluation.systems.folder import FolderSystem
from evaluation.systems.foreign import guarded
from evaluation.systems.plugin import DECORATED, Declaration, Origin, Plugin, declaration_of
from madata.errors import MadanceError, did_you_mean
from madata.plugins import refuse_foreign

__all__ = ["choose_task", "find"]

_CASCADE = "cascade:"


def find(spec: str) -> Plugin:
    """The system a user means.

    Raises:
        MadanceError: there is none of that name (the nearest are named), the name is taken twice (both are
            named), or it cannot be loaded (its error is given).

    Example:
        >>> find("ground-truth").declaration.tasks
        ('motion', 'animation', 'video')
    """
    if spec.startswith(_CASCADE):
        return _cascade(spec)
    path, colon, name = spec.rpartition(":")
    if colon and path.endswith(".py"):
        return _file(Path(path), name)
    if spec.endswith(".py"):
        return _file(Path(spec), None)
    if spec.endswith(".toml"):
        return _command(Path(spec))
    entries = [entry for entry in installed() if entry.name == spec]
    if spec in DECORATED and not entries:
        return _decorated(spec)
    if not entries:
        if Path(spec).is_dir():
            return _folder(Path(spec))
        raise MadanceError(_unknown(spec))
    entry = entries[0]
    if Path(spec).is_dir() and "/" not in spec:
        raise MadanceError(
            f"{spec!r} is a system ({entry.origin}) and a folder here; write ./{spec} for the folder"
        )
    return _installed(entry)


def choose_task(plugin: Plugin, wanted: Task | None) -> Task:
    """The task to run: the one wanted, or the only one there is.

    Raises:
        MadanceError: it cannot do that, or it can do several and none was chosen.
    """
    tasks = plugin.declaration.tasks
    if wanted is None and len(tasks) == 1:
        return tasks[0]
    if wanted in tasks:
        return wanted
    can = ", ".join(tasks)
    raise MadanceError(
        f"{plugin.name} does {can}: choose with --task"
        if wanted is None
        else f"{plugin.name} does {can}, not {wanted}"
    )


def _unknown(spec: str) -> str:
    names = sorted({entry.name for entry in installed()} | set(DECORATED))
    hint = "; nor is there such a folder" if "/" in spec else did_you_mean(spec, names)
    return f"there is no system {spec!r}{hint} (madance systems lists them)"


def _installed(entry: InstalledSystem) -> Plugin:
    if entry.error:
        raise MadanceError(f"the system {entry.name!r} ({entry.origin}) cannot be used: {entry.error}")
    module_name, _, attribute = entry.value.partition(":")
    lacking = f"; missing: {'; '.join(entry.missing)}" if entry.missing else ""
    try:
        target: Any = guarded(entry.name, f"importing {module_name}", importlib.import_module, module_name)
    except MadanceError as error:
        refuse_foreign(module_name.partition(".")[0])  # where that is why, it says so
        raise MadanceError(f"the system {error} [{entry.origin}]{lacking}") from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise MadanceError(f"the system {entry.name!r}: {entry.value}: there is no {part!r}")
        target = getattr(target, part)
    file = inspect.getsourcefile(target) if inspect.isclass(target) or inspect.isfunction(target) else None
    origin = Origin(
        "entry point", entry.value, entry.distribution, entry.version, _sha256(Path(file)) if file else None
    )
    plugin = _plugin(target, entry.name, origin)
    return replace(plugin, declaration=replace(plugin.declaration, name=entry.name))


def _decorated(name: str) -> Plugin:
    target = DECORATED[name]
    file = inspect.getsourcefile(target)
    where = f"{target.__module__}:{target.__qualname__}"
    origin = Origin("decorator", where, sha256=_sha256(Path(file)) if file and Path(file).is_file() else None)
    return _plugin(target, name, origin)


def _folder(path: Path) -> Plugin:
    probe = FolderSystem(path)
    declaration = Declaration(path.resolve().name, (probe.task,), FolderSystem.card)
    return Plugin(declaration, Origin("folder", path.resolve().name), lambda: FolderSystem(path))


def _command(path: Path) -> Plugin:
    from evaluation.systems.command import CommandFile, CommandSystem  # no other system needs it

    says = CommandFile.read(path)

    def make(**options: Any) -> CommandSystem:
        """Options are those that the file has."""
        return CommandSystem(path, says, options)

    return Plugin(says.declaration, Origin("command", path.name, sha256=_sha256(path)), make)


def _file(path: Path, name: str | None) -> Plugin:
    if not path.is_file():
        raise MadanceError(f"{path}: no such file")
    module = guarded(path.name, "importing it", _import_file, path)
    origin = Origin("file", f"{path.name}:{name}" if name else path.name, sha256=_sha256(path))
    # what a file declares is reached through the file alone
    declared = [key for key, target in DECORATED.items() if target.__module__ == module.__name__]
    own = [DECORATED.pop(key) for key in declared]
    if name is None:
        if len(own) != 1:
            names = ", ".join(sorted(target.__qualname__ for target in own)) or "none"
            raise MadanceError(f"{path}: name one of its systems, as {path}:NAME (decorated are: {names})")
        target: Any = own[0]
    else:
        target = getattr(module, name, None)
        if target is None:
            public = [key for key in vars(module) if not key.startswith("_")]
            raise MadanceError(f"{path}: has no {name!r}{did_you_mean(name, public)}")
    return _plugin(target, name or target.__name__, origin)


def _plugin(target: Any, name: str, origin: Origin) -> Plugin:
    return Plugin(declaration_of(target, name), origin, target, answers=inspect.isfunction(target))


def _import_file(path: Path) -> ModuleType:
    """Run a file as a module; files beside it can be imported, after everything that is installed."""
    name = f"madance_file_{path.stem}_{_sha256(path.resolve())[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded as a module")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cascade(spec: str) -> Plugin:
    parts = spec.removeprefix(_CASCADE).split("+")
    if len(parts) != 2 or not all(parts):
        raise MadanceError(
            f"{spec!r}: expected cascade:MOTION+ANIMATION, for example cascade:edge+wan-animate"
        )
    motion, animation = find(parts[0]), find(parts[1])
    for plugin, task in ((motion, "motion"), (animation, "animation")):
        if task not in plugin.declaration.tasks:
            raise MadanceError(
                f"{spec}: {plugin.name} does {', '.join(plugin.declaration.tasks)}, not {task}"
            )

    def make(**options: Any) -> Cascade:
        """Options are those of the stages, with ``motion.`` or ``animation.`` in front."""
        stages = stage_options(options)
        return Cascade(
            motion.make(stages["motion"]),
            animation.make(stages["animation"]),
            motion_fps=motion.declaration.fps,
        )

    declarations = (motion.declaration, animation.declaration)
    declaration = Declaration(
        name=f"{motion.name}+{animation.name}",
        tasks=("video",),
        card=joint_card(motion.declaration.card, animation.declaration.card),
        weights=tuple(dict.fromkeys(name for each in declarations for name in each.weights)),
        fps=animation.declaration.fps,
        size=animation.declaration.size,
        needs_truth=any(each.needs_truth for each in declarations),
    )
    hashes = [plugin.origin.sha256 or "" for plugin in (motion, animation)]
    origin = Origin(
        "cascade",
        f"{motion.origin.where} + {animation.origin.where}",
        " + ".join(plugin.origin.distribution or plugin.origin.kind for plugin in (motion, animation)),
        " + ".join(plugin.origin.version or "-" for plugin in (motion, animation)),
        hashlib.sha256("+".join(hashes).encode()).hexdigest(),
    )
    return Plugin(declaration, origin, make)
