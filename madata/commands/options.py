"""The options that verbs share, each declared once: same name, same type, same default wherever it stands.

A verb takes what applies to it (``@device_option`` above its function) and says only what is peculiar to it.
``-q`` and ``-v`` need no declaration: the command line gives them to every verb (:func:`with_verbosity`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from madata.devices import usable_cores
from madata.engine import ENGINES
from madata.errors import MadanceError
from madata.shard import Shard

__all__ = [
    "PATH",
    "config_option",
    "device_option",
    "dry_run_option",
    "engine_options",
    "is_quiet",
    "jobs_option",
    "json_option",
    "limit_option",
    "offering",
    "out_option",
    "seed_option",
    "set_option",
    "shard_option",
    "size_option",
    "weights_option",
    "with_verbosity",
]

PATH = click.Path(path_type=Path)
"""A file or folder; whether it is there is told by whoever opens it, in one line."""

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])
_Option = Callable[[_Decorated], _Decorated]

device_option = click.option(
    "--device", default="auto", show_default=True, help="auto (cuda when there, else cpu), cpu, cuda, cuda:1."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
config_option = click.option("--config", type=PATH, help="TOML file of settings; it overrides the defaults.")

weights_option = click.option("--weights", type=PATH, help="Folder of model weights, searched first.")


def out_option(what: str, *, required: bool = True, **more: Any) -> _Option[Any]:
    """``--out``: where ``what`` goes."""
    return click.option("--out", required=required, help=what, **{"type": PATH, **more})


def set_option(what: str) -> _Option[Any]:
    """``--set KEY=VALUE``, any number of times; the verb receives them as ``overrides``."""
    return click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=what)


def seed_option(what: str, *, default: int | None = 0) -> _Option[Any]:
    """``--seed``: a number from 0 on; of what, says ``what``."""
    shown = default is not None
    return click.option("--seed", type=click.IntRange(min=0), default=default, show_default=shown, help=what)


def limit_option(what: str) -> _Option[Any]:
    """``--limit N``: only the first."""
    return click.option("--limit", type=click.IntRange(min=1), metavar="N", help=what)


def dry_run_option(what: str) -> _Option[Any]:
    """``--dry-run``: say what would be done."""
    return click.option("--dry-run", is_flag=True, help=what)


def jobs_option(what: str = "Worker processes.") -> _Option[Any]:
    """``--jobs``: one for each core by default."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=usable_cores,
        show_default="one for each core it may use",
        help=what,
    )


def engine_options(command: _Decorated) -> _Decorated:
    """``--engine`` and ``--address``: where the work runs."""
    address = click.option(
        "--address", metavar="HOST", help="Of a running Ray cluster; auto finds that of this machine."
    )
    engine = click.option(
        "--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="Where work runs."
    )
    return engine(address(command))


class _Shard(click.ParamType):  # type: ignore[type-arg]
    """``2/4``: the second of four parts."""

    name = "shard"

    def convert(self, value: str | Shard, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Read the part."""
        return Shard.parse(value) if isinstance(value, str) else value


def shard_option(what: str) -> _Option[Any]:
    """``--shard I/N``: one of N parts of a job, which need not know of each other."""
    return click.option("--shard", type=_Shard(), metavar="I/N", help=what)


class _Size(click.ParamType):  # type: ignore[type-arg]
    """``720x1280`` px, or one side of a square."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read width and height."""
        if isinstance(value, tuple):
            return value
        sides = [int(side) if side.isdecimal() else 0 for side in value.lower().split("x")]
        if len(sides) > 2 or not all(sides):
            self.fail(f"{value!r}: expected WIDTHxHEIGHT, for example 720x1280, or one side", param, ctx)
        return sides[0], sides[-1]


def size_option(what: str, **more: Any) -> _Option[Any]:
    """``--size WxH``: width and height of pictures, px."""
    return click.option("--size", type=_Size(), metavar="WxH", help=what, **more)


def offering(
    names: Callable[[], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """``shell_complete`` of an argument that takes a name or a file: the names that begin so, files where none does."""

    def complete(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in sorted(names()) if name.startswith(typed)]
        return found or [CompletionItem(typed, type="file")]

    return complete


def named_folders(option: str, texts: Sequence[str]) -> dict[str, Path]:
    """NAME=FOLDER of an option that may be given several times.

    Raises:
        MadanceError: a text is not of that form.

    Example:
        >>> named_folders("--media", ["edge=out/edge"])["edge"].as_posix()
        'out/edge'
    """
    folders = {}
    for text in texts:
        name, sign, folder = text.partition("=")
        if not sign or not name or not folder:
            raise MadanceError(f"{option} {text}: expected SYSTEM=FOLDER")
        folders[name] = Path(folder)
    return folders


def is_quiet() -> bool:
    """Whether ``-q`` was given, to the verb or before it: only errors and results are shown."""
    root = click.get_current_context().find_root()
    return bool((root.obj or {}).get("quiet"))


def with_verbosity(command: click.Command) -> click.Command:
    """``command`` with ``-q`` and ``-v``; the commands of a group have them each."""
    taken = {name for parameter in command.params for name in parameter.opts}
    if not taken & {"-q", "-v"}:
        command.params += [_VERBOSE, _QUIET]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_verbosity(inner)
    return command


def _speak(ctx: click.Context, parameter: click.Parameter, value: int) -> None:
    if not value:
        return
    said = ctx.find_root().ensure_object(dict)
    said[parameter.name] = max(said.get(parameter.name, 0), int(value))
    louder = logging.DEBUG if said.get("verbose", 0) > 1 else logging.INFO
    logging.getLogger().setLevel(logging.ERROR if said.get("quiet") else louder)


_VERBOSE = click.Option(
    ["-v", "--verbose"], count=True, expose_value=False, callback=_speak, help="Say more (-vv: everything)."
)
_QUIET = click.Option(
    ["-q", "--quiet"], is_flag=True, expose_value=False, callback=_speak, help="Only errors and results."
)
