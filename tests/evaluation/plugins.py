"""Distributions of systems made on the spot."""

import shutil
import tomllib
from pathlib import Path

from tests.plugins import distribution

ROOT = Path(__file__).resolve().parents[2]


def install(site, name, entries, modules=(), *, version="1.0", requires=()):
    """Lay down a distribution of systems: ``entries`` name -> target, ``modules`` file name -> source."""
    points = {"madance.systems": entries}
    return distribution(site, name, points, modules, version=version, requires=requires)


def install_example(site):
    """The package of ``examples/package``, by its own ``pyproject.toml``."""
    source = ROOT / "examples" / "package"
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    requires = [
        *project["dependencies"],
        *(f"{need}; extra == '{name}'" for name, needs in extras for need in needs),
    ]
    points = project["entry-points"]["madance.systems"]
    install(site, project["name"], points, version=project["version"], requires=requires)
    shutil.copytree(source / "stepdance", site / "stepdance")
    return site
