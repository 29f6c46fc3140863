"""``madance doctor``: what this machine has, what is missing, and the command that brings it.

Other packages have a word, too, through two entry-point groups of callables that take nothing and return lines of
text: ``madance.doctor`` says which implementation runs here and why, ``madance.kernels`` builds an optional one.
A callable that fails is named and harms nothing else.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import (
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    requires,
    version,
)
from typing import Any

import click

from madata.commands.options import json_option
from madata.devices import usable_cores
from madata.errors import MadanceError
from madata.extras import is_there, missing_for_jobs

__all__ = ["ask", "doctor", "examine"]

_OPENCV_WHEELS = {
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
}


def examine() -> dict[str, Any]:
    """Versions of every package an extra names, compute devices, and problems with their remedy.

    Our packages add what they report of themselves.
    """
    packages: dict[str, str | None] = {}
    extras: dict[str, list[str]] = {}
    for requirement in requires("madance") or []:
        name, extra = _parse(requirement)
        if name == "madance":
            continue
        packages[name] = _version(name)
        if extra:
            extras.setdefault(extra, []).append(name)
    missing = {
        extra: absent
        for extra, names in extras.items()
        if extra not in ("all", "dev", "docs")
        and (absent := [name for name in names if packages[name] is None])
    }
    reports, failed = ask("madance.doctor")
    return {
        "python": platform.python_version(),
        "platform": platform.system(),
        "cores": usable_cores(),
        "device": _device() if is_there("torch") else None,
        "packages": dict(sorted(packages.items())),
        "missing": missing,
        "jobs": missing_for_jobs(),
        "reports": reports,
        "problems": [*_problems(), *failed],
    }


def ask(group: str) -> tuple[list[str], list[str]]:
    """Call every entry point of a group.

    Returns:
        The lines they returned; and one line for each that failed.
    """
    lines, failed = [], []
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            lines += [str(line) for line in entry.load()()]
        except ModuleNotFoundError as error:  # a missing extra, which is listed as such
            lines.append(f"{entry.name}: needs {error.name}")
        except Exception as error:  # someone else's code: whatever it raises must not end this command
            reason = str(error) if isinstance(error, MadanceError) else f"{type(error).__name__}: {error}"
            failed.append(f"{entry.name} ({entry.value}): {reason}")
    return lines, failed


def _parse(requirement: str) -> tuple[str, str | None]:
    import re

    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", requirement)
    return (match.group() if match else requirement).lower(), extra.group(1) if extra else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _device() -> str:
    import torch

    return f"cuda ({torch.cuda.get_device_name()})" if torch.cuda.is_available() else "cpu"


def _problems() -> list[str]:
    problems = []
    wheels = sorted(set(packages_distributions().get("cv2", [])) & _OPENCV_WHEELS)
    if len(wheels) > 1:
        problems.append(
            f"{len(wheels)} OpenCV wheels overwrite one another ({', '.join(wheels)}): "
            f"pip uninstall {' '.join(wheels)}, then pip install opencv-python-headless"
        )
    return problems


@click.command(short_help="What is installed, what is missing, what would mend it.")
@click.option(
    "--build-kernels", is_flag=True, help="First build the optional fast kernels; needs a C++ compiler."
)
@json_option
def doctor(build_kernels: bool, as_json: bool) -> None:
    """Show versions, devices, missing extras, which implementations run, and model weights."""
    built, failed = ask("madance.kernels") if build_kernels else ([], [])
    for line in built:
        click.echo(line, err=True)
    found = examine()
    found["problems"] += failed
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        device = found["device"] or "none (no torch)"
        click.echo(
            f"python {found['python']} on {found['platform']}, {found['cores']} cores, device {device}"
        )
        for name, installed in found["packages"].items():
            click.echo(f"  {name:28s} {installed or '-'}")
        for extra, names in found["missing"].items():
            click.echo(f"missing for extra {extra!r}: {', '.join(names)}; pip install 'madance[{extra}]'")
        ready = [job for job, lacks in found["jobs"].items() if not lacks]
        click.echo(f"you can: {', '.join(ready) or 'nothing that takes an extra'}")
        for job, lacks in found["jobs"].items():
            if lacks:
                click.echo(f"you cannot yet: {job}, which {lacks}")
        for line in found["reports"]:
            click.echo(line)
        for problem in found["problems"]:
            click.echo(f"problem: {problem}")
        click.echo("networks and their weights: madance weights list")
    raise SystemExit(1 if found["problems"] else 0)
