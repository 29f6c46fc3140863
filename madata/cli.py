"""The command ``madance``: a group that finds its verbs in the entry-point group ``madance.commands``.

Each package declares its own verbs in ``pyproject.toml``, so this module imports none of them, and a verb's module
imports heavy packages only when it runs: ``madance --help`` answers at once.

Exit codes: 0 done, 1 finished with items missing, 2 an error of the user or of the place (disk, rights, a package that
is not installed), 3 verification failed, 70 a fault of ours, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from importlib.metadata import entry_points

import click

from madata.cache import keep_torch_in_cache
from madata.commands.options import with_verbosity
from madata.devices import take_threads
from madata.ending import Terminated, asked_to_end, fault_report, raise_on_signals
from madata.errors import MadanceError, did_you_mean
from madata.extras import absent_package
from madata.files import sweep_temporary_folder
from madata.plugins import refuse_foreign
from madata.text import visible_lines

__all__ = ["LazyGroup", "madance", "main"]

_NEEDS = {"mace_dance": ("mace_dance", "evaluation"), "leaderboard": ("leaderboard", "evaluation")}
"""Packages of ours that the verbs of a package import while they run."""


class LazyGroup(click.Group):
    """A group whose commands are loaded from the entry-point group ``madance.commands`` when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the entry points, in order."""
        return sorted(entry_points(group="madance.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        for entry in entry_points(group="madance.commands", name=cmd_name):
            try:
                package = entry.module.partition(".")[0]
                for needed in _NEEDS.get(package, (package,)):
                    refuse_foreign(needed)
                return with_verbosity(entry.load())
            except (ImportError, MadanceError) as error:
                return _broken(cmd_name, entry.value, error)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name nobody offers is answered with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx)) if args else ""
            raise click.UsageError(f"{error.message.rstrip('.')}{hint}", ctx) from error


def _broken(name: str, target: str, error: Exception) -> click.Command:
    """A verb that says why it cannot be loaded, whatever options it is given."""

    def fail() -> None:
        raise MadanceError(f"the verb {name!r} ({target}) cannot be loaded: {error}")

    said = f"cannot be loaded: {error}"
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.Command(name, callback=fail, help=said, short_help=said, context_settings=anything)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="madance")
def madance() -> None:
    """Build, score and publish music-to-dance video."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)


with_verbosity(madance)


def main() -> None:
    """Run the command line; what a user can mend is one line and exit code 2, a fault of ours is a short report."""
    raise_on_signals()
    try:
        take_threads()
        keep_torch_in_cache()
        sweep_temporary_folder()
        code = madance.main(prog_name="madance", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt, Terminated):
        code = _interrupted(asked_to_end() or signal.SIGINT)
    except Exception as error:
        # what is raised inside a library that is being imported may come out of it as an error of its own
        number = asked_to_end()
        code = _failed(error) if number is None else _interrupted(number)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted(number: int) -> int:
    click.echo("interrupted; the same command goes on where it stopped", err=True)
    return 128 + number


def _failed(error: Exception) -> int:
    """Say what went wrong; the exit code."""
    match error:
        case click.ClickException():
            error.show()
            return error.exit_code
        case MadanceError():
            said = visible_lines(str(error))
        case ModuleNotFoundError():
            said = absent_package(error.name or str(error))
        case OSError():  # of the place: no right to write, a full disk, a folder that went away
            said = f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}"
        case MemoryError():
            said = "not enough memory; give it more, or fewer --jobs or smaller files"
        case _:
            if logging.getLogger().isEnabledFor(logging.DEBUG):
                traceback.print_exception(error)
            click.echo(fault_report(error), err=True)
            click.echo(
                "this is a fault of madance itself, not of your files: please send these lines to its issue tracker "
                "(-vv shows all)",
                err=True,
            )
            return 70
    click.echo(f"error: {said}", err=True)
    return 2


if __name__ == "__main__":
    main()
