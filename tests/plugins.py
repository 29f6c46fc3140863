"""Distributions of others made on the spot: metadata and modules in a folder that can be put on the path."""

import textwrap


def distribution(site, name, points, modules=(), *, version="1.0", requires=()):
    """Lay down a distribution as pip would.

    Args:
        points: entry-point group -> name -> ``module:object``.
        modules: file name -> source.
    """
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    metadata = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(metadata) + "\n")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())])
        for group, entries in points.items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    for file, source in dict(modules).items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return site
