"""``madance train``: the trainers, each loaded when it is asked for; others by entry points (``madance.train``)."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec

import click

from madata.commands.options import with_verbosity

__all__ = ["train"]

_GROUP = "madance.train"
_TRAINERS = {
    "motion": ("mace_dance.commands.train_motion", "motion"),
    "kinematic": ("mace_dance.commands.train_appearance", "kinematic"),
    "aesthetic": ("mace_dance.commands.train_appearance", "aesthetic"),
}


class _Trainers(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours, then those of entry points."""
        ours = [name for name, (module, _) in _TRAINERS.items() if find_spec(module)]
        return [*ours, *sorted(entry_points(group=_GROUP).names)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if cmd_name in _TRAINERS:
            module, name = _TRAINERS[cmd_name]
            command: click.Command = getattr(import_module(module), name)
        else:
            # an installed copy may be listed twice by one distribution
            command = next(iter(entry_points(group=_GROUP, name=cmd_name))).load()
        return with_verbosity(command)


@click.group(cls=_Trainers, short_help="Train an expert of the paper, or a baseline.")
def train() -> None:
    """Train a model; the same command goes on where an interrupted one stopped.

    Several GPUs: accelerate launch --num_processes N -m madata train ...
    """
