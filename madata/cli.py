"""The command ``madance``: a group that finds its verbs in the entry-point group ``madance.commands``.

Each package declares its own verbs in ``pyproject.toml``, so this module imports none of them, and a verb's module
imports heavy packages only when it runs: ``madance --help`` answers at once.

Exit codes: 0 done, 1 finished with items missing, 2 user error, 3 verification failed, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import entry_points

import click

from madata.errors import MadanceError, did_you_mean

__all__ = ["LazyGroup", "madance", "main"]


class LazyGroup(click.Group):
    """A group whose commands are loaded from the entry-point group ``madance.commands`` when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(entry_points(group="madance.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in entry_points(group="madance.commands", name=cmd_name):
            try:
                command: click.Command = entry.load()
            except ImportError as error:
                return _broken(cmd_name, entry.value, error)
            return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx)) if args else ""
            raise click.UsageError(f"{error.message.rstrip('.')}{hint}", ctx) from error


def _broken(name: str, target: str, error: ImportError) -> click.Command:
    def fail() -> None:
        raise MadanceError(f"the verb {name!r} ({target}) cannot be loaded: {error}")

    return click.Command(name, callback=fail, short_help=f"cannot be loaded: {error}")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", count=True, help="Say more (-vv: everything).")
@click.option("-q", "--quiet", is_flag=True, help="Only errors and results.")
@click.version_option(package_name="madance")
@click.pass_context
def madance(ctx: click.Context, verbose: int, quiet: bool) -> None:
    """Build, score and publish music-to-dance video."""
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    ctx.obj = {"quiet": quiet}


def main() -> None:
    """Run the command line; a :class:`MadanceError` is one line and exit code 2."""
    try:
        code = madance.main(standalone_mode=False)
    except click.Abort:
        click.echo("interrupted; the same command goes on where it stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MadanceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
