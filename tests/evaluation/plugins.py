"""Third-party distributions made on the spot: metadata and modules in a folder that can be put on the path."""

import shutil
import textwrap
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(site, name, entries, modules=(), *, version="1.0", requires=()):
    """Lay down a distribution as pip would: ``entries`` name -> target, ``modules`` file name -> source."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(metadata) + "\n")
    lines = "\n".join(f"{key} = {value}" for key, value in entries.items())
    (info / "entry_points.txt").write_text(f"[madance.systems]\n{lines}\n")
    for file, source in dict(modules).items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return site


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
