"""``madance check``: the contract of a system on three made clips, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evaluation.commands.completion import systems
from madata.commands.options import device_option, json_option, out_option, set_option, size_option
from madata.text import visible

if TYPE_CHECKING:
    from evaluation.check import Finding
    from evaluation.systems import Task

__all__ = ["check"]


@click.command(short_help="Does a system keep the contract? Three made clips tell.")
@click.argument("system", shell_complete=systems)
@click.option("--task", type=click.Choice(["motion", "animation", "video"]), help="Where it does several.")
@device_option
@size_option("Size of videos [default: of the system].")
@set_option("Option of the system.")
@out_option("Folder the clips are to go to later.", required=False)
@click.option("--limit-s", default=600.0, show_default=True, help="Give up after so many seconds.")
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    system: str,
    task: Task | None,
    device: str,
    size: tuple[int, int] | None,
    overrides: tuple[str, ...],
    out: Path | None,
    limit_s: float,
    as_json: bool,
) -> None:
    """Check that SYSTEM gives what it is asked for.

    SYSTEM is an installed name (see `systems`), ./my_method.py:MyMethod, a folder of finished clips,
    ./their_method.toml (a command), or cascade:MOTION+ANIMATION.
    Shapes, frame rate, length, finite numbers, unit and up axis of motions, the same
    clip twice and in another order, seeds, a writable output.

    Exit codes: 0 all rules hold, 2 SYSTEM is not usable at all, 3 a rule does not hold.
    """
    from dataclasses import asdict

    from evaluation.check import check_in_child
    from evaluation.generate.settings import parse_options
    from madata.devices import resolve_device
    from madata.extras import require

    require("check")
    findings = []
    found = check_in_child(
        system,
        task,
        device=resolve_device(device),
        options=parse_options(overrides),
        out=out,
        limit_s=limit_s,
        size=size,
    )
    for finding in found:
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.status.upper():4}  {finding.rule:12} {visible(finding.message)}")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    failed = [finding.rule for finding in findings if finding.status == "fail"]
    if not as_json:
        click.echo(_verdict(system, findings))
    ctx.exit(2 if "load" in failed else 3 if failed else 0)


def _verdict(system: str, findings: Sequence[Finding]) -> str:
    """What was looked at and how it ended, in a line."""
    failed = dict.fromkeys(finding.rule for finding in findings if finding.status == "fail")
    warned = dict.fromkeys(finding.rule for finding in findings if finding.status == "warn")
    if failed:
        return f"{visible(system)} does not pass: mend {', '.join(failed)} ({len(findings)} rules looked at)"
    rest = f"none broken; worth a look: {', '.join(warned)}" if warned else "all hold"
    return f"{visible(system)} keeps the contract: {len(findings)} rules looked at, {rest}"
